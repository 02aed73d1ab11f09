import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { EndpointProber } from '../endpoints/endpoint-group.ts'
import type { Endpoint } from '../endpoints/endpoint.ts'
import type { CheckSchedule } from './check-schedule.ts'
import { createCheck } from './health-check.ts'
import type { Check, CheckOutcome, CheckRule } from './health-check.ts'
import { createPlaylistCheck } from './playlist-check.ts'
import type { PlaylistRule } from './playlist-check.ts'

/** How the endpoints of a service are looked at. */
export interface CheckRules {
  /** Undefined: whether it accepts a connection, at the engine's interval. */
  readonly check: { readonly rule: CheckRule; readonly intervalMs: number } | undefined
  readonly playlist: { readonly rule: PlaylistRule; readonly intervalMs: number } | undefined
  /** Bad looks that make an endpoint unhealthy. */
  readonly fall: number
}

interface EndpointChecksOptions {
  /** Tells the checks of one service from those of another. */
  readonly serviceId: string
  readonly schedule: Pick<CheckSchedule, 'start' | 'stop'>
  readonly clock: Clock
  readonly random: Random
  readonly rules: CheckRules
  /** What was found; bad news that is certain comes as often as it takes. */
  readonly report: (endpointId: string, outcome: CheckOutcome) => void
}

/** What one endpoint's looks found last. */
interface Watched {
  endpoint: Endpoint
  readonly intervalMs: number
  playlistCheck: Check | undefined
  isPlaylistBad: boolean
  /** Of the check that is not the playlist's. */
  badInRow: number
}

/** An endpoint of which nothing is known is looked at within this. */
const FIRST_LOOK_MS = 1_000
const TCP_TIMEOUT_MS = 2_000

/**
 * The looks at the endpoints of one service, for as long as the engine wants them watched. An endpoint whose playlist
 * stands still is bad however well it answers its other check.
 */
export class EndpointChecks implements EndpointProber, Disposable {
  readonly #options: EndpointChecksOptions
  readonly #watched = new Map<string, Watched>()
  #rules: CheckRules

  constructor(options: EndpointChecksOptions) {
    this.#options = options
    this.#rules = options.rules
  }

  /** `intervalMs` counts where the service has no check of its own. */
  start(endpoint: Endpoint, intervalMs: number): void {
    const watched: Watched = { endpoint, intervalMs, playlistCheck: undefined, isPlaylistBad: false, badInRow: 0 }
    this.#watched.set(endpoint.id, watched)
    this.#begin(watched)
  }

  stop(endpointId: string): void {
    this.#watched.delete(endpointId)
    const { schedule } = this.#options
    schedule.stop(this.#key(endpointId, 'check'))
    schedule.stop(this.#key(endpointId, 'playlist'))
  }

  /** New rules and new addresses; what has not changed goes on as it was. */
  update(rules: CheckRules, endpoints: readonly Endpoint[]): void {
    const isSameRules = JSON.stringify(rules) === JSON.stringify(this.#rules)
    this.#rules = rules
    for (const watched of this.#watched.values()) {
      const now = endpoints.find(({ id }) => id === watched.endpoint.id)
      if (now === undefined) continue
      const isSame = isSameRules && now.url === watched.endpoint.url && now.tls === watched.endpoint.tls
      watched.endpoint = now
      if (!isSame) this.#begin(watched)
    }
  }

  [Symbol.dispose](): void {
    for (const id of [...this.#watched.keys()]) this.stop(id)
  }

  #begin(watched: Watched): void {
    const { schedule, random, clock } = this.#options
    const { check, playlist } = this.#rules
    const { id } = watched.endpoint
    const target = () => ({ url: new URL(watched.endpoint.url), ...tlsOf(watched.endpoint) })
    const rule: CheckRule = check?.rule ?? { kind: 'tcp', timeoutMs: TCP_TIMEOUT_MS }
    const intervalMs = check?.intervalMs ?? watched.intervalMs
    watched.playlistCheck = undefined
    watched.isPlaylistBad = false
    watched.badInRow = 0
    schedule.stop(this.#key(id, 'check'))
    schedule.stop(this.#key(id, 'playlist'))
    // With a playlist alone its looks are all there are.
    if (check !== undefined || playlist === undefined) {
      schedule.start(this.#key(id, 'check'), {
        check: () => createCheck(target(), rule, clock),
        intervalMs,
        firstAfterMs: random.next() * Math.min(FIRST_LOOK_MS, intervalMs),
        onOutcome: (outcome) => this.#checked(watched, outcome),
      })
    }
    if (playlist === undefined) return
    watched.playlistCheck = createPlaylistCheck(target(), playlist.rule, clock)
    schedule.start(this.#key(id, 'playlist'), {
      check: () => watched.playlistCheck,
      intervalMs: playlist.intervalMs,
      firstAfterMs: random.next() * Math.min(FIRST_LOOK_MS, playlist.intervalMs),
      onOutcome: (outcome) => this.#playlistSeen(watched, outcome),
    })
  }

  /**
   * So many bad looks in a row as make an endpoint unhealthy do so whatever its requests say in between, and each one
   * that follows does again: an endpoint that says that it is not ready still answers those that are on their way.
   */
  #checked(watched: Watched, outcome: CheckOutcome): void {
    if (outcome.kind === 'good') {
      watched.badInRow = 0
      if (!watched.isPlaylistBad) this.#report(watched, outcome, 1)
      return
    }
    watched.badInRow += 1
    this.#report(watched, outcome, watched.badInRow >= this.#rules.fall ? this.#rules.fall : 1)
  }

  #playlistSeen(watched: Watched, outcome: CheckOutcome): void {
    const wasBad = watched.isPlaylistBad
    watched.isPlaylistBad = outcome.kind === 'bad'
    // Good news once a second must not make up for the bad news of the other check.
    if (outcome.kind === 'good' && this.#rules.check !== undefined) return
    const isNewAndCertain = outcome.kind === 'bad' && outcome.isCertain === true && !wasBad
    this.#report(watched, outcome, isNewAndCertain ? this.#rules.fall : 1)
  }

  #report({ endpoint }: Watched, outcome: CheckOutcome, times: number): void {
    for (let time = 0; time < times; time += 1) this.#options.report(endpoint.id, outcome)
  }

  #key(endpointId: string, what: 'check' | 'playlist'): string {
    return `${this.#options.serviceId}/${endpointId}/${what}`
  }
}

function tlsOf({ tls }: Endpoint) {
  return tls === undefined ? {} : { tls }
}
