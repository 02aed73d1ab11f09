import type { RouteGroup } from '../../http/server.ts'
import type { StreamApiOptions } from './api-options.ts'
import { addClientRoutes } from './client-routes.ts'
import { addConnectionTestRoute, addGatewayRoutes } from './gateway-routes.ts'
import { addHealthRoutes } from './health-routes.ts'
import { addHlsRoutes } from './hls-routes.ts'
import { addMetadataRoutes } from './metadata-routes.ts'
import { addStatsRoutes } from './stats-routes.ts'
import { addStreamRoutes } from './stream-routes.ts'
import { addViewRoutes } from './view-routes.ts'

/** The API of m3u-proxy over the streams hall: same paths, same fields, same status codes. */
export function streamApi(options: StreamApiOptions): RouteGroup {
  const startedMs = options.clock.nowMs()
  const uptimeMs = () => options.clock.nowMs() - startedMs
  return {
    access: 'operator',
    errors: 'peer',
    plugin: async (app) => {
      addGatewayRoutes(app, options, uptimeMs)
      addConnectionTestRoute(app, options)
      addStreamRoutes(app, options)
      addHealthRoutes(app, options)
      addMetadataRoutes(app, options)
      addStatsRoutes(app, options, uptimeMs)
      addClientRoutes(app, options)
      addViewRoutes(app, options)
      addHlsRoutes(app, options)
    },
  }
}
