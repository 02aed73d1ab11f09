import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { z } from 'zod'
import { mediaAnswer } from '../http/documented-answers.ts'
import type { HttpRoutes, RouteGroup } from '../http/server.ts'
import { HoldfastError } from '../lib/errors.ts'
import { messageAnswer } from '../streams/api/answers.ts'
import { requireAllowedProtocols } from '../streams/api/source-url.ts'
import type { Broadcast } from './broadcast.ts'
import { broadcastBody, toBroadcastRequest } from './broadcast-request.ts'
import type { Broadcasts } from './broadcasts.ts'

export interface BroadcastApiOptions {
  readonly broadcasts: Broadcasts
  /** Schemes that sources may have (SOURCE_PROTOCOLS). */
  readonly sourceProtocols: readonly string[]
}

const NETWORK_CHARACTERS_MAX = 128
const path = z.object({
  networkId: z
    .string()
    .max(NETWORK_CHARACTERS_MAX)
    .regex(/^[\w.:@-]+$/, 'must be 1 to 128 letters, digits or . : @ _ -'),
})

const statusAnswer = z.object({
  network_id: z.string(),
  status: z.enum(['starting', 'running', 'stopped', 'ended', 'failed']),
  current_segment_number: z.number().meta({ description: 'Of the newest complete segment' }),
  started_at: z.string().nullable(),
  stream_url: z.string(),
  hls_dir: z.string(),
  ffmpeg_pid: z.number().nullable(),
  error_message: z.string().nullable(),
  bytes_written: z.number(),
})

const tags = ['broadcasts']
const PLAYLIST_TYPE = 'application/vnd.apple.mpegurl'
const SEGMENT_TYPE = 'video/mp2t'

/** `/broadcast/*` of m3u-proxy: programmes that are played one after another as one HLS channel. */
export function broadcastApi(options: BroadcastApiOptions): RouteGroup {
  return {
    access: 'operator',
    errors: 'peer',
    plugin: async (app) => {
      addControlRoutes(app, options)
      addStatusRoutes(app, options)
      addPlaybackRoutes(app, options)
    },
  }
}

function addControlRoutes(app: HttpRoutes, { broadcasts, sourceProtocols }: BroadcastApiOptions): void {
  const answers = { response: { 200: statusAnswer } }
  app.post(
    '/broadcast/:networkId/start',
    { schema: { summary: 'Play a programme on a network', tags, params: path, body: broadcastBody, ...answers } },
    async ({ params, body }) => {
      const request = toBroadcastRequest(body)
      const sources = request.urls.map((url) => ({ url, priority: 0, weight: 1, headers: {} }))
      requireAllowedProtocols({ url: request.urls[0] ?? '', sources }, sourceProtocols, 'stream_url')
      return toStatus(await broadcasts.start(params.networkId, request))
    },
  )
  const stopped = z.object({
    message: z.string(),
    network_id: z.string(),
    final_segment_number: z.number(),
    status: z.string(),
  })
  app.post(
    '/broadcast/:networkId/stop',
    {
      schema: {
        summary: 'End the programme of a network; its numbers go on with the next',
        tags,
        params: path,
        response: { 200: stopped },
      },
    },
    async ({ params }) => {
      const { networkId, currentNumber, status } = await broadcasts.stop(params.networkId)
      return { message: 'Broadcast stopped', network_id: networkId, final_segment_number: currentNumber, status }
    },
  )
  app.delete(
    '/broadcast/:networkId',
    {
      schema: {
        summary: 'End a network and remove its files; 200 also when there is none',
        tags,
        params: path,
        response: { 200: messageAnswer },
      },
    },
    async ({ params }) => {
      await broadcasts.delete(params.networkId)
      return { message: `Broadcast ${params.networkId} cleaned up successfully` }
    },
  )
}

function addStatusRoutes(app: HttpRoutes, { broadcasts }: BroadcastApiOptions): void {
  app.get(
    '/broadcast/:networkId/status',
    { schema: { summary: 'Read a network', tags, params: path, response: { 200: statusAnswer } } },
    async ({ params }) => toStatus(broadcasts.get(params.networkId)),
  )
  const listed = z.object({ broadcasts: z.array(statusAnswer), count: z.number() })
  app.get('/broadcast', { schema: { summary: 'List networks', tags, response: { 200: listed } } }, async () => {
    const all = broadcasts.list().map(toStatus)
    return { broadcasts: all, count: all.length }
  })
}

/** For players, which have no token. */
function addPlaybackRoutes(app: HttpRoutes, { broadcasts }: BroadcastApiOptions): void {
  const config = { access: 'public' } as const
  app.route({
    ...{ method: ['GET', 'HEAD'], url: '/broadcast/:networkId/live.m3u8', config },
    schema: {
      ...{ summary: 'The playlist of a network', tags, params: path },
      response: { 200: mediaAnswer('A media playlist', [PLAYLIST_TYPE]) },
    },
    handler: async ({ params, raw }, reply) => {
      const left = new AbortController()
      raw.once('close', () => left.abort())
      const text = await broadcasts.get(params.networkId).playlist(left.signal)
      if (text === undefined) throw new HoldfastError('broadcast_not_found', 'Playlist not available')
      return reply.header('cache-control', 'no-cache, no-store, must-revalidate').type(PLAYLIST_TYPE).send(text)
    },
  })
  app.route({
    ...{ method: ['GET', 'HEAD'], url: '/broadcast/:networkId/segment/:file', config },
    schema: {
      ...{ summary: 'A segment of a network', tags, params: path.extend({ file: z.string().max(128) }) },
      response: { 200: mediaAnswer('The segment', [SEGMENT_TYPE]) },
    },
    handler: async ({ params, method }, reply) => {
      const place = broadcasts.get(params.networkId).segmentPath(params.file)
      const found = place === undefined ? undefined : await stat(place).catch(() => undefined)
      if (place === undefined || found === undefined)
        throw new HoldfastError('broadcast_not_found', 'Segment not found')
      void reply
        .header('cache-control', 'public, max-age=86400, immutable')
        .header('content-length', found.size)
        .type(SEGMENT_TYPE)
      return method === 'HEAD' ? reply.send() : reply.send(createReadStream(place))
    },
  })
}

function toStatus(broadcast: Broadcast): z.output<typeof statusAnswer> {
  const { networkId, status, currentNumber, startedWallMs, streamUrl, directory, pid, errorMessage } = broadcast
  return {
    network_id: networkId,
    status,
    current_segment_number: currentNumber,
    started_at: startedWallMs === 0 ? null : new Date(startedWallMs).toISOString(),
    stream_url: streamUrl,
    hls_dir: directory,
    ffmpeg_pid: pid ?? null,
    error_message: errorMessage ?? null,
    bytes_written: broadcast.bytesWritten,
  }
}
