import { NO_TIMESTAMP, TICKS_PER_MS, timestampStep, wrapTimestamp } from './timestamp.ts'
import { unitTicksOf } from './timeline.ts'
import { isAudio } from './track.ts'
import type { Track } from './track.ts'

/**
 * What is known of a source that carries the same encode as the one on air. The switch then needs no key picture: each
 * stream goes on with the unit that follows the last one that was sent.
 */
export interface KnownTimeline {
  /** Timestamps of the new source less those of the source on air for the same unit, 90 kHz modulo 2^33. */
  readonly sourceOffset: number
}

/** Multiplexers that keep time in milliseconds move timestamps by up to one, on either side. */
const ROUNDING_TICKS_MAX = 2 * TICKS_PER_MS
/** A step longer than this many units leaves something out. */
const STEP_UNITS_MAX = 1.5

/** Whether the unit at `mappedDts`, in the output's time without any decoding lag, was sent from the source before. */
export function wasSent(track: Track, mappedDts: number): boolean {
  const { mappedDts: sentUpTo } = track.sending
  if (sentUpTo === NO_TIMESTAMP) return false
  const tolerance = Math.min(ROUNDING_TICKS_MAX, unitTicksOf(track) / 2)
  return timestampStep(mappedDts, sentUpTo) <= tolerance
}

/**
 * `sent`: viewers have had it. `next`: what follows what they have had. `gap`: something between is missing, so that the
 * sources were not the same or this one does not reach back far enough.
 */
export type Succession = 'sent' | 'next' | 'gap'

/** Looks for the first unit of the leading stream that viewers have not had, and sees whether it is the next one. */
export class SuccessorWatch {
  readonly #track: Track
  /** The source's loss counter when it brought the very unit that was sent last; undefined before. */
  #errorsAtLast: number | undefined

  constructor(track: Track) {
    this.#track = track
  }

  /** Judges the next unit in the order in which they come; `continuityErrors` are those of its source so far. */
  judge(mappedDts: number, continuityErrors: number): Succession {
    if (isAudio(this.#track)) return this.#judgeAudio(mappedDts, continuityErrors)
    const { mappedDts: sentUpTo, untimedUnits } = this.#track.sending
    if (wasSent(this.#track, mappedDts)) {
      const isLast = Math.abs(timestampStep(mappedDts, sentUpTo)) <= ROUNDING_TICKS_MAX
      this.#errorsAtLast = isLast ? continuityErrors : undefined
      return 'sent'
    }
    const stepMax = (STEP_UNITS_MAX + untimedUnits) * unitTicksOf(this.#track)
    const isNear = timestampStep(mappedDts, sentUpTo) <= stepMax
    return isNear || this.#errorsAtLast === continuityErrors ? 'next' : 'gap'
  }

  /** A unit that begins before the sound has ended may go on behind its end: its frames are told apart later. */
  #judgeAudio(mappedDts: number, continuityErrors: number): Succession {
    const step = timestampStep(mappedDts, this.#track.sending.end)
    if (step <= -ROUNDING_TICKS_MAX) {
      this.#errorsAtLast = continuityErrors
      return 'sent'
    }
    const isNear = step <= (STEP_UNITS_MAX - 1) * unitTicksOf(this.#track)
    return isNear || this.#errorsAtLast === continuityErrors ? 'next' : 'gap'
  }
}

/** Whether a source can go on behind what `leader` has sent. */
export function canGoOn(leader: Track | undefined): leader is Track {
  return leader !== undefined && leader.sending.mappedDts !== NO_TIMESTAMP && leader.sending.lastDts !== NO_TIMESTAMP
}

/** The offset of a source from that of its twin on air: both put a unit at the same time of the output. */
export function offsetOfTwin(offset: number, { sourceOffset }: KnownTimeline): number {
  return wrapTimestamp(offset - sourceOffset)
}
