import type { BitRateFloorWatch } from './bit-rate-watch.ts'
import type { Condition, Symptom } from './conditions.ts'
import { black, frozen, silent } from './content-checks.ts'
import type { Content } from './content-checks.ts'
import type { ErrorRate } from './error-rate.ts'
import type { IntervalWatch } from './interval-watch.ts'
import type { PacketObserver } from './packet-observer.ts'
import type { RealTimeFactor } from './real-time-factor.ts'
import { thresholds } from './thresholds.ts'

/** What the conditions are judged by. */
export interface Observed {
  readonly packets: PacketObserver
  readonly realTime: RealTimeFactor
  readonly bitRateFloor: BitRateFloorWatch | undefined
  /** Undefined where nothing is decoded. */
  readonly content: Content | undefined
  /** Monotonic. */
  readonly nowMs: number
}

type Check = (observed: Observed) => Symptom | undefined

const VIDEO_NEVER_MS = thresholds.no_video.neverMs
const AUDIO_NEVER_MS = thresholds.no_audio.neverMs
const KEYFRAME_NEVER_MS = thresholds.no_keyframe.neverMs
/** A stream whose units have stayed away for this long explains the clock that came with it. */
const MISSING_MS = 500
const {
  frozenWallMs: FROZEN_MS,
  frozenFromStartWallMs: FROZEN_FROM_START_MS,
  frozenBytesMin: FROZEN_BYTES_MIN,
} = thresholds.pcr_stalled
/** Bit rate from which a second's worth of bytes is taken is known after so many seconds of media. */
const RATE_KNOWN_SECONDS = 3
const FROZEN_TRANSPORT_ERRORS = thresholds.transport_errors.clockStopped
/** How long a change of the signature stays a finding. */
const SIGNATURE_NEWS_MS = thresholds.signature_changed.newsWallMs

/** Whether each condition holds now. Nothing is allocated while none does. */
export const checks: Readonly<Record<Condition, Check>> = {
  no_video: noVideo,
  scrambled,
  pcr_stalled: pcrStalled,
  pts_stalled: ptsStalled,
  no_audio: noAudio,
  tables_missing: tablesMissing,
  transport_errors: transportErrors,
  continuity_errors: continuityErrors,
  // Packets do not tell where a segment should end: see streams/hls/inspection.
  incomplete_segment: () => undefined,
  slower_than_real_time: slowerThanRealTime,
  black,
  frozen,
  silent,
  low_bitrate: lowBitRate,
  no_keyframe: noKeyframe,
  signature_changed: signatureChanged,
  looping,
}

function noVideo({ packets }: Observed): Symptom | undefined {
  const { videoUnits, clock, programmeSinceMs, programmeSeenNowMs, hadVideo } = packets
  if (videoUnits.isOverdue(clock.ms)) return missing('video', videoUnits, clock.ms, true)
  if (videoUnits.hasArrived || !hadVideo || clock.ms - programmeSinceMs < VIDEO_NEVER_MS) return undefined
  return {
    sinceMs: programmeSeenNowMs,
    message: `has sent no video although its programme lists it`,
    evidence: { gap_media_ms: Math.round(clock.ms - programmeSinceMs), limit_media_ms: VIDEO_NEVER_MS },
    // It may never have had any: opening it again would not bring what viewers never saw.
    isLoss: false,
    severity: 'as_chosen',
  }
}

function noAudio({ packets }: Observed): Symptom | undefined {
  const { audioUnits, clock, programme, programmeSinceMs, programmeSeenNowMs } = packets
  if (programme?.audio === undefined) return undefined
  if (audioUnits.isOverdue(clock.ms)) return missing('audio', audioUnits, clock.ms, false)
  if (audioUnits.hasArrived || clock.ms - programmeSinceMs < AUDIO_NEVER_MS) return undefined
  return {
    sinceMs: programmeSeenNowMs,
    message: 'has sent no audio although its programme lists it',
    evidence: { gap_media_ms: Math.round(clock.ms - programmeSinceMs), limit_media_ms: AUDIO_NEVER_MS },
    isLoss: false,
    severity: 'at_most_warn',
  }
}

function missing(kind: 'video' | 'audio', units: IntervalWatch, clockMs: number, isLoss: boolean): Symptom {
  const gapMs = Math.round(units.gapMs(clockMs))
  return {
    sinceMs: units.lastNowMs,
    message: `stopped sending ${kind}: none for ${gapMs} ms of media`,
    evidence: { ...gapEvidence(units, clockMs), longest_interval_media_ms: Math.round(units.longestMs) },
    isLoss,
    severity: 'as_chosen',
  }
}

