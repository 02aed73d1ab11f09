import { fieldList } from '../wire/fields.ts'
import type { Fields } from '../wire/fields.ts'
import type { RouteDefinition } from './service-definition.ts'

/** What of a request decides its service. */
export interface RoutedRequest {
  /** As Host or the target of the request names it, with or without a port. */
  readonly host: string
  /** In origin form, with its query. */
  readonly path: string
  readonly fields: Fields
}

export interface RoutedService<Target> {
  readonly id: string
  readonly enabled: boolean
  readonly routes: readonly RouteDefinition[]
  readonly target: Target
}

export interface RouteMatch<Target> {
  readonly target: Target
  readonly pathPrefix: string
}

interface Entry<Target> {
  readonly match: RouteMatch<Target>
  readonly serviceId: string
  readonly enabled: boolean
  readonly headers: readonly (readonly [name: string, value: string])[]
}

/** Entries of one host by their prefix. */
interface HostRoutes<Target> {
  readonly byPrefix: Map<string, Entry<Target>[]>
  /** Segments of the longest prefix: no longer one is looked up. */
  segmentsMax: number
}

/** A service that takes everything on its listeners. */
const EVERYTHING: readonly RouteDefinition[] = [{ pathPrefix: '/', headers: {} }]
const ANY_HOST = '*'
/** Clients can send any host: what is remembered of them is forgotten when it is so many. */
const HOSTS_REMEMBERED_MAX = 1_024

/**
 * Finds the service of a request. An exact host goes before `*.suffix`, the longer suffix before the shorter, those before
 * a route without a host; there the longest path prefix wins, then the most header fields, then the service's id. A
 * disabled service is found only where no enabled one is.
 *
 * The cost of a request is a look-up for each label of its host and segment of its path, however many services there are.
 */
export class Router<Target> {
  readonly #hosts = new Map<string, HostRoutes<Target>>()
  readonly #known = new Map<string, readonly HostRoutes<Target>[]>()

  constructor(services: readonly RoutedService<Target>[]) {
    for (const service of services) {
      const routes = service.routes.length === 0 ? EVERYTHING : service.routes
      for (const route of routes) this.#add(service, route)
    }
    for (const { byPrefix } of this.#hosts.values()) {
      for (const entries of byPrefix.values()) entries.sort(inOrder)
    }
  }

  match(request: RoutedRequest): RouteMatch<Target> | undefined {
    const path = plain(pathOnly(request.path))
    let disabled: Entry<Target> | undefined
    for (const routes of this.#routesFor(request.host)) {
      const found = findIn(routes, path, request.fields)
      if (found === undefined) continue
      if (found.enabled) return found.match
      disabled ??= found
    }
    return disabled?.match
  }

  /** What there is for a host as it was sent, in the order in which it is looked at. */
  #routesFor(host: string): readonly HostRoutes<Target>[] {
    const known = this.#known.get(host)
    if (known !== undefined) return known
    const routes = [...candidateHosts(hostOnly(host))].flatMap((candidate) => this.#hosts.get(candidate) ?? [])
    if (this.#known.size >= HOSTS_REMEMBERED_MAX) this.#known.clear()
    this.#known.set(host, routes)
    return routes
  }

  #add({ id, enabled, target }: RoutedService<Target>, { host, pathPrefix, headers }: RouteDefinition): void {
    const key = host ?? ANY_HOST
    let routes = this.#hosts.get(key)
    if (routes === undefined) {
      routes = { byPrefix: new Map(), segmentsMax: 0 }
      this.#hosts.set(key, routes)
    }
    const prefix = normalPrefix(pathPrefix)
    routes.segmentsMax = Math.max(routes.segmentsMax, segmentsOf(prefix))
    const entry = { match: { target, pathPrefix: prefix }, serviceId: id, enabled, headers: Object.entries(headers) }
    const entries = routes.byPrefix.get(prefix)
    if (entries === undefined) routes.byPrefix.set(prefix, [entry])
    else entries.push(entry)
  }
}

/** Two enabled services that want the same requests: nobody could tell which one gets them. */
export interface RouteConflict {
  readonly first: string
  readonly second: string
  readonly route: string
}

