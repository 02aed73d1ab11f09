import type { Symptom } from './conditions.ts'
import type { PictureRun, PictureWatch } from './picture-watch.ts'
import type { SoundWatch } from './sound-watch.ts'
import { thresholds } from './thresholds.ts'

/** What a decoder found of the source. */
export interface Content {
  readonly pictures: PictureWatch
  readonly sound: SoundWatch
}

/** As m3u-proxy calls it in its events. */
export const SILENCE_REASON = 'silence_detected'

/** Nothing of it is a loss: another source is better, the same one opened again is not. */
const NO_LOSS = { isLoss: false, severity: 'as_chosen' } as const

export function black({ content }: { readonly content: Content | undefined }): Symptom | undefined {
  if (content?.pictures.isBlack !== true) return undefined
  const { black: run, blackShare } = content.pictures
  return {
    ...NO_LOSS,
    sinceMs: run.sinceMs,
    message: `shows a black picture, for ${seconds(run.ms)} s now`,
    evidence: { ...runEvidence(run, thresholds.black.holdMs), black_share: Math.round(blackShare * 1_000) / 1_000 },
  }
}

export function frozen({ content }: { readonly content: Content | undefined }): Symptom | undefined {
  if (content?.pictures.isFrozen !== true) return undefined
  const { frozen: run, difference } = content.pictures
  return {
    ...NO_LOSS,
    sinceMs: run.sinceMs,
    message: `shows a picture that stands still, for ${seconds(run.ms)} s now`,
    evidence: {
      ...runEvidence(run, thresholds.frozen.holdMs),
      mean_difference: Math.round(difference * 1_000) / 1_000,
    },
  }
}

export function silent({ content }: { readonly content: Content | undefined }): Symptom | undefined {
  if (content?.sound.isSilent !== true) return undefined
  const { silentMs, sinceMs, levelDb, badChecks, policy } = content.sound
  return {
    ...NO_LOSS,
    ...(policy.checks === undefined ? {} : { reason: SILENCE_REASON }),
    sinceMs,
    message: `is silent, for ${seconds(silentMs)} s now`,
    evidence: {
      silent_media_ms: silentMs,
      level_dbfs: Math.round(levelDb * 10) / 10,
      threshold_dbfs: policy.thresholdDb,
      ...(policy.checks === undefined ? { limit_media_ms: policy.holdMs } : { checks: badChecks }),
    },
  }
}

function runEvidence({ ms, pictures }: PictureRun, limitMs: number): Symptom['evidence'] {
  return { media_ms: Math.round(ms), limit_media_ms: limitMs, keyframes: pictures }
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10
}
