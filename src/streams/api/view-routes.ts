import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { RequestInvalid } from '../../http/error-body.ts'
import { isLoopbackHost, plainAddress } from '../../http/loopback.ts'
import type { HttpRoutes } from '../../http/server.ts'
import { withoutExtension } from '../../http/server.ts'
import { streamPath } from './answers.ts'
import type { StreamApiOptions } from './api-options.ts'
import { mediaAnswer } from '../../http/documented-answers.ts'
import { httpUrl } from '../../http/http-url.ts'
import type { ViewRequest } from '../service.ts'
import { clientId } from './input.ts'
import { requestOf } from './stream-request.ts'
import { streamNotFound } from './stream-routes.ts'

/** What a client says of itself is shown to operators; this much of it. */
const SAID_CHARACTERS_MAX = 256

/** What a source says of a film passes, if it is media. */
const MEDIA_TYPES = ['video/mp2t', 'video/mp4', 'application/octet-stream'] as const

const username = z.string().optional().meta({ description: 'Shown with the viewer; also the header X-Username' })

export const viewQuery = z.object({
  client_id: clientId.optional(),
  url: z.string().optional().meta({ description: 'Operators only: watch this URL without creating a stream first' }),
  token: z.string().optional().meta({ description: 'Viewer token, where REQUIRE_VIEWER_TOKEN is set' }),
  username,
  user: username,
  u: username,
})

/** Of a stream that is encoded in several qualities at once. */
const rendition = z
  .string()
  .regex(/^\d{1,2}$/, 'must be a whole number from 0 to 99')
  .transform(Number)
  .optional()
  .meta({ description: 'Which of several renditions; 0, the best, by default' })

/** Media. The service writes the answer itself, past Fastify, and throws only before it has written anything. */
export function addViewRoutes(app: HttpRoutes, options: StreamApiOptions): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/stream/:streamId',
    config: { access: 'viewer' },
    schema: {
      summary: 'Watch a stream; a file extension behind the id is ignored',
      tags: ['viewing'],
      params: streamPath,
      querystring: viewQuery.extend({ rendition }),
      response: {
        200: mediaAnswer('The media, as long as the connection lasts; of a film, all of it', MEDIA_TYPES),
        206: mediaAnswer('The part of a film that Range asked for', MEDIA_TYPES),
      },
    },
    handler: async (request, reply) => {
      const { query } = request
      const streamId = await streamIdFor(request, request.params.streamId, query.url, options)
      const { rendition: index } = query
      await options.streams.view({ streamId, ...viewerFacts(request, query), response: reply.raw, rendition: index })
      return reply.hijack()
    },
  })
}

/** What a client says of itself, and where it is. */
export function viewerFacts(
  request: FastifyRequest,
  query: z.output<typeof viewQuery>,
): Omit<ViewRequest, 'streamId' | 'response'> {
  return {
    clientId: query.client_id === '' ? undefined : query.client_id,
    userAgent: said(request.headers['user-agent']) ?? 'unknown',
    ipAddress: plainAddress(request.ip).slice(0, SAID_CHARACTERS_MAX),
    username: said(request.headers['x-username'] ?? query.username ?? query.user ?? query.u),
    request: request.raw,
  }
}

/** The stream that a path names, or the one of a URL in the query. Throws stream_not_found. */
export async function streamIdFor(
  request: FastifyRequest,
  idInPath: string,
  url: string | undefined,
  options: StreamApiOptions,
): Promise<string> {
  const { streams } = options
  if (url !== undefined && url !== '') return adHocStream(request, url, options)
  const streamId = streams.get(idInPath) === undefined ? withoutExtension(idInPath) : idInPath
  if (streams.get(streamId) === undefined) throw streamNotFound()
  return streamId
}

/**
 * The stream of a URL in the query. To whoever may not have one made it looks as if there was none: otherwise this
 * machine would fetch whatever a stranger names.
 */
async function adHocStream(request: FastifyRequest, url: string, options: StreamApiOptions): Promise<string> {
  const { streams, defaults, access } = options
  // The socket's address, which no header can claim.
  const isLocal = access.mode.kind === 'token' || isLoopbackHost(plainAddress(request.raw.socket.remoteAddress ?? ''))
  if (!request.isOperator || !isLocal) throw streamNotFound()
  const checked = z.object({ url: httpUrl }).safeParse({ url })
  if (!checked.success) throw new RequestInvalid(checked.error.issues, 'querystring')
  const known = streams.list().find((stream) => stream.request.url === url)
  return known?.streamId ?? (await streams.create(requestOf(url, defaults))).streamId
}

function said(value: string | readonly string[] | undefined): string | undefined {
  const text = typeof value === 'string' ? value : value?.[0]
  return text === undefined || text === '' ? undefined : text.slice(0, SAID_CHARACTERS_MAX)
}
