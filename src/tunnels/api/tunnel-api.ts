import type { HttpRoutes, RouteGroup } from '../../http/server.ts'
import type { Clock } from '../../lib/clock.ts'
import type { TunnelService } from '../service.ts'
import { TunnelShares } from '../shares.ts'
import { withPeerCodes } from './envelope.ts'
import type { FieldCodes } from './envelope.ts'
import { addFailoverRoutes } from './failover-routes.ts'
import { addShareRoutes, addSharedWithMeRoute } from './share-routes.ts'
import { addConfigRoutes, addObservationRoutes } from './tunnel-detail-routes.ts'
import { addRunRoutes, addTunnelRoutes } from './tunnel-routes.ts'

export interface TunnelApiOptions {
  readonly tunnels: TunnelService
  readonly clock: Pick<Clock, 'wallMs'>
}

/** Where the peer documents its failover routes, and where it really serves them. */
const FAILOVER_MOUNTS = ['/api/tunnels', '/api/tunnel-failover', '/tunnel-failover'] as const

/** The API of CloudToLocalLLM's tunnels: same paths, same fields, same codes. */
export function tunnelApi(options: TunnelApiOptions): RouteGroup {
  const shares = new TunnelShares(options.tunnels, options.clock)
  return {
    access: 'account',
    errors: 'coded',
    plugin: async (app) => {
      await scoped(app, { config: 'invalid_config' }, (scope) => {
        addTunnelRoutes(scope, options)
        addRunRoutes(scope, options)
        addObservationRoutes(scope, options)
        for (const mount of FAILOVER_MOUNTS) addFailoverRoutes(scope, options, mount)
      })
      await scoped(app, { '*': 'invalid_config' }, (scope) => addConfigRoutes(scope, options))
      await scoped(app, { permission: 'invalid_permission' }, (scope) => {
        addSharedWithMeRoute(scope, options)
        addShareRoutes(scope, options, shares)
      })
    },
  }
}

/** Routes whose fields have codes of their own when they do not validate. */
async function scoped(app: HttpRoutes, fields: FieldCodes, add: (scope: HttpRoutes) => void): Promise<void> {
  await app.register(async (scope) => {
    scope.setErrorHandler((error) => {
      // The server's own handler takes it from here.
      throw withPeerCodes(error, fields)
    })
    add(scope)
  })
}
