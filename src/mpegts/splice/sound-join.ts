import { hasReadableFrames } from './audio-frame.ts'
import type { SoundFiller } from './silence/sound-filler.ts'
import { NO_TIMESTAMP, TICKS_PER_MS, timestampStep } from './timestamp.ts'
import { OVERLAP_TOLERANCE_TICKS, soundGoesOnAt } from './timeline.ts'
import type { Track } from './track.ts'
import { trimUnitStart } from './unit-rewrite.ts'
import type { UnitPlace } from './unit-rewrite.ts'

/** What became of the sound at the join of a source so far. */
export interface SoundRecord {
  audioUnitsDropped: number
  /** Between the sound before and the first of the source, less the silence in between; undefined until it begins. */
  audioHoleMs: number | undefined
}

/** Where sound can begin again, 90 kHz of the output; NO_TIMESTAMP where nothing bounds it. */
export interface SoundBounds {
  /** Of tracks that have sent none: what is earlier is of no use. */
  readonly first: number
  /** Of all tracks: what is earlier would reach its decoder too late. */
  readonly inTimeFrom: number
}

/**
 * Lets the sound of a source follow that of the one before: without anything twice, and without anything that is due
 * already. A standby brings the sound of its last seconds along. Where the sound before ended long ago, what of that
 * belongs to the time since then is late.
 */
export class SoundJoin {
  readonly #filler: SoundFiller
  #record: SoundRecord = { audioUnitsDropped: 0, audioHoleMs: undefined }
  #bounds: SoundBounds = { first: NO_TIMESTAMP, inTimeFrom: NO_TIMESTAMP }
  /** The source carries the encode of the one before: what that one has sent does not go out again. */
  #isTwin = false

  constructor(filler: SoundFiller) {
    this.#filler = filler
  }

  get record(): Readonly<SoundRecord> {
    return this.#record
  }

  /** A source begins. */
  begin(bounds: SoundBounds, isTwin: boolean): void {
    this.#bounds = bounds
    this.#isTwin = isTwin
    this.#record = { audioUnitsDropped: 0, audioHoleMs: undefined }
  }

  /**
   * The first sound of a source on the track comes with the unit at `place`, at `pts` of the output: lets it begin where the
   * old sound has ended. False when it lies before that; it is left out then. Otherwise its timestamps may have moved.
   */
  trim(track: Track, place: UnitPlace, pts: number): boolean {
    const { sending, output } = track
    const heardUntil = sending.lastDts === NO_TIMESTAMP ? this.#bounds.first : sending.end
    const floor = soundGoesOnAt(heardUntil, this.#bounds.inTimeFrom)
    const overlap = floor === NO_TIMESTAMP ? 0 : timestampStep(floor, pts)
    // The frame that was begun ends in this unit.
    if (this.#isTwin && sending.audio.isMidFrame && Math.abs(overlap) <= OVERLAP_TOLERANCE_TICKS) return true
    const isKept = hasReadableFrames(output.codec)
      ? trimUnitStart(place, output.codec, Math.max(0, overlap)) || overlap <= OVERLAP_TOLERANCE_TICKS
      : overlap <= OVERLAP_TOLERANCE_TICKS
    if (!isKept) this.#filler.yieldTo(track, pts)
    if (!isKept && !this.#isTwin) this.#record.audioUnitsDropped += 1
    if (isKept && hasReadableFrames(output.codec)) sending.audio.reset()
    return isKept
  }

  /** The first sound of a source on the track goes out next, at `pts` of the output: silence up to there goes first. */
  enter(track: Track, pts: number): void {
    const { sending } = track
    const hasSound = sending.lastDts !== NO_TIMESTAMP
    this.#filler.end(track, pts)
    if (!hasSound) return
    const holeMs = (sending.holeTicks + timestampStep(pts, sending.end)) / TICKS_PER_MS
    this.#record.audioHoleMs = Math.max(this.#record.audioHoleMs ?? holeMs, holeMs)
  }
}
