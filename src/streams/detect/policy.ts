import { conditionFacts } from './conditions.ts'
import type { Action, ActionChoice, Condition, DetectionPolicy, SilencePolicy } from './conditions.ts'
import { SILENCE_REASON } from './content-checks.ts'
import type { Decoders } from './decoders.ts'
import { thresholds } from './thresholds.ts'

/** Where the configuration has each condition's action. */
export const limitKeys = {
  no_video: 'detectNoVideo',
  scrambled: 'detectScrambled',
  pcr_stalled: 'detectPcrStalled',
  pts_stalled: 'detectPtsStalled',
  no_audio: 'detectNoAudio',
  tables_missing: 'detectTablesMissing',
  transport_errors: 'detectTransportErrors',
  continuity_errors: 'detectContinuityErrors',
  incomplete_segment: 'detectIncompleteSegment',
  slower_than_real_time: 'detectSlowerThanRealTime',
  black: 'detectBlack',
  frozen: 'detectFrozen',
  silent: 'detectSilent',
  low_bitrate: 'detectLowBitRate',
  no_keyframe: 'detectNoKeyframe',
  signature_changed: 'detectSignatureChanged',
  looping: 'detectLooping',
} as const satisfies Record<Condition, string>

type ActionLimits = { readonly [Key in (typeof limitKeys)[Condition]]: Action }

/** What the configuration says about detection; bytes a second and milliseconds. */
export interface DetectionLimits extends ActionLimits {
  readonly bitRateMonitoring: boolean
  readonly bitRateMin: number
  readonly bitRateCheckIntervalMs: number
  readonly bitRateIntervalsMax: number
  readonly bitRateGraceMs: number
  readonly silenceDetection: boolean
  readonly silenceThresholdDb: number
  readonly silenceDurationMs: number
  readonly silenceCheckIntervalMs: number
  readonly silenceChecksMax: number
  readonly silenceGraceMs: number
}

/** The compatible fields of a stream, by their names in its request; seconds and dBFS. */
export type SilenceChoice = Readonly<Record<string, boolean | number>>

/** What a stream says of detection, each asked anew when it is needed. */
export interface StreamDetection {
  readonly choice: () => ActionChoice | undefined
  readonly silence: () => SilenceChoice
  readonly hasAlternative: (condition: Condition) => boolean
  /** Undefined where nothing is to be decoded. */
  readonly decoders: Decoders | undefined
}

const SILENCE_DB_MIN = -99
const SILENCE_SECONDS_MAX = 3_600
const SILENCE_CHECKS_MAX = 1_000

/** The policy of one stream: what was chosen for it, else what the gateway is configured to. */
export function detectionPolicy(limits: DetectionLimits, stream: StreamDetection): DetectionPolicy {
  const { choice, silence, hasAlternative, decoders } = stream
  return {
    actionOf: (condition) => {
      const chosen = choice()?.[condition]
      if (chosen !== undefined) return chosen
      return condition === 'silent' && isSilenceChecked(limits, silence()) ? 'fail' : limits[limitKeys[condition]]
    },
    hasAlternative,
    decoders,
    silence: silencePolicy(limits, silence()),
    bitRateFloor: limits.bitRateMonitoring
      ? {
          bytesPerSecondMin: limits.bitRateMin,
          checkIntervalMs: limits.bitRateCheckIntervalMs,
          intervalsMax: limits.bitRateIntervalsMax,
          gracePeriodMs: limits.bitRateGraceMs,
        }
      : undefined,
  }
}

function isSilenceChecked(limits: DetectionLimits, chosen: SilenceChoice): boolean {
  const enabled = chosen['enable_silence_detection']
  return typeof enabled === 'boolean' ? enabled : limits.silenceDetection
}

/** Values out of all reason are brought to the nearest that makes sense, since m3u-proxy takes any. */
function silencePolicy(limits: DetectionLimits, chosen: SilenceChoice): SilencePolicy {
  const numberOf = (name: string, otherwise: number, minimum: number, maximum: number) => {
    const value = chosen[name]
    return Math.min(maximum, Math.max(minimum, typeof value === 'number' ? value : otherwise))
  }
  const msOf = (name: string, otherwiseMs: number, minimum: number) =>
    numberOf(name, otherwiseMs / 1_000, minimum, SILENCE_SECONDS_MAX) * 1_000
  const thresholdDb = numberOf('silence_threshold_db', limits.silenceThresholdDb, SILENCE_DB_MIN, 0)
  if (!isSilenceChecked(limits, chosen)) return { thresholdDb, holdMs: thresholds.silent.holdMs, checks: undefined }
  return {
    thresholdDb,
    holdMs: msOf('silence_duration', limits.silenceDurationMs, 0.1),
    checks: {
      intervalMs: msOf('silence_check_interval', limits.silenceCheckIntervalMs, 0.1),
      badMax: numberOf('silence_failover_threshold', limits.silenceChecksMax, 1, SILENCE_CHECKS_MAX),
      gracePeriodMs: msOf('silence_monitoring_grace_period', limits.silenceGraceMs, 0),
    },
  }
}

/** The condition behind a failure's reason, if it is one. */
export function conditionOf(reason: string): Condition | undefined {
  if (reason === SILENCE_REASON) return 'silent'
  return isCondition(reason) ? reason : undefined
}

function isCondition(reason: string): reason is Condition {
  return Object.hasOwn(conditionFacts, reason)
}
