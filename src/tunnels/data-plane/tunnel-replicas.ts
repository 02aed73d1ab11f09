import { candidateId } from '../../failover/group.ts'
import type { Evidence } from '../../failover/health.ts'
import type { PickRequest } from '../../failover/pick.ts'
import { emptyRetryBudget } from '../../failover/retry-budget.ts'
import { endpointAddress, isSameOrigin } from '../../proxy/endpoints/endpoint.ts'
import type { EndpointAddress } from '../../proxy/endpoints/endpoint.ts'
import type { NoEndpoint, PickedEndpoint } from '../../proxy/endpoints/endpoint-group.ts'
import { LatencyWindow } from '../../proxy/endpoints/latency-window.ts'
import type { LiveEndpoint } from '../../proxy/endpoints/live-endpoint.ts'
import type { ReplicaGroup } from '../../proxy/forward/replica-group.ts'
import type { TimerWheel } from '../../proxy/wire/timer-wheel.ts'
import { defaultPoolLimits, UpstreamPool } from '../../proxy/wire/upstream.ts'
import type { OriginGuard } from '../../proxy/wire/upstream-socket.ts'
import type { LiveTunnel } from '../live-tunnel.ts'
import type { TunnelEndpoint } from '../tunnel.ts'

interface TunnelReplicasOptions {
  readonly live: LiveTunnel
  readonly wheel: TimerWheel
  /** For endpoints that no admin named. */
  readonly guard: OriginGuard
  readonly onFault: (error: unknown) => void
}

type ReplicaOptions = Omit<TunnelReplicasOptions, 'live'>

/**
 * The endpoints of one tunnel with their connections. The choice among them and their health stay the tunnel's own: what
 * requests find out goes there.
 */
export class TunnelReplicas implements ReplicaGroup {
  retryBudget = emptyRetryBudget
  hedgeBudget = emptyRetryBudget
  readonly latency = new LatencyWindow()
  readonly retryAfterSeconds = 1
  readonly #options: TunnelReplicasOptions
  /** The list that `#replicas` were made of. */
  #listed: readonly TunnelEndpoint[] = []
  #replicas: ReadonlyMap<string, LiveEndpoint> = new Map()

  constructor(options: TunnelReplicasOptions) {
    this.#options = options
  }

  pick(request: PickRequest): PickedEndpoint | NoEndpoint {
    const { live } = this.#options
    this.#follow(live.tunnel.endpoints)
    const chosen = live.choose(request)
    if (typeof chosen === 'string') return chosen
    const { endpointId, generation, why } = chosen
    const endpoint = this.#replicas.get(endpointId)
    if (endpoint !== undefined) return { endpoint, generation, why }
    live.attempted(endpointId, { kind: 'abandoned', generation })
    return 'no_candidates'
  }

  succeeded({ endpoint, generation }: PickedEndpoint): void {
    this.#options.live.attempted(endpoint.id, { kind: 'succeeded', generation })
  }

  wentOn({ endpoint, generation }: PickedEndpoint): void {
    this.#options.live.attempted(endpoint.id, { kind: 'went_on', generation })
  }

  left({ endpoint }: PickedEndpoint): void {
    this.#options.live.attempted(endpoint.id, { kind: 'left' })
  }

  failed({ endpoint, generation }: PickedEndpoint, reason: string, evidence: Evidence = {}): void {
    this.#options.live.attempted(endpoint.id, { kind: 'failed', generation, reason, evidence })
  }

  abandoned({ endpoint, generation }: PickedEndpoint): void {
    this.#options.live.attempted(endpoint.id, { kind: 'abandoned', generation })
  }

  /** Closes unused connections now and the others after their response. */
  close(): void {
    this.#follow([])
  }

  /** Takes on an edited list; connections to what stays are kept. */
  #follow(endpoints: readonly TunnelEndpoint[]): void {
    if (endpoints === this.#listed) return
    const former = this.#replicas
    const replicas = new Map<string, LiveEndpoint>()
    for (const endpoint of endpoints) {
      replicas.set(endpoint.id, replicaOf(endpoint, former.get(endpoint.id), this.#options))
    }
    this.#listed = endpoints
    this.#replicas = replicas
    for (const { id, pool } of former.values()) {
      if (replicas.get(id)?.pool !== pool) pool.close()
    }
  }
}

function replicaOf(
  { id, url, priority, weight, namedByAdmin }: TunnelEndpoint,
  former: LiveEndpoint | undefined,
  { wheel, guard, onFault }: ReplicaOptions,
): LiveEndpoint {
  const endpoint = { id, url, priority, weight, enabled: true, drain: weight === 0 }
  const { origin: anywhere, ...address } = endpointAddress(endpoint)
  const origin = namedByAdmin ? anywhere : { ...anywhere, guard }
  const isKept = former !== undefined && isSameOrigin(former.origin, origin) && former.origin.guard === origin.guard
  const pool = isKept ? former.pool : new UpstreamPool({ origin, wheel, ...defaultPoolLimits, onFault })
  return { id: candidateId(id), endpoint, pool, origin, ...address, ...credentials(url) }
}

/** The user and password of a URL as basic authentication (RFC 7617). */
function credentials(url: string): Pick<EndpointAddress, 'authorization'> {
  const { username, password } = new URL(url)
  if (username === '' && password === '') return {}
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { authorization: `Basic ${Buffer.from(text).toString('base64')}` }
}
