import type { IntervalLimits } from '../../detect/interval-watch.ts'
import type { Gaps, SegmentSymptom } from './rendition-watch.ts'
import type { KindFacts } from './segment-facts.ts'

/** Units that show what a source usually does. */
const LEARNT_UNITS = 4

/** Whether one kind of media stays away for longer than it usually does: what a rendition never had is not missed. */
export class HabitualGap {
  readonly #limits: IntervalLimits
  #units = 0
  #longestMs = 0

  constructor(limits: IntervalLimits) {
    this.#limits = limits
  }

  get hasHad(): boolean {
    return this.#units > 0
  }

  /** `gaps` around a segment that has `facts` of this kind. */
  judge(
    condition: 'no_video' | 'no_audio',
    { longestMs }: Gaps,
    facts: KindFacts | undefined,
  ): SegmentSymptom | undefined {
    this.#units += facts?.units ?? 0
    const { holdMs, factor, unlearntMs } = this.#limits
    const learntMs = Math.max(holdMs, factor * this.#longestMs)
    const limitMs = this.#units >= LEARNT_UNITS ? learntMs : Math.max(unlearntMs, learntMs)
    const isTooLong = this.hasHad && longestMs > limitMs
    // A gap that was an alarm is not what the source usually does.
    if (!isTooLong) {
      // One that is not over yet is none either.
      if (facts !== undefined) this.#longestMs = Math.max(this.#longestMs, longestMs)
      return undefined
    }
    const kind = condition === 'no_video' ? 'video' : 'audio'
    const gapMs = Math.round(longestMs)
    return {
      condition,
      message: `stopped sending ${kind}: none for ${gapMs} ms of media`,
      evidence: {
        ...{ gap_media_ms: gapMs, limit_media_ms: Math.round(limitMs) },
        longest_interval_media_ms: Math.round(this.#longestMs),
      },
      // With some pictures it is better than a gap.
      isUnusable: kind === 'video' && facts === undefined,
      severity: 'as_chosen',
    }
  }
}
