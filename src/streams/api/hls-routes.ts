import { z } from 'zod'
import type { HttpRoutes } from '../../http/server.ts'
import { errorAnswers } from './answers.ts'
import type { StreamApiOptions } from './api-options.ts'
import { streamIdFor, viewerFacts, viewQuery } from './view-routes.ts'

/** Query parameters that a player has to send with everything that a playlist of ours names. */
const CARRIED = ['client_id', 'token'] as const

const hlsQuery = viewQuery.catchall(z.union([z.string(), z.array(z.string())]))

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
      response: errorAnswers,
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
