import type { Json } from '../../store/store.ts'
import type { Decoders } from './decoders.ts'
import type { ErrorLimits } from './error-rate.ts'
import type { IntervalLimits } from './interval-watch.ts'
import { thresholds as t } from './thresholds.ts'

/**
 * What can be wrong with an MPEG-TS source, or with the segments of an HLS source, whose connection is fine. The order is the order in which several at once
 * are judged: the one that explains the others comes first.
 */
export const CONDITIONS = [
  'no_video',
  'scrambled',
  'pcr_stalled',
  'pts_stalled',
  'no_audio',
  'tables_missing',
  'transport_errors',
  'continuity_errors',
  'incomplete_segment',
  'slower_than_real_time',
  'black',
  'frozen',
  'silent',
  'low_bitrate',
  'no_keyframe',
  'signature_changed',
  'looping',
] as const

export type Condition = (typeof CONDITIONS)[number]

/** Those that take a decoder to find; no decoder runs while all of them are off. */
export const DECODED_CONDITIONS = ['black', 'frozen', 'silent'] as const

export type DecodedCondition = (typeof DECODED_CONDITIONS)[number]

/** `fail`: the source counts as failed; `warn`: it is told; `off`: it is not looked at. */
export const ACTIONS = ['fail', 'warn', 'off'] as const

export type Action = (typeof ACTIONS)[number]

/** What an operator chose for a stream; the defaults hold for the rest. */
export type ActionChoice = Readonly<Partial<Record<Condition, Action>>>

interface ConditionFacts {
  readonly defaultAction: Action
  /** What it is, and its threshold, for docs/DETECTION.md and the configuration. */
  readonly doc: string
}

/**
 * The table. `media` counts on the stream's own clock (PCR, or the timestamps of what still comes), so that it does not
 * matter in what bursts it arrives. References: ETSI TR 101 290 §5.2 names the broadcast conditions; our limits are
 * longer than its alarms, because a switch costs viewers more than a second of an alarm costs an engineer.
 */
export const conditionFacts: Readonly<Record<Condition, ConditionFacts>> = {
  no_video: {
    defaultAction: 'fail',
    doc: `Video stopped: no picture for ${gap(t.no_video)} between pictures; none at all in the first ${s(t.no_video.neverMs)} although the programme lists video (TR 101 290 1.6).`,
  },
  scrambled: {
    defaultAction: 'fail',
    doc: `A clear source became scrambled: most packets for ${t.scrambled.secondsInRow} s of media. One that was scrambled from the start is only told.`,
  },
  pcr_stalled: {
    defaultAction: 'fail',
    doc: `The clock reference stands still while media comes: ${gap(t.pcr_stalled)} between clock references; where timestamps stand still too, ${s(t.pcr_stalled.frozenWallMs)} and a second’s worth of bytes, or ${s(t.pcr_stalled.frozenFromStartWallMs)} before the bit rate is known (TR 101 290 2.3).`,
  },
  pts_stalled: {
    defaultAction: 'fail',
    doc: `Timestamps of video or audio stand still while their units come, for ${gap(t.pts_stalled)} between steps (TR 101 290 2.5).`,
  },
  no_audio: {
    defaultAction: 'fail',
    doc: `Every audio stream stopped: no unit for ${gap(t.no_audio)}. None at all in the first ${s(t.no_audio.neverMs)} is only told.`,
  },
  tables_missing: {
    defaultAction: 'fail',
    doc: `No PAT or no PMT for ${gap(t.tables_missing)} between them (TR 101 290 1.3 and 1.5 count 0.5 s as an error).`,
  },
  transport_errors: {
    defaultAction: 'fail',
    doc: `Packets marked as damaged (TR 101 290 2.1): ${rate(t.transport_errors)}.`,
  },
  continuity_errors: {
    defaultAction: 'fail',
    doc: `Packets of video or audio lost or out of order (TR 101 290 1.4): ${rate(t.continuity_errors)}.`,
  },
  incomplete_segment: {
    defaultAction: 'fail',
    doc: `Of HLS that is passed on: a segment that is complete for HTTP and has less than ${t.incomplete_segment.shareMin * 100} % of the media that its playlist says (and ${s(t.incomplete_segment.holdMs)} less, ${s(t.incomplete_segment.roundedHoldMs)} where that is whole seconds), and more is missing than ${t.incomplete_segment.factor} times what the source usually lacks. Before ${t.incomplete_segment.learntSegments} segments are known it also has to end within a packet or a box.`,
  },
  slower_than_real_time: {
    defaultAction: 'fail',
    doc: `Less than ${t.slower_than_real_time.factorMin} s of media a second in ${t.slower_than_real_time.windows} windows of ${s(t.slower_than_real_time.windowWallMs)} in a row, once the lead that it began with is used up.`,
  },
  black: {
    defaultAction: 'off',
    doc: `The picture is black (luma up to ${t.black.lumaMax} of 255 on ${t.black.shareMin * 100} % of it) for ${s(t.black.holdMs)} of media, in ${t.black.keyframesMin} keyframes or more. Decoded.`,
  },
  frozen: {
    defaultAction: 'off',
    doc: `The picture stands still (at most ${t.frozen.differenceDbMax} dB of difference on the average, and no part of it moves) for ${s(t.frozen.holdMs)} of media, in ${t.frozen.keyframesMin} keyframes or more; a slate or a card does. Decoded.`,
  },
  silent: {
    defaultAction: 'off',
    doc: `The sound stays below SILENCE_THRESHOLD_DB (−50 dBFS, RMS of ${t.silent.windowMs} ms, the louder channel) for ${s(t.silent.holdMs)} of media; with ENABLE_SILENCE_DETECTION by the checks of m3u-proxy. Decoded.`,
  },
  low_bitrate: {
    defaultAction: 'warn',
    doc: `Video and audio together below ${t.low_bitrate.shareMin * 100} % of what the source has been sending for ${t.low_bitrate.learntSeconds} s or more, for ${t.low_bitrate.seconds} s of media. With ENABLE_BITRATE_MONITORING also the absolute threshold, which fails the source.`,
  },
  no_keyframe: {
    defaultAction: 'fail',
    doc: `No keyframe for ${gap(t.no_keyframe)} between them. None at all in the first ${s(t.no_keyframe.neverMs)} is only told.`,
  },
  signature_changed: {
    defaultAction: 'warn',
    doc: `The programme map lists other stream types than before: many players freeze. It holds for ${s(t.signature_changed.newsWallMs)}.`,
  },
  looping: {
    defaultAction: 'warn',
    doc: `The same groups of pictures, byte for byte in size and end, came ${t.looping.repeats} times in a row: a slate, a recording in a loop, or a picture that does not move at all.`,
  },
}

