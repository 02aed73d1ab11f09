import type { Json } from '../../store/store.ts'
import type { Decoders } from './decoders.ts'

/**
 * What can be wrong with an MPEG-TS source whose connection is fine. The order is the order in which several at once
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
    doc: 'Video stopped: no picture for 2 s of media, or 4 times the longest interval between pictures; none at all in the first 5 s although the programme lists video (TR 101 290 1.6).',
  },
  scrambled: {
    defaultAction: 'fail',
    doc: 'A clear source became scrambled: most packets for 3 s of media. One that was scrambled from the start is only told.',
  },
  pcr_stalled: {
    defaultAction: 'fail',
    doc: 'The clock reference stands still while media comes: 1 s by the timestamps, or 4 times the longest interval between clock references; where timestamps stand still too, 2 s and a second’s worth of bytes (TR 101 290 2.3).',
  },
  pts_stalled: {
    defaultAction: 'fail',
    doc: 'Timestamps of video or audio stand still while their units come, for 2 s of media (TR 101 290 2.5).',
  },
  no_audio: {
    defaultAction: 'fail',
    doc: 'Every audio stream stopped: no unit for 5 s of media, or 4 times the longest interval. None at all in the first 10 s is only told.',
  },
  tables_missing: {
    defaultAction: 'fail',
    doc: 'No PAT or no PMT for 5 s of media, or 3 times the longest interval between them (TR 101 290 1.3 and 1.5 count 0.5 s as an error).',
  },
  transport_errors: {
    defaultAction: 'fail',
    doc: 'Packets marked as damaged (TR 101 290 2.1): 20 in each of 3 consecutive seconds, or 100 within 10 s of which no second counts for more than 20.',
  },
  continuity_errors: {
    defaultAction: 'fail',
    doc: 'Packets of video or audio lost or out of order (TR 101 290 1.4): 20 in each of 3 consecutive seconds, or 100 within 10 s of which no second counts for more than 20.',
  },
  slower_than_real_time: {
    defaultAction: 'fail',
    doc: 'Less than 0.95 s of media a second in two windows of 10 s in a row, once the lead that it began with is used up.',
  },
  black: {
    defaultAction: 'off',
    doc: 'The picture is black (luma up to 25 of 255 on 98 % of it) in 2 keyframes or more, for 2 s of media. Decoded.',
  },
  frozen: {
    defaultAction: 'off',
    doc: 'The picture stands still (−60 dB of difference, and no part of it moves) in 3 keyframes or more, for 10 s of media; a slate or a card does. Decoded.',
  },
  silent: {
    defaultAction: 'off',
    doc: 'The sound stays below SILENCE_THRESHOLD_DB (−50 dBFS, RMS of 100 ms, the louder channel) for 10 s of media; with ENABLE_SILENCE_DETECTION by the checks of m3u-proxy. Decoded.',
  },
  low_bitrate: {
    defaultAction: 'warn',
    doc: 'Video and audio together below a tenth of what the source has been sending, for 20 s of media. With ENABLE_BITRATE_MONITORING also the absolute threshold, which fails the source.',
  },
  no_keyframe: {
    defaultAction: 'fail',
    doc: 'No keyframe for twice the longest group of pictures, at least 15 s of media. None at all in the first 30 s is only told.',
  },
  signature_changed: {
    defaultAction: 'warn',
    doc: 'The programme map lists other stream types than before: many players freeze.',
  },
  looping: {
    defaultAction: 'warn',
    doc: 'The same groups of pictures, byte for byte in size and end, came three times in a row: a slate, a recording in a loop, or a picture that does not move at all.',
  },
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
  /** Whether another source is there that is not known to be bad. Without one only a loss of media fails a source. */
  readonly hasAlternative: () => boolean
  readonly bitRateFloor: BitRateFloor | undefined
}
