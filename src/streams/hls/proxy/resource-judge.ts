import type { Clock } from '../../../lib/clock.ts'
import { isOurOwn } from '../../sources/http-failure.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { ChangeSignal } from './change-signal.ts'
import { sameElsewhere } from './finished-programme.ts'
import { isFiller } from './filler-run.ts'
import type { HlsProxyLimits } from './proxy-options.ts'
import type { PublishedSlots } from './published-slots.ts'
import type { Publisher } from './publisher.ts'
import type { Reference } from './reference.ts'
import type { Verdict } from './resource-server.ts'
import type { SourceRun } from './source-run.ts'

export interface ResourceJudgeOptions {
  readonly clock: Clock
  readonly limits: Pick<HlsProxyLimits, 'startTimeoutMs'>
  readonly publisher: Pick<Publisher, 'current' | 'lost'>
  readonly slots: Pick<PublishedSlots, 'all' | 'stitch'>
  readonly changes: ChangeSignal
  /** Whether another source could take over. */
  readonly hasAlternative: () => boolean
  /** Whether a segment could be sent without asking its source. */
  readonly isHere: (name: string) => boolean
  /** The proxy ends. */
  readonly signal: AbortSignal
}

/** The only source has failed when so many segments in a row cannot be had. */
const FAILURES_MAX = 3

/** What becomes of a resource that its source does not give: of the source, and for the player that waits. */
export class ResourceJudge {
  readonly #options: ResourceJudgeOptions

  constructor(options: ResourceJudgeOptions) {
    this.#options = options
  }

  /** Where the source on air has the same; undefined where it has not, or is its source. */
  elsewhere(name: string, reference: Reference): Reference | undefined {
    const { current } = this.#options.publisher
    if (current === undefined || current.source.candidateId === reference.candidateId) return undefined
    return sameElsewhere(name, reference, this.#options.slots.all, current)
  }

  /** What a failed resource means for its source and for the player. */
  async judge(name: string, reference: Reference, failure: SourceFailure): Promise<Verdict> {
    const { publisher, slots } = this.#options
    if (isOurOwn(failure)) return { kind: 'unavailable' }
    if (reference.kind === 'data') return { kind: 'missing' }
    const { current } = publisher
    const isOnAir = current?.isAlive === true && current.source.candidateId === reference.candidateId
    const isOffered = this.#isOffered(name, reference)
    if (failure.kind === 'segment_missing' && !isOffered) return { kind: 'missing' }
    const isOfSpan = this.#isComplete(name) || reference.span === slots.stitch.span?.number
    const isItsEnd = isOnAir && isOfSpan && this.#isTooMuch(current)
    const isComplete = this.#isComplete(name)
    // What players miss is known before another source takes over: a hot standby does so at once, with as much more.
    if (!isComplete) publisher.lost(new Set([name]))
    if (isItsEnd) {
      if (!isComplete) this.#loseAfter(name)
      current.fail(failure)
    }
    if (isComplete) return this.#completeElsewhere(name, reference)
    return isOffered || reference.kind === 'key' || reference.kind === 'map'
      ? { kind: 'unavailable' }
      : { kind: 'missing' }
  }

  /** What follows a segment that was its source's last chance, and is not here yet: players would wait for each in turn. */
  #loseAfter(name: string): void {
    const { publisher, slots, isHere } = this.#options
    for (const { timeline } of slots.all.values()) {
      const failed = timeline.segments.find(({ segment }) => segment.uri === name)
      if (failed === undefined) continue
      const after = timeline.segments.filter(({ span, sequence }) => span === failed.span && sequence > failed.sequence)
      publisher.lost(new Set(after.map(({ segment }) => segment.uri).filter((uri) => !isHere(uri))))
    }
  }

  /** With nobody to go on from, one segment less is better than a source that is left and tried again. */
  #isTooMuch(run: SourceRun): boolean {
    if (isFiller(run)) return false
    run.resourceFailures += 1
    return this.#options.hasAlternative() || run.resourceFailures >= FAILURES_MAX
  }

  /** Whether the source's own playlist still names it; one that has left it may be gone. Keys and sections always should be there. */
  #isOffered(name: string, reference: Reference): boolean {
    if (reference.kind === 'key' || reference.kind === 'map') return true
    for (const [number, { timeline, complete, epoch }] of this.#options.slots.all) {
      if (complete?.segments.some(({ uri }) => uri === name) === true) return true
      const published = timeline.segments.find(({ segment }) => segment.uri === name)
      if (published === undefined) continue
      const latest = this.#options.publisher.current?.latest(number)?.playlist
      const isOfAir = epoch !== undefined && published.span === this.#options.slots.stitch.span?.number
      return !isOfAir || latest === undefined || published.upstreamSequence >= latest.mediaSequence
    }
    return false
  }

  #isComplete(name: string): boolean {
    return [...this.#options.slots.all.values()].some(
      ({ complete }) => complete?.segments.some(({ uri }) => uri === name) === true,
    )
  }

  /** Of a finished programme, another source may have the same: it is waited for. */
  async #completeElsewhere(name: string, reference: Reference): Promise<Verdict> {
    const { clock, limits, changes, signal } = this.#options
    const deadlineMs = clock.nowMs() + limits.startTimeoutMs
    const found = await changes.until(() => this.elsewhere(name, reference), {
      ...{ deadlineMs, signal },
    })
    return found === undefined ? { kind: 'unavailable' } : { kind: 'elsewhere', reference: found }
  }
}
