import type { Access } from './access.ts'

/** A route as it was registered. */
export interface KnownRoute {
  readonly method: string
  /** Fastify's pattern: `/streams/:streamId`, with `*` at the end for everything below. */
  readonly pattern: string
  readonly access: Access
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
      .map(({ method, pattern, access }) => ({ method, pattern, access }))
      .toSorted((a, b) => `${a.pattern} ${a.method}`.localeCompare(`${b.pattern} ${b.method}`, 'en'))
  }

  /** The routes that a path without its query leads to; a pattern without parameters hides those with some. */
  at(path: string): readonly KnownRoute[] {
    const matching = this.#routes.filter(({ expression }) => expression.test(path))
    const exact = matching.filter(({ pattern }) => !/[:*]/.test(pattern))
    return exact.length > 0 ? exact : matching
  }
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
