import { isAudio, isVideo } from './track.ts'
import type { Track } from './track.ts'
import { NO_TIMESTAMP, TICKS_PER_MS, timestampStep, wrapTimestamp } from './timestamp.ts'

/** A picture lasts this long while its source has not shown how long: 25 a second. */
const PICTURE_TICKS_DEFAULT = 3_600
/** An audio unit, likewise: 1,024 samples at 48 kHz. */
const AUDIO_UNIT_TICKS_DEFAULT = 1_920
/** A step of video further ahead than this is a jump of the source's clock, not missing pictures. */
const VIDEO_GAP_TICKS_MAX = 1_000 * TICKS_PER_MS
/** Audio may be away for longer while the video goes on. */
const AUDIO_GAP_TICKS_MAX = 10_000 * TICKS_PER_MS
/** Streams of one source that have all jumped agree on the time within this. */
const STRETCH_TOLERANCE_TICKS = 1_500 * TICKS_PER_MS
/** A reordering longer than this is no reordering. */
const SHOWN_LATER_TICKS_MAX = 1_000 * TICKS_PER_MS
/** Multiplexers send audio later than the pictures of its time, or hardly earlier. */
const STREAM_STOPPED_TICKS = 500 * TICKS_PER_MS
/** The clock goes on by about this much while a unit is on its way to the decoder. */
const ON_THE_WAY_TICKS = 40 * TICKS_PER_MS
/** Units that may be missing, and the rounding, before a timestamp of audio is doubted. */
const DOUBT_UNITS = 3
const DOUBT_TICKS = 100 * TICKS_PER_MS
/** Rounding between clocks of streams is no overlap. */
export const OVERLAP_TOLERANCE_TICKS = TICKS_PER_MS

/** How long the track's units usually last, 90 kHz ticks. */
export function unitTicksOf({ output, sending }: Track): number {
  if (output.kind === 'audio') return sending.audio.unitTicks ?? sending.steps.usual ?? AUDIO_UNIT_TICKS_DEFAULT
  return sending.steps.usual ?? PICTURE_TICKS_DEFAULT
}

/** A unit that went out is complete: the end of its audio is known now. */
export function endUnit(track: Track): void {
  const { sending } = track
  if (sending.unitPts === NO_TIMESTAMP || !isAudio(track)) return
  sending.end = wrapTimestamp(sending.unitPts + Math.round(unitTicksOf(track)))
  sending.unitPts = NO_TIMESTAMP
}

/**
 * Whether a unit is better left out because its DTS does not follow the one before: a single damaged timestamp would move
 * the audio away from the pictures for good. The unit after it is believed, whatever it says.
 */
export function isDoubtful({ sending }: Track, sourceDts: number, unitTicks: number): boolean {
  if (sending.sourceDts === NO_TIMESTAMP) return false
  const step = timestampStep(sourceDts, sending.sourceDts)
  const fits = step > 0 && step <= DOUBT_UNITS * unitTicks + DOUBT_TICKS
  const isDoubted = !fits && sending.doubtfulDts === NO_TIMESTAMP
  sending.doubtfulDts = isDoubted ? sourceDts : NO_TIMESTAMP
  return isDoubted
}

/**
 * Where sound that was heard until `heardUntil` can go on when all before `inTimeFrom` is late by now: there, or, where that
 * is past, as soon as it reaches its decoder in time. NO_TIMESTAMP when both are.
 */
export function soundGoesOnAt(heardUntil: number, inTimeFrom: number): number {
  if (inTimeFrom === NO_TIMESTAMP) return heardUntil
  const isPast = heardUntil === NO_TIMESTAMP || timestampStep(heardUntil, inTimeFrom) < 0
  return isPast ? wrapTimestamp(inTimeFrom + ON_THE_WAY_TICKS) : heardUntil
}

/** Where the track goes on, in the output's time; undefined when it has sent nothing. */
function nextDtsOf(track: Track): number | undefined {
  const { lastDts, end, untimedUnits } = track.sending
  if (lastDts === NO_TIMESTAMP) return undefined
  if (isAudio(track)) return end
  return wrapTimestamp(lastDts + Math.round((1 + untimedUnits) * unitTicksOf(track)))
}