function gapEvidence(watch: IntervalWatch, clockMs: number): Symptom['evidence'] {
  return { gap_media_ms: Math.round(watch.gapMs(clockMs)), limit_media_ms: Math.round(watch.limitMs) }
}

function scrambled({ packets }: Observed): Symptom | undefined {
  const { scrambling } = packets
  if (!scrambling.isScrambled) return undefined
  return {
    sinceMs: scrambling.sinceMs,
    message: scrambling.wasClear ? 'became scrambled' : 'is scrambled',
    evidence: { scrambled_seconds: scrambling.secondsInRow, was_clear: scrambling.wasClear },
    isLoss: false,
    severity: scrambling.wasClear ? 'as_chosen' : 'at_most_warn',
  }
}

function pcrStalled(observed: Observed): Symptom | undefined {
  const { packets } = observed
  const { clock, pcrSteps } = packets
  if (!pcrSteps.isOverdue(clock.ms)) return clocksFrozen(observed)
  // A clock that went away together with the stream that carried it is not what is wrong.
  if (isCarrierMissing(packets)) return undefined
  return {
    sinceMs: pcrSteps.lastNowMs,
    message: `has a clock reference (PCR) that stands still: no step for ${Math.round(pcrSteps.gapMs(clock.ms))} ms of media`,
    evidence: { ...gapEvidence(pcrSteps, clock.ms), pcr: packets.pcrClock.pcr ?? null },
    isLoss: true,
    severity: 'as_chosen',
  }
}

function isCarrierMissing({ programme, pcrPid, videoUnits, audioUnits, clock }: PacketObserver): boolean {
  if (pcrPid === programme?.video?.pid) return videoUnits.gapMs(clock.ms) > MISSING_MS
  const isAudio = programme?.pmt.streams.some(({ pid, kind }) => pid === pcrPid && kind === 'audio') === true
  return isAudio && audioUnits.gapMs(clock.ms) > MISSING_MS
}

/** Neither the PCR nor any timestamp moves while media comes: the wall clock and the usual bit rate tell how much. */
function clocksFrozen({ packets, nowMs }: Observed): Symptom | undefined {
  const { frozenBytes, frozenSinceMs, bitRate, clock, pcrSteps } = packets
  const frozenMs = nowMs - frozenSinceMs
  const isKnown = bitRate.seconds >= RATE_KNOWN_SECONDS
  const isFrozen = isKnown
    ? frozenMs >= FROZEN_MS && frozenBytes >= bitRate.baseline
    : frozenMs >= FROZEN_FROM_START_MS && frozenBytes >= FROZEN_BYTES_MIN && (clock.ms > 0 || pcrSteps.hasArrived)
  if (!isFrozen) return undefined
  return {
    sinceMs: frozenSinceMs,
    message: `has clocks that stand still: ${frozenBytes} bytes came in ${Math.round(frozenMs)} ms and no timestamp moved`,
    evidence: { frozen_ms: Math.round(frozenMs), bytes: frozenBytes, pcr: packets.pcrClock.pcr ?? null },
    isLoss: true,
    severity: 'as_chosen',
  }
}

function ptsStalled({ packets }: Observed): Symptom | undefined {
  const { clock } = packets
  for (const track of packets.tracks) {
    if (!track.isStalled(clock.ms)) continue
    const { steps, kind, pid, latest, unitsSinceStep } = track
    return {
      sinceMs: steps.lastNowMs,
      message: `has ${kind} timestamps that stand still while its units come`,
      evidence: { ...gapEvidence(steps, clock.ms), kind, pid, timestamp: latest, units: unitsSinceStep },
      isLoss: true,
      severity: 'as_chosen',
    }
  }
  return undefined
}

function tablesMissing({ packets }: Observed): Symptom | undefined {
  const { pats, pmts, clock } = packets
  const isPat = pats.isOverdue(clock.ms)
  if (!isPat && !pmts.isOverdue(clock.ms)) return undefined
  const watch = isPat ? pats : pmts
  const table = isPat ? 'PAT' : 'PMT'
  return {
    sinceMs: watch.lastNowMs,
    message: `sends no ${table}: none for ${Math.round(watch.gapMs(clock.ms))} ms of media`,
    evidence: { table, ...gapEvidence(watch, clock.ms), longest_interval_media_ms: Math.round(watch.longestMs) },
    isLoss: false,
    severity: 'as_chosen',
  }
}

