import type { HTTPMethods } from 'fastify'
import type { Access } from '../../http/access.ts'
import type { HttpRoutes } from '../../http/server.ts'
import { HoldfastError } from '../../lib/errors.ts'

/** Routes of the peer that come in a later release, and what to use until then. */
const UNAVAILABLE: readonly {
  readonly path: string
  readonly methods: readonly HTTPMethods[]
  readonly access: Access
  readonly text: string
}[] = [
  { path: '/broadcast', methods: ['GET'], access: 'operator', text: 'Broadcasts come in a later release' },
  { path: '/broadcast/*', methods: ['GET', 'HEAD'], access: 'public', text: 'Broadcasts come in a later release' },
  { path: '/broadcast/*', methods: ['POST', 'DELETE'], access: 'operator', text: 'Broadcasts come in a later release' },
]

/** 501 with a clear text, instead of a 404 that looks like a wrong address. */
export function addUnavailableRoutes(app: HttpRoutes): void {
  for (const { path, methods, access, text } of UNAVAILABLE) {
    app.route({
      method: [...methods],
      url: path,
      config: { access },
      schema: { hide: true },
      handler: async () => {
        throw new HoldfastError('not_implemented_yet', text)
      },
    })
  }
}
