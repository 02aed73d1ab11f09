import { z } from 'zod'
import type { HttpRoutes } from '../../http/server.ts'
import { HoldfastError } from '../../lib/errors.ts'
import type { StreamSnapshot } from '../service.ts'
import { messageAnswer, streamPath } from './answers.ts'
import type { StreamApiOptions } from './api-options.ts'
import { URL_CHARACTERS_MAX } from '../../http/http-url.ts'
import { clientObject, streamObject, streamTypeOf, toClientObject, toStreamObject } from './stream-object.ts'
import { streamRequestBody, toAllowedRequest } from './stream-request.ts'

const createdAnswer = z.object({
  stream_id: z.string(),
  primary_url: z.string(),
  failover_urls: z.array(z.string()),
  user_agent: z.string(),
  stream_type: z.enum(['direct', 'hls']),
  stream_endpoint: z.string().meta({ description: 'Path to hand to players, with the viewer token if one is needed' }),
  playlist_url: z.string(),
  direct_url: z.string(),
  hls_url: z.string().nullable().meta({ description: 'Path of the stream as HLS (Holdfast only); null for files' }),
  ts_url: z.string().meta({ description: 'Path of the stream as one continuous body (Holdfast only)' }),
  message: z.string(),
  metadata: z.record(z.string(), z.string()).optional(),
})

const target = z
  .union([z.int().min(0), z.string().min(1).max(URL_CHARACTERS_MAX)], 'must be an index from 0 or a URL of the stream')
  .meta({
    description: 'Where to go: an index (0 the primary) or one of the URLs of the stream; the next one by default',
  })

const failoverAnswer = z.object({
  message: z.string(),
  new_url: z.string(),
  failover_index: z.number().meta({ description: '0 is the primary, 1 the first failover URL' }),
  failover_attempts: z.number(),
  active_clients: z.number(),
  stream_type: z.string(),
})

const tags = ['streams']

/** Creating, listing, reading and deleting streams, and moving one to another source by hand. */
export function addStreamRoutes(app: HttpRoutes, options: StreamApiOptions): void {
  const { streams, defaults } = options
  app.post(
    '/streams',
    {
      schema: {
        summary: 'Create a stream, or update the one of the same URL',
        tags,
        body: streamRequestBody,
        response: { 200: createdAnswer },
      },
    },
    async ({ body }) => toCreatedAnswer(await streams.create(toAllowedRequest(body, defaults)), options),
  )
  const listed = z.object({ streams: z.array(streamObject), total: z.number() })
  app.get('/streams', { schema: { summary: 'List streams', tags, response: { 200: listed } } }, async () => {
    const all = streams.list().map(toStreamObject)
    return { streams: all, total: all.length }
  })
  addOneStreamRoutes(app, options)
  addFailoverRoute(app, options)
}

function addOneStreamRoutes(app: HttpRoutes, { streams }: StreamApiOptions): void {
  const one = z.object({ stream: streamObject, clients: z.array(clientObject), client_count: z.number() })
  app.get(
    '/streams/:streamId',
    {
      schema: {
        summary: 'Read a stream and its viewers',
        tags,
        params: streamPath,
        response: { 200: one },
      },
    },
    async ({ params }) => {
      const stream = streams.get(params.streamId)
      if (stream === undefined) throw streamNotFound()
      const clients = streams.clients().filter(({ streamId }) => streamId === stream.streamId)
      return { stream: toStreamObject(stream), clients: clients.map(toClientObject), client_count: clients.length }
    },
  )
  app.delete(
    '/streams/:streamId',
    {
      schema: {
        summary: 'End a stream and its viewers',
        tags,
        params: streamPath,
        response: { 200: messageAnswer },
      },
    },
    async ({ params }) => {
      if (!(await streams.delete(params.streamId, 'manual_deletion'))) throw streamNotFound()
      return { message: `Stream ${params.streamId} deleted` }
    },
  )
}

function addFailoverRoute(app: HttpRoutes, { streams }: StreamApiOptions): void {
  app.post(
    '/streams/:streamId/failover',
    {
      schema: {
        summary: 'Move a stream to its next source, or to one that is named',
        tags,
        params: streamPath,
        querystring: z.object({ target: target.optional() }),
        body: z.object({ target: target.nullish() }).nullish(),
        response: { 200: failoverAnswer },
      },
    },
    async ({ params, query, body }) => {
      const wanted = indexOrUrl(body?.target ?? query.target)
      const result = await streams.failover(params.streamId, wanted === undefined ? {} : { target: wanted })
      return {
        message: 'Failover triggered successfully - all clients will seamlessly reconnect',
        new_url: result.newUrl,
        failover_index: result.failoverIndex,
        failover_attempts: result.failoverAttempts,
        active_clients: result.activeClients,
        stream_type: streamTypeOf(result.kind),
      }
    },
  )
}

export function streamNotFound(): HoldfastError {
  return new HoldfastError('stream_not_found', 'Stream not found')
}

function indexOrUrl(wanted: number | string | undefined): number | string | undefined {
  return typeof wanted === 'string' && /^\d{1,4}$/.test(wanted) ? Number(wanted) : wanted
}

function toCreatedAnswer(
  stream: StreamSnapshot,
  { access, information }: StreamApiOptions,
): z.output<typeof createdAnswer> {
  const { streamId, request } = stream
  const isHls = stream.kind === 'hls'
  const token = access.viewerToken(streamId)
  const withToken = (path: string) => (token === undefined ? path : `${path}?token=${token}`)
  const hlsUrl = withToken(`/hls/${streamId}/playlist.m3u8`)
  const continuousUrl = withToken(`/stream/${streamId}`)
  const endpoint = isHls ? hlsUrl : continuousUrl
  const type = isHls ? 'hls' : 'direct'
  return {
    stream_id: streamId,
    primary_url: request.url,
    failover_urls: [...request.failoverUrls],
    user_agent: request.userAgent ?? information().userAgent,
    stream_type: type,
    stream_endpoint: endpoint,
    playlist_url: endpoint,
    direct_url: endpoint,
    hls_url: stream.kind === 'vod' ? null : hlsUrl,
    ts_url: continuousUrl,
    message: `Stream created successfully (${type})`,
    ...(Object.keys(request.metadata).length === 0 ? {} : { metadata: request.metadata }),
  }
}
