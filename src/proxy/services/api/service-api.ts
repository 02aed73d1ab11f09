import type { RouteGroup } from '../../../http/server.ts'
import type { ServiceApiOptions } from './answers.ts'
import { addEndpointRoutes } from './endpoint-routes.ts'
import { addServiceRoutes } from './service-routes.ts'

/** `/api/services`: for operators. */
export function serviceApi(options: ServiceApiOptions): RouteGroup {
  return {
    access: 'operator',
    errors: 'problem',
    plugin: async (app) => {
      addServiceRoutes(app, options)
      addEndpointRoutes(app, options)
    },
  }
}
