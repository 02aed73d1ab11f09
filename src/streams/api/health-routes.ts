import { z } from 'zod'
import type { HttpRoutes } from '../../http/server.ts'
import type { StreamSnapshot } from '../service.ts'
import { streamPath } from './answers.ts'
import type { StreamApiOptions } from './api-options.ts'
import { streamObject, toStreamObject } from './stream-object.ts'
import { streamNotFound } from './stream-routes.ts'

const healthAnswer = streamObject
  .pick({ stream_id: true, phase: true, epoch: true, current_url: true, slate_on: true, sources: true, warnings: true })
  .extend({
    healthy: z.boolean().meta({ description: 'Media flows, from a source that nothing is wrong with' }),
  })

/** What is true of the sources of one stream: as it is known, or after a look at those that are not received. */
export function addHealthRoutes(app: HttpRoutes, { streams }: StreamApiOptions): void {
  const schema = { tags: ['streams'], params: streamPath, response: { 200: healthAnswer } }
  app.get(
    '/streams/:streamId/health',
    { schema: { ...schema, summary: 'What is true of each source of a stream now' } },
    async ({ params }) => {
      const stream = streams.get(params.streamId)
      if (stream === undefined) throw streamNotFound()
      return toHealthAnswer(stream)
    },
  )
  app.post(
    '/streams/:streamId/health',
    { schema: { ...schema, summary: 'Look at every source of a stream that is not received, and say what is true' } },
    async ({ params }) => toHealthAnswer(await streams.lookAtSources(params.streamId)),
  )
}

function toHealthAnswer(snapshot: StreamSnapshot): z.output<typeof healthAnswer> {
  const stream = toStreamObject(snapshot)
  const onAir = stream.sources.find(({ on_air: isOnAir }) => isOnAir)
  const { stream_id, phase, epoch, current_url, slate_on, sources, warnings } = stream
  return {
    ...{ stream_id, phase, epoch, current_url, slate_on, sources, warnings },
    healthy: phase === 'live' && onAir?.conditions.length === 0,
  }
}
