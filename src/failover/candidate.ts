import { closedBreaker, type BreakerState } from './circuit-breaker.ts'
import { unknownHealth, type HealthState } from './health.ts'
import { hashText } from './selection/hash.ts'

/** Names a candidate inside its group. Any non-empty text of at most `CANDIDATE_ID_CHARS_MAX` characters. */
export type CandidateId = string & { readonly __brand: 'CandidateId' }

const CANDIDATE_ID_CHARS_MAX = 512
/** More than this many candidates in one group are refused: every decision walks the whole list. */
const CANDIDATES_MAX = 1_024

/** What the engine ranks: a source or an endpoint, as the configuration describes it. */
export interface CandidateSpec {
  readonly id: CandidateId
  /** Any finite number; higher is better. Ordered groups use the position in the list instead. */
  readonly priority: number
  /** Share of the traffic inside one priority, 0 or more; 0 drains (used only when nothing else is usable). */
  readonly weight: number
  readonly region?: string
  /** Requests that it takes at once; no limit when it is left out. */
  readonly inFlightMax?: number
}

/** A candidate and all that is known of it. Plain JSON data. */
export interface CandidateState {
  readonly spec: CandidateSpec
  readonly health: HealthState
  readonly breaker: BreakerState
  /** The id's place in consistent hashing, kept because every request with a key needs it of every candidate. */
  readonly idHash: number
  /** Requests that were handed out and are not over; request-style groups only. */
  readonly inFlight: number
  /** Those among them that were answered and go on all the same, as a connection that switched protocols does. */
  readonly goingOn: number
  /** Set while the adapter has been asked to probe this candidate. */
  readonly probing: Probing | null
}

export interface Probing {
  readonly sinceMs: number
  /** When the present unbroken run of good probes began. */
  readonly goodSinceMs: number | null
}

/** Brands text as a candidate's id. Throws a RangeError when it is empty or too long. */
export function candidateId(text: string): CandidateId {
  if (text.length === 0 || text.length > CANDIDATE_ID_CHARS_MAX) {
    throw new RangeError(`a candidate id has 1 to ${CANDIDATE_ID_CHARS_MAX} characters, this one has ${text.length}`)
  }
  return text as CandidateId
}

export function newCandidate(spec: CandidateSpec): CandidateState {
  const { id, priority, weight, region, inFlightMax } = spec
  const known = {
    ...{ id, priority, weight },
    ...(region === undefined ? {} : { region }),
    ...(inFlightMax === undefined ? {} : { inFlightMax }),
  }
  const idHash = hashText(id)
  return { spec: known, idHash, health: unknownHealth, breaker: closedBreaker, inFlight: 0, goingOn: 0, probing: null }
}

/** Throws a RangeError that names the candidate and the value when a list cannot be ranked. */
export function checkCandidates(specs: readonly CandidateSpec[]): void {
  if (specs.length > CANDIDATES_MAX) {
    throw new RangeError(`a group has at most ${CANDIDATES_MAX} candidates, this one has ${specs.length}`)
  }
  const seen = new Set<CandidateId>()
  for (const { id, priority, weight, inFlightMax } of specs) {
    candidateId(id)
    if (seen.has(id)) throw new RangeError(`candidate "${id}" is listed twice; ids must be unique in a group`)
    seen.add(id)
    if (!Number.isFinite(priority))
      throw new RangeError(`candidate "${id}": priority ${priority} is not a finite number`)
    if (!Number.isFinite(weight) || weight < 0) {
      throw new RangeError(`candidate "${id}": weight ${weight} is not a finite number of 0 or more`)
    }
    if (inFlightMax !== undefined && !(inFlightMax >= 1)) {
      throw new RangeError(`candidate "${id}": a limit of ${inFlightMax} requests is not 1 or more`)
    }
  }
}
