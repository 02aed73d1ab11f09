import { conditionFacts } from './conditions.ts'
import type { Action, ActionChoice, Condition, DetectionPolicy } from './conditions.ts'

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
  slower_than_real_time: 'detectSlowerThanRealTime',
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
}

/** The policy of one stream: what was chosen for it, else what the gateway is configured to. */
export function detectionPolicy(
  limits: DetectionLimits,
  choice: () => ActionChoice | undefined,
  hasAlternative: () => boolean,
): DetectionPolicy {
  return {
    actionOf: (condition) => choice()?.[condition] ?? limits[limitKeys[condition]],
    hasAlternative,
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

/** Whether a failure's reason is one of the conditions. */
export function isCondition(reason: string): reason is Condition {
  return Object.hasOwn(conditionFacts, reason)
}
