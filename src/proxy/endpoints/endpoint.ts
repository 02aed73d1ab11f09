import { candidateId } from '../../failover/group.ts'
import type { CandidateId, CandidateSpec } from '../../failover/group.ts'
import type { Origin, OriginTls } from '../wire/upstream-socket.ts'

/** One replica as the configuration describes it. */
export interface Endpoint {
  /** Unique in its group: 1 to 512 characters. */
  readonly id: string
  /** http or https; its path goes before the path of each request. */
  readonly url: string
  /** Any finite number; higher is better. */
  readonly priority: number
  /** Share of the requests among equals, 0 or more; 0 is used only when nothing else is usable. */
  readonly weight: number
  readonly region?: string
  /** False: it gets nothing, as if it were not listed. */
  readonly enabled: boolean
  /** It takes no new requests while others are usable; those under way end in peace. */
  readonly drain: boolean
  /** Requests under way at once; no limit when it is left out. */
  readonly maxConcurrency?: number
  readonly tls?: OriginTls
}

/** Where the requests for an endpoint go, worked out of its URL once. */
export interface EndpointAddress {
  readonly origin: Origin
  /** What goes before the path of each request: empty, or a path that begins with a slash and does not end with one. */
  readonly basePath: string
  /** The Host of requests that are sent under the endpoint's own name. */
  readonly authority: string
  /** Authorization for requests that bring none. */
  readonly authorization?: string
}

/** Throws a RangeError that names the endpoint when its URL is not http or https. */
export function endpointAddress({ id, url, tls }: Endpoint): EndpointAddress {
  const { protocol, hostname, port, host, pathname } = URL.canParse(url) ? new URL(url) : { ...NO_URL }
  if ((protocol !== 'http:' && protocol !== 'https:') || hostname === '') {
    throw new RangeError(`endpoint "${id}": the URL is not an http or https URL with a host`)
  }
  const isSecure = protocol === 'https:'
  const origin = {
    host: hostname.replaceAll(/^\[|\]$/g, ''),
    port: port === '' ? defaultPort(isSecure) : Number(port),
    ...(isSecure ? { tls: tls ?? {} } : {}),
  }
  return { origin, basePath: pathname.replace(/\/+$/, ''), authority: host }
}

const NO_URL = { protocol: '', hostname: '', port: '', host: '', pathname: '' } as const

function defaultPort(isSecure: boolean): number {
  return isSecure ? 443 : 80
}

/** Whether two addresses can share their connections. */
export function isSameOrigin(left: Origin, right: Origin): boolean {
  return left.host === right.host && left.port === right.port && isSameTls(left.tls, right.tls)
}

function isSameTls(left: OriginTls | undefined, right: OriginTls | undefined): boolean {
  return left === right || JSON.stringify(left) === JSON.stringify(right)
}

/** What the engine ranks: the endpoints that are enabled. Draining is a weight of 0. */
export function candidatesOf(endpoints: readonly Endpoint[]): readonly CandidateSpec[] {
  return endpoints
    .filter(({ enabled }) => enabled)
    .map(({ id, priority, weight, drain, region, maxConcurrency }) => ({
      id: candidateId(id),
      priority,
      weight: drain ? 0 : weight,
      ...(region === undefined ? {} : { region }),
      ...(maxConcurrency === undefined ? {} : { inFlightMax: maxConcurrency }),
    }))
}

/** An endpoint's id as the engine knows it. Throws a RangeError for an empty or too long one. */
export function endpointCandidate(id: string): CandidateId {
  return candidateId(id)
}
