import { thresholds } from '../../detect/thresholds.ts'
import type { SegmentSymptom } from './rendition-watch.ts'
import { spanMs } from './segment-facts.ts'
import type { SegmentFacts } from './segment-facts.ts'

const { shareMin, holdMs, roundedHoldMs, factor, learntSegments } = thresholds.incomplete_segment

/**
 * Whether a segment has much less media than its playlist says. Durations of playlists are rounded, estimated or plainly wrong:
 * what the source has shown to be its habit is not held against it, and without a habit only a segment that visibly breaks
 * off is.
 */
export class Shortfall {
  #segments = 0
  #worstMs = 0

  /** `durationS` is EXTINF. */
  judge(durationS: number, facts: SegmentFacts): SegmentSymptom | undefined {
    const mediaMs = spanMs(facts)
    // Without timestamps, or with some that went elsewhere, nobody can tell how much there is.
    if (mediaMs <= 0 || facts.jumps > 0 || facts.scrambledShare > 0) return undefined
    const segmentMs = durationS * 1_000
    const missingMs = segmentMs - mediaMs
    const isLearnt = this.#segments >= learntSegments
    const leastMs = Number.isInteger(durationS) ? roundedHoldMs : holdMs
    const limitMs = Math.max(leastMs, (1 - shareMin) * segmentMs, factor * this.#worstMs)
    const isShort = missingMs > limitMs && (facts.isCutOff || isLearnt)
    if (!isShort) {
      this.#segments += 1
      this.#worstMs = Math.max(this.#worstMs, missingMs)
      return undefined
    }
    return {
      condition: 'incomplete_segment',
      message: `gave ${seconds(mediaMs)} s of a segment of ${seconds(segmentMs)} s as if that were all of it`,
      evidence: {
        ...{ media_ms: Math.round(mediaMs), segment_ms: Math.round(segmentMs), limit_ms: Math.round(limitMs) },
        ...{ bytes: facts.bytes, ends_within_unit: facts.isCutOff },
      },
      ...{ isUnusable: true, severity: 'as_chosen' },
    }
  }
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1)
}