/** DTS at which a source that `track` leads begins; undefined when nothing was sent before. */
export function joinDtsOf(track: Track, tracks: readonly Track[], leaderBefore: Track | undefined): number | undefined {
  const own = nextDtsOf(track)
  if (own === undefined || !track.sending.wasOnAir) {
    const head = leaderBefore === undefined ? undefined : nextDtsOf(leaderBefore)
    if (own === undefined || head === undefined) return own ?? head
    return timestampStep(head, own) > 0 ? head : own
  }
  if (!isVideo(track)) {
    const head = leaderBefore === undefined ? undefined : nextDtsOf(leaderBefore)
    // Likewise the sound: time went on with the pictures.
    return head !== undefined && timestampStep(head, own) > STREAM_STOPPED_TICKS ? head : own
  }
  for (const other of tracks) {
    const audioEnd = isAudio(other) && other.sending.wasOnAir ? nextDtsOf(other) : undefined
    // The pictures had stopped before the source was left: time went on with the sound.
    if (audioEnd !== undefined && timestampStep(audioEnd, own) > STREAM_STOPPED_TICKS) return audioEnd
  }
  return own
}

/**
 * How much later than its DTS allows a first picture must be shown so that it follows the last one of the source before.
 * It begins at `dts` and is shown `reorderTicks` after it is decoded.
 */
export function shownLaterBy(track: Track, dts: number, reorderTicks: number): number {
  if (!isVideo(track) || track.sending.maxPts === NO_TIMESTAMP) return 0
  const missing = timestampStep(track.sending.maxPts, dts) + Math.round(unitTicksOf(track)) - reorderTicks
  return missing > SHOWN_LATER_TICKS_MAX ? 0 : Math.max(0, missing)
}

/**
 * Places units of the source on air on the output's time: one offset for all its streams, another one after a jump of
 * its own clock. A stretch is the time between two jumps.
 */
export class Timeline {
  #offset = 0
  #stretch = 0
  #jumpsClosed = 0
  #isJumpAnnounced = false

  /** Added to the source's timestamps, 0 to 2^33 − 1. */
  get offset(): number {
    return this.#offset
  }

  get jumpsClosed(): number {
    return this.#jumpsClosed
  }

  /** A source begins: its timestamp `sourceDts` falls on `outputDts`. */
  join(sourceDts: number, outputDts: number): void {
    this.#offset = wrapTimestamp(outputDts - sourceDts)
    this.#stretch += 1
    this.#isJumpAnnounced = false
  }

  /** A source begins whose timestamps fall on the output's by `offset`, 90 kHz modulo 2^33. */
  goOn(offset: number): void {
    this.join(0, offset)
  }

  /** The source says that its clock changes (discontinuity_indicator with a PCR). */
  announceJump(): void {
    this.#isJumpAnnounced = true
  }

  /** Sets the track's offset for a unit with this DTS in the source's time. `leads` says whether others follow it. */
  place(track: Track, sourceDts: number, leads: boolean): void {
    const { sending } = track
    if (sending.sourceDts === NO_TIMESTAMP || !(isVideo(track) || isAudio(track))) this.#adopt(track)
    else if (this.#isJump(track, timestampStep(sourceDts, sending.sourceDts), leads)) {
      this.#closeJump(track, sourceDts, leads)
    }
  }

  #isJump(track: Track, step: number, leads: boolean): boolean {
    if (step > (isVideo(track) || leads ? VIDEO_GAP_TICKS_MAX : AUDIO_GAP_TICKS_MAX)) return true
    if (step < 0 && step < -unitTicksOf(track)) return true
    return leads && this.#isJumpAnnounced && (step <= 0 || step > 1.5 * unitTicksOf(track))
  }

  #closeJump(track: Track, sourceDts: number, leads: boolean): void {
    const { sending } = track
    const wanted = wrapTimestamp((nextDtsOf(track) ?? sourceDts) - sourceDts)
    const distance = timestampStep(this.#offset, wanted)
    const isKnown = sending.stretch !== this.#stretch && Math.abs(distance) <= STRETCH_TOLERANCE_TICKS
    if (!isKnown) {
      this.#stretch += 1
      this.#jumpsClosed += 1
    }
    // What the streams after it follow is the leader's step; a follower only stands in until the leader has jumped.
    if (!isKnown || leads) this.#offset = wanted
    if (leads) this.#isJumpAnnounced = false
    this.#adopt(track)
  }

  #adopt({ sending }: Track): void {
    sending.offset = this.#offset
    sending.stretch = this.#stretch
  }
}
