import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { ReplicaGroup } from './replica-group.ts'
import type { NameSet } from '../wire/name-set.ts'
import type { TimerWheel } from '../wire/timer-wheel.ts'
import type { AccessRecord } from './access-record.ts'
import type { ClientExchange } from './client-exchange.ts'
import type { ForwardPolicy } from './forward-policy.ts'

/** What a route knows of a request. */
export interface ForwardFacts {
  /** What keeps it with one endpoint, and where it comes from. */
  readonly key?: string
  readonly region?: string
  /** The target in origin form, without the endpoint's base path; that of the request when it is left out. */
  readonly path?: string
  /** Host for the upstream: the client's, or the name of the endpoint. */
  readonly host: 'keep' | 'endpoint'
  /** Whether the client is a proxy whose Forwarded and X-Forwarded-* fields are believed. */
  readonly isForwardedTrusted: boolean
  /** Names of request fields that end here: our own keys. */
  readonly without?: NameSet | undefined
  /** Fields for the response, each with its CR LF. */
  readonly added?: string
}

export interface ForwarderOptions {
  readonly clock: Clock
  readonly random: Random
  /** The same one that the groups' connections have. */
  readonly wheel: TimerWheel
  /** What we are called in Via: a token. */
  readonly pseudonym: string
  /** Told of every request when it is over. */
  readonly onAccess?: (record: AccessRecord, facts: ForwardFacts) => void
  /** A mistake in our own code; the request that it surfaced in has been ended. */
  readonly onFault: (error: unknown) => void
}

/** One request and everything that serving it takes. */
export interface ForwardJob {
  readonly shared: ForwarderOptions
  readonly client: ClientExchange
  readonly group: ReplicaGroup
  readonly policy: ForwardPolicy
  readonly facts: ForwardFacts
}