function transportErrors({ packets, nowMs }: Observed): Symptom | undefined {
  const { transportErrors: rate, frozenTransportErrors, frozenSinceMs } = packets
  // With every packet damaged no clock can be read and no second of media ends.
  const isAll = frozenTransportErrors >= FROZEN_TRANSPORT_ERRORS && nowMs - frozenSinceMs >= FROZEN_MS
  if (!rate.isTooHigh && !isAll) return undefined
  return {
    sinceMs: isAll ? frozenSinceMs : rate.sinceMs,
    message: 'sends packets that are marked as damaged',
    evidence: { ...rateEvidence(rate), since_clock_stopped: frozenTransportErrors },
    isLoss: false,
    severity: 'as_chosen',
  }
}

function continuityErrors({ packets: { continuityErrors: rate } }: Observed): Symptom | undefined {
  if (!rate.isTooHigh) return undefined
  return {
    sinceMs: rate.sinceMs,
    message: `loses packets: ${rate.inTenSeconds} breaks in the continuity of its media in ten seconds`,
    evidence: rateEvidence(rate),
    isLoss: false,
    severity: 'as_chosen',
  }
}

function rateEvidence(rate: ErrorRate): Symptom['evidence'] {
  return { errors_last_second: rate.inLastSecond, errors_last_10_seconds: rate.inTenSeconds, errors_total: rate.total }
}

function slowerThanRealTime({ realTime }: Observed): Symptom | undefined {
  if (!realTime.isSlow) return undefined
  const factor = Math.round(realTime.factor * 1_000) / 1_000
  return {
    sinceMs: realTime.slowSinceMs,
    message: `delivers more slowly than real time: ${factor} s of media a second`,
    evidence: { real_time_factor: factor },
    isLoss: false,
    severity: 'as_chosen',
  }
}

function lowBitRate({ packets: { bitRate }, bitRateFloor }: Observed): Symptom | undefined {
  if (bitRateFloor?.isLow === true) {
    const bytesPerSecond = Math.round(bitRateFloor.latest)
    return {
      sinceMs: bitRateFloor.lowSinceMs,
      message: `sends only ${bytesPerSecond} bytes of media a second`,
      evidence: { bytes_per_second: bytesPerSecond, intervals: bitRateFloor.intervals },
      isLoss: false,
      severity: 'fail',
    }
  }
  if (!bitRate.isLow) return undefined
  const [latest, baseline] = [Math.round(bitRate.latest), Math.round(bitRate.baseline)]
  return {
    sinceMs: bitRate.lowSinceMs,
    message: `sends ${latest} bytes a second of media where ${baseline} were usual`,
    evidence: { bytes_per_media_second: latest, usual_bytes_per_media_second: baseline },
    isLoss: false,
    severity: 'as_chosen',
  }
}

function noKeyframe({ packets }: Observed): Symptom | undefined {
  const { keyframes, videoUnits, clock, scrambling, programmeSinceMs, programmeSeenNowMs, programme } = packets
  if (programme?.video === undefined || !videoUnits.hasArrived || scrambling.isScrambled) return undefined
  if (videoUnits.gapMs(clock.ms) > MISSING_MS) return undefined
  const isNone = !keyframes.hasArrived && clock.ms - programmeSinceMs >= KEYFRAME_NEVER_MS
  if (!isNone && !keyframes.isOverdue(clock.ms)) return undefined
  const gapMs = Math.round(isNone ? clock.ms - programmeSinceMs : keyframes.gapMs(clock.ms))
  return {
    sinceMs: isNone ? programmeSeenNowMs : keyframes.lastNowMs,
    message: `sends no keyframe: none for ${gapMs} ms of media`,
    evidence: {
      gap_media_ms: gapMs,
      limit_media_ms: isNone ? KEYFRAME_NEVER_MS : Math.round(keyframes.limitMs),
      longest_group_media_ms: Math.round(keyframes.longestMs),
    },
    isLoss: false,
    // A source of which no rhythm is known may do without: gradual refresh, or one keyframe at the start.
    severity: keyframes.isLearnt ? 'as_chosen' : 'at_most_warn',
  }
}

function signatureChanged({ packets, nowMs }: Observed): Symptom | undefined {
  const { signature, signatureBefore, signatureChangedNowMs } = packets
  if (!(nowMs - signatureChangedNowMs < SIGNATURE_NEWS_MS)) return undefined
  return {
    sinceMs: signatureChangedNowMs,
    message: `changed its streams from ${signatureBefore} to ${signature}`,
    evidence: { before: signatureBefore, now: signature },
    isLoss: false,
    severity: 'as_chosen',
  }
}

function looping({ packets: { loop } }: Observed): Symptom | undefined {
  if (!loop.isLooping) return undefined
  return {
    sinceMs: loop.sinceMs,
    message: `repeats itself: ${loop.cycleGroups} groups of pictures came three times in a row`,
    evidence: { cycle_groups: loop.cycleGroups },
    isLoss: false,
    severity: 'as_chosen',
  }
}
