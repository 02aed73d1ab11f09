import type { Condition } from './conditions.ts'

/**
 * Every threshold and hold time of detection, in one place; docs/DETECTION.md is made from them. Times are ms of media
 * (see `ProgressClock`) unless the name says otherwise, and a second is one of media too.
 *
 * Where intervals are watched, `holdMs` is the least gap, `factor` how many times the longest interval that the source
 * has shown, and `unlearntMs` what holds until three intervals are known.
 */
export const thresholds = {
  no_video: { holdMs: 2_000, factor: 4, unlearntMs: 10_000, neverMs: 5_000 },
  scrambled: { secondsInRow: 3, shareMin: 0.5 },
  pcr_stalled: {
    ...{ holdMs: 1_000, factor: 4, unlearntMs: 10_000 },
    // Where timestamps stand still too: with a known bit rate, and before there is one.
    ...{ frozenWallMs: 2_000, frozenFromStartWallMs: 10_000, frozenBytesMin: 20_000 },
  },
  pts_stalled: { holdMs: 2_000, factor: 4, unlearntMs: 10_000 },
  no_audio: { holdMs: 5_000, factor: 4, unlearntMs: 20_000, neverMs: 10_000 },
  tables_missing: { holdMs: 5_000, factor: 3, unlearntMs: 30_000 },
  transport_errors: { perSecond: 20, secondsInRow: 3, windowSeconds: 10, perWindow: 100, clockStopped: 60 },
  continuity_errors: { perSecond: 20, secondsInRow: 3, windowSeconds: 10, perWindow: 100 },
  /** Shares are of EXTINF, times ms of media. */
  incomplete_segment: { shareMin: 0.7, holdMs: 300, roundedHoldMs: 1_000, factor: 2, learntSegments: 3 },
  slower_than_real_time: { factorMin: 0.95, windowWallMs: 10_000, windows: 2 },
  /** Luma of 255; the share of the picture (ffmpeg's blackdetect). */
  black: { lumaMax: 25, shareMin: 0.98, holdMs: 2_000, keyframesMin: 2 },
  /**
   * Mean difference in dB of full luma (ffmpeg's freezedetect), and the largest of any cell in steps of 255: a cell is
   * the average of hundreds of pixels, so the noise of an encoder stays below, and the mouth of somebody who speaks
   * does not.
   */
  frozen: { differenceDbMax: -60, cellMax: 3, holdMs: 10_000, keyframesMin: 3 },
  silent: { windowMs: 100, holdMs: 10_000 },
  low_bitrate: { shareMin: 0.1, seconds: 20, learntSeconds: 30 },
  no_keyframe: { holdMs: 15_000, factor: 2, unlearntMs: 30_000, neverMs: 30_000 },
  signature_changed: { newsWallMs: 10_000 },
  looping: { repeats: 3, groupsMax: 128 },
} as const satisfies Record<Condition, object>