/** Seconds as people write them. */
function s(ms: number): string {
  return `${ms / 1_000} s`
}

function gap({ holdMs, factor }: IntervalLimits): string {
  return `${s(holdMs)} of media, or ${factor} times the longest interval`
}

function rate({ perSecond, secondsInRow, windowSeconds, perWindow }: ErrorLimits): string {
  return `${perSecond} in each of ${secondsInRow} consecutive seconds, or ${perWindow} within ${windowSeconds} s of which no second counts for more than ${perSecond}`
}

/** A condition that holds. Times are monotonic milliseconds; `sinceMs` is when it began, as far as can be told. */
export interface Finding {
  readonly condition: Condition
  /** Of a failure because of it: the condition’s name, or that of m3u-proxy where an operator switched on its way. */
  readonly reason: string
  readonly action: 'fail' | 'warn'
  readonly sinceMs: number
  readonly detectedMs: number
  /** What the source does, as the end of a sentence that begins with it. */
  readonly message: string
  readonly evidence: { readonly [key: string]: Json }
}

/** What a check says while its condition holds; who judges it adds action and time. */
export interface Symptom {
  /** Where it is not the condition’s name. */
  readonly reason?: string
  readonly sinceMs: number
  readonly message: string
  readonly evidence: Finding['evidence']
  /** What viewers have is gone, so even the only source is better opened anew than kept. */
  readonly isLoss: boolean
  /** `at_most_warn`: not certain enough to leave the source, whatever was chosen. `fail`: unless it was chosen to be off. */
  readonly severity: 'as_chosen' | 'at_most_warn' | 'fail'
}

/** The absolute bit rate watch of the compatible environment, in bytes per second and milliseconds. */
export interface BitRateFloor {
  readonly bytesPerSecondMin: number
  readonly checkIntervalMs: number
  /** Intervals below the minimum that follow each other until the source counts as failed. */
  readonly intervalsMax: number
  readonly gracePeriodMs: number
}

/** When sound counts as silent. */
export interface SilencePolicy {
  /** dBFS, below 0. */
  readonly thresholdDb: number
  /** Silent for so long, ms of media. */
  readonly holdMs: number
  /**
   * The compatible way: every `intervalMs` of media it is checked whether the sound has been silent for `holdMs`; so
   * many such checks in a row are silence. The first `gracePeriodMs` do not count.
   */
  readonly checks: { readonly intervalMs: number; readonly badMax: number; readonly gracePeriodMs: number } | undefined
}

export interface DetectionPolicy {
  readonly silence: SilencePolicy
  /** Undefined: nothing is ever decoded of this source. */
  readonly decoders: Decoders | undefined
  readonly actionOf: (condition: Condition) => Action
  /** Whether another source is there that is not known to be as bad. Without one only a loss of media fails a source. */
  readonly hasAlternative: (condition: Condition) => boolean
  readonly bitRateFloor: BitRateFloor | undefined
}