/** Routes that enabled services of one router have in common. */
export function routeConflicts(
  services: readonly Pick<RoutedService<unknown>, 'id' | 'enabled' | 'routes'>[],
): readonly RouteConflict[] {
  const owners = new Map<string, string>()
  const conflicts: RouteConflict[] = []
  for (const { id, enabled, routes } of services) {
    if (!enabled) continue
    for (const route of routes.length === 0 ? EVERYTHING : routes) {
      const key = routeKey(route)
      const owner = owners.get(key)
      if (owner === undefined) owners.set(key, id)
      else if (owner !== id) conflicts.push({ first: owner, second: id, route: key })
    }
  }
  return conflicts
}

/** `shop.example/api (x-tenant: blue)`. */
function routeKey({ host, pathPrefix, headers }: RouteDefinition): string {
  const conditions = Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}`)
    .toSorted()
    .join(', ')
  const place = `${host ?? ANY_HOST}${normalPrefix(pathPrefix)}`
  return conditions === '' ? place : `${place} (${conditions})`
}

function inOrder(a: Entry<unknown>, b: Entry<unknown>): number {
  const byState = Number(b.enabled) - Number(a.enabled)
  if (byState !== 0) return byState
  return b.headers.length - a.headers.length || (a.serviceId < b.serviceId ? -1 : 1)
}

function findIn<Target>(
  { byPrefix, segmentsMax }: HostRoutes<Target>,
  path: string,
  fields: Fields,
): Entry<Target> | undefined {
  let disabled: Entry<Target> | undefined
  for (let prefix = firstSegments(path, segmentsMax); ; prefix = parentOf(prefix)) {
    const found = byPrefix
      .get(prefix)
      ?.find(({ headers }) => headers.every(([name, value]) => fieldList(fields, name) === value))
    if (found?.enabled === true) return found
    disabled ??= found
    if (prefix === '/') return disabled
  }
}

/** The path's first `count` segments. A slash at the end is no segment. */
function firstSegments(path: string, count: number): string {
  let at = 0
  for (let seen = 0; seen < count; seen += 1) {
    const next = path.indexOf('/', at + 1)
    if (next < 0) return path === '' ? '/' : path
    at = next
  }
  return at === 0 ? '/' : path.slice(0, at)
}

function parentOf(prefix: string): string {
  const at = prefix.lastIndexOf('/')
  return at <= 0 ? '/' : prefix.slice(0, at)
}

function segmentsOf(prefix: string): number {
  return prefix === '/' ? 0 : prefix.split('/').length - 1
}

function normalPrefix(prefix: string): string {
  const trimmed = prefix.replace(/\/+$/, '')
  return trimmed === '' ? '/' : trimmed
}

function pathOnly(path: string): string {
  const query = path.indexOf('?')
  return query < 0 ? path : path.slice(0, query)
}

const UNRESERVED = /^[\w.~-]$/

/** With characters in place of the escapes that mean nothing else (RFC 3986 §6.2.2.2): `/%61pi` is `/api`. */
function plain(path: string): string {
  if (!path.includes('%')) return path
  return path.replaceAll(/%[0-9a-f]{2}/gi, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16))
    return UNRESERVED.test(character) ? character : escape
  })
}

/** Without port and trailing dot, in lower case; an IPv6 address keeps its brackets. */
function hostOnly(host: string): string {
  const end = host.startsWith('[') ? host.indexOf(']') + 1 : host.indexOf(':')
  const name = end > 0 ? host.slice(0, end) : host
  return (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase()
}

/** `a.b.c`, `*.b.c`, `*.c`, `*`. */
function* candidateHosts(host: string): Generator<string> {
  if (host !== '') {
    yield host
    if (!host.startsWith('[')) {
      for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) yield `*${host.slice(dot)}`
    }
  }
  yield ANY_HOST
}

/** The path without the prefix of its route; the query stays. */
export function strippedPath(path: string, prefix: string): string {
  if (!path.startsWith('/')) return path
  // By segments, not characters: the path may have some of the prefix in escapes.
  let at = 0
  for (let left = segmentsOf(prefix); left > 0; left -= 1) {
    const next = pathOnly(path).indexOf('/', at + 1)
    at = next < 0 ? pathOnly(path).length : next
  }
  const rest = path.slice(at)
  return rest.startsWith('/') ? rest : `/${rest}`
}
