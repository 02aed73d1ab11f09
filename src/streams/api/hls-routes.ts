import { z } from 'zod'
import { mediaAnswer } from '../../http/documented-answers.ts'
import type { HttpRoutes } from '../../http/server.ts'
import type { StreamApiOptions } from './api-options.ts'
import { streamIdFor, viewerFacts, viewQuery } from './view-routes.ts'

/** Query parameters that a player has to send with everything that a playlist of ours names. */
const CARRIED = ['client_id', 'token'] as const

/** Sent more than once, the last one counts. */
const parameter = (description: string) =>
  z
    .union([z.string(), z.array(z.string())])
    .optional()
    .meta({ description })

const HLS_TYPES = ['application/vnd.apple.mpegurl', 'video/mp2t', 'video/mp4', 'application/octet-stream'] as const

const hlsQuery = viewQuery
  .extend({
    format: parameter('`fmp4` or `cmaf`: fragmented MP4, where the stream is packaged here'),
    _HLS_msn: parameter('Blocking reload: answer when the playlist has this media sequence number'),
    _HLS_part: parameter('Blocking reload: and this part of it'),
    _HLS_skip: parameter('`YES`: a delta update'),
  })
  .catchall(z.union([z.string(), z.array(z.string())]))

/** Playlists, and what they name. The stream writes the answer itself, and throws only before it has written anything. */
export function addHlsRoutes(app: HttpRoutes, options: StreamApiOptions): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/hls/:streamId/*',
    config: { access: 'viewer' },
    schema: {
      summary: 'Watch a stream as HLS: playlist.m3u8, and whatever it names',
      tags: ['viewing'],
      params: z.object({ streamId: z.string(), '*': z.string() }),
      querystring: hlsQuery,
      response: {
        200: mediaAnswer('A playlist, a segment, a part, an initialisation section or a key', HLS_TYPES),
        206: mediaAnswer('The part of a segment that Range asked for', HLS_TYPES),
      },
    },
    handler: async (request, reply) => {
      const { params, query } = request
      const url = params['*'] === 'playlist.m3u8' ? query.url : undefined
      const streamId = await streamIdFor(request, params.streamId, url, options)
      // What a playlist names is relative to where the playlist is.
      if (streamId !== params.streamId) return reply.redirect(locationOf(streamId, params['*'], query), 307)
      await options.streams.serveHls({
        streamId,
        path: params['*'],
        query: lastOfEach(query),
        carried: carriedOf(query),
        ...viewerFacts(request, query),
        response: reply.raw,
      })
      return reply.hijack()
    },
  })
}

type Query = Readonly<Record<string, string | readonly string[] | undefined>>

function locationOf(streamId: string, path: string, query: Query): string {
  const carried = new URLSearchParams(carriedOf(query)).toString()
  return `../${streamId}/${path}${carried === '' ? '' : `?${carried}`}`
}

function carriedOf(query: Query): Record<string, string> {
  const all = lastOfEach(query)
  return Object.fromEntries(
    CARRIED.flatMap((name) => {
      const value = all[name]
      return value === undefined || value === '' ? [] : [[name, value]]
    }),
  )
}

function lastOfEach(query: Query): Record<string, string> {
  return Object.fromEntries(
    Object.entries(query).flatMap(([name, value]) => {
      const last = typeof value === 'string' ? value : value?.at(-1)
      return last === undefined ? [] : [[name, last]]
    }),
  )
}
