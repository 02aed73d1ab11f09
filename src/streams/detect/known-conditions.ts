import type { CandidateId } from '../../failover/group.ts'
import { CONDITIONS } from './conditions.ts'
import type { Condition } from './conditions.ts'
import { conditionOf } from './policy.ts'

/** So long a source that was left is taken to be still as it was; twice as long each time that it was, up to the limit. */
const KNOWN_MS = 60_000
const KNOWN_MS_MAX = 900_000
/** After this without a failure it begins anew. */
const FORGOTTEN_MS = 1_800_000

interface Known {
  readonly condition: Condition
  readonly atMs: number
  readonly forMs: number
}

/**
 * For which conditions the sources of one stream were last left. A look at a source that is not on air is short, and
 * sees none of those that take a while to show: without this a stream whose sources all show the same card would go
 * from one to the next for ever. Times are monotonic milliseconds.
 */
export class KnownConditions {
  readonly #known = new Map<CandidateId, Known>()

  /** A source failed; nothing is noted when it was for no condition of its media. */
  failed(id: CandidateId, reason: string, nowMs: number): void {
    const condition = conditionOf(reason)
    if (condition === undefined) return
    for (const [other, { atMs }] of this.#known) if (nowMs - atMs >= FORGOTTEN_MS) this.#known.delete(other)
    this.#known.set(id, { condition, atMs: nowMs, forMs: nextMs(this.#known.get(id), nowMs) })
  }

  /** The sources that are no better than one with this condition: theirs is the same, or comes before it in the table. */
  noBetterThan(condition: Condition, nowMs: number): ReadonlySet<CandidateId> {
    const place = CONDITIONS.indexOf(condition)
    const isNoBetter = (known: Known) => isStillKnown(known, nowMs) && CONDITIONS.indexOf(known.condition) <= place
    return new Set([...this.#known].filter(([, known]) => isNoBetter(known)).map(([id]) => id))
  }
}

function isStillKnown({ atMs, forMs }: Known, nowMs: number): boolean {
  return nowMs - atMs < forMs
}

/** What failed before its time was over had no other chance that it could have used. */
function nextMs(before: Known | undefined, nowMs: number): number {
  if (before === undefined) return KNOWN_MS
  return isStillKnown(before, nowMs) ? before.forMs : Math.min(KNOWN_MS_MAX, before.forMs * 2)
}
