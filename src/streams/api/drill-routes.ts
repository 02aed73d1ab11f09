import { z } from 'zod'
import type { RouteGroup } from '../../http/server.ts'
import { HoldfastError } from '../../lib/errors.ts'
import { drillObject } from '../drill/drill-report.ts'
import type { Drills } from '../drill/drills.ts'
import type { StreamService } from '../service.ts'
import { streamPath } from './answers.ts'
import { drillBody, toDrillRequest } from './drill-body.ts'
import { streamNotFound } from './stream-routes.ts'

export interface DrillRouteOptions {
  readonly streams: Pick<StreamService, 'get'>
  readonly drills: Pick<Drills, 'run' | 'last'>
}

const reportAnswer = z
  .looseObject({
    drill_id: z.string(),
    stream_id: z.string(),
    mode: z.string(),
    verdict: z.string().meta({ description: 'seamless, visible or failed' }),
    findings: z.array(z.string()),
  })
  .meta({ description: 'The report, see docs/DRILLS.md' })

/** Rehearsing a failover on a live stream. For operators. */
export function drillRoutes({ streams, drills }: DrillRouteOptions): RouteGroup {
  const tags = ['drills']
  const response = { 200: reportAnswer }
  return {
    access: 'operator',
    errors: 'peer',
    plugin: async (app) => {
      app.post(
        '/streams/:streamId/drill',
        {
          schema: {
            summary: 'Rehearse a failover on the live stream; answers when it is over',
            tags,
            params: streamPath,
            body: drillBody,
            response,
          },
        },
        async ({ params, body }) => {
          const object = drillObject(await drills.run(params.streamId, toDrillRequest(body, 'drill')))
          return reportAnswer.parse(object)
        },
      )
      app.get(
        '/streams/:streamId/drill',
        { schema: { summary: 'The report of the latest drill', tags, params: streamPath, response } },
        async ({ params: { streamId } }) => {
          if (streams.get(streamId) === undefined) throw streamNotFound()
          const last = await drills.last(streamId)
          if (last === undefined) throw new HoldfastError('drill_not_found', 'This stream was never drilled')
          return reportAnswer.parse(last)
        },
      )
    },
  }
}
