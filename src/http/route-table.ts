import type { Access } from './access.ts'
import type { ErrorStyle } from './error-body.ts'

/** A route as it was registered. */
export interface KnownRoute {
  readonly method: string
  /** Fastify's pattern: `/streams/:streamId`, with `*` at the end for everything below. */
  readonly pattern: string
  readonly access: Access
  readonly errors: ErrorStyle
}

interface CompiledRoute extends KnownRoute {
  readonly expression: RegExp
}

/**
 * Every route of the server, to be looked up by path alone. The router answers 404 to a known path with another method;
 * telling 405 from 404 (RFC 9110 §15.5.6) and answering CORS preflights takes this.
 */
export class RouteTable {
  readonly #routes: CompiledRoute[] = []

  add(route: KnownRoute): void {
    this.#routes.push({ ...route, expression: expressionOf(route.pattern) })
  }

  /** In the order of their patterns. */
  list(): readonly KnownRoute[] {
    return this.#routes
      .map(({ method, pattern, access, errors }) => ({ method, pattern, access, errors }))
      .toSorted((a, b) => `${a.pattern} ${a.method}`.localeCompare(`${b.pattern} ${b.method}`, 'en'))
  }

  /** The routes that a path without its query leads to; a pattern without parameters hides those with some. */
  at(path: string): readonly KnownRoute[] {
    const matching = this.#routes.filter(({ expression }) => expression.test(path))
    const exact = matching.filter(({ pattern }) => !/[:*]/.test(pattern))
    return exact.length > 0 ? exact : matching
  }

  /** How errors are worded around a path to which no route leads: as the routes do that begin like it. */
  errorsNear(path: string): ErrorStyle {
    const parts = path.split('/')
    let near: { readonly shared: number; readonly errors: ErrorStyle } = { shared: 1, errors: 'peer' }
    for (const { pattern, errors } of this.#routes) {
      const shared = sharedParts(pattern.split('/'), parts)
      if (shared > near.shared) near = { shared, errors }
    }
    return near.errors
  }
}

/** The first part of any path is empty. */
function sharedParts(pattern: readonly string[], path: readonly string[]): number {
  const different = pattern.findIndex((part, index) => part !== path[index])
  return different === -1 ? pattern.length : different
}

function expressionOf(pattern: string): RegExp {
  if (pattern === '/') return /^\/$/
  const source = pattern
    .split('/')
    .map((part) => {
      if (part.startsWith(':')) return '[^/]+'
      return part === '*' ? '.*' : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    })
    .join('/')
  return new RegExp(`^${source}/?$`)
}
