import { areLeadingDecodable, JoinGate } from './join-gate.ts'
import type { Opening } from './join-gate.ts'
import type { Hold } from './hold.ts'
import type { PesHeader } from './pes-header.ts'
import { TICKS_PER_MS } from './timestamp.ts'
import { isAudio } from './track.ts'
import type { Track } from './track.ts'

/** A source that has not shown two pictures this much media after its join point begins with what it has. */
const JOIN_TICKS_MAX = 1_000 * TICKS_PER_MS

/** A unit that begins, as it came in. */
export interface JoinUnit {
  readonly track: Track
  readonly position: number
  /** Undefined where it has no readable timestamps. */
  readonly header: PesHeader | undefined
  readonly isScrambled: boolean
}

/** How a source can go on air. */
export type Joinable =
  | { readonly kind: 'picture'; readonly track: Track; readonly opening: Opening }
  | { readonly kind: 'sound'; readonly track: Track; readonly pts: number }
  | { readonly kind: 'scrambled' }

/** Looks for where a source that has begun can go on air: at a picture, at its sound when it has none, or as it is. */
export class JoinSearch {
  readonly #gate = new JoinGate()
  /** Position of the first join point, and progress of the source when it or the first picture came. */
  #joinPosition = Infinity
  #fromTicks = 0
  #firstSound: { readonly track: Track; readonly pts: number } | undefined

  /** A random access point, or the first media where none was told, is at `position`. */
  expectAt(position: number): void {
    this.#joinPosition = Math.min(this.#joinPosition, position)
  }

  /** How long is waited counts from here: the source has come to `ticks`. */
  waitFrom(ticks: number): void {
    this.#fromTicks = ticks
  }

  /**
   * Takes the next unit; `main` is the track that will lead, `ticks` how far the source has come (90 kHz). Undefined while it
   * cannot be told how the source begins.
   */
  consider(unit: JoinUnit, main: Track | undefined, ticks: number, hold: Hold): Joinable | undefined {
    const { track, position, header } = unit
    if (header !== undefined && isAudio(track)) this.#firstSound ??= { track, pts: header.pts }
    const found = track === main ? this.#considerMain(unit, ticks, hold) : undefined
    if (position < this.#joinPosition) this.#fromTicks = ticks
    if (found !== undefined) return found
    return ticks - this.#fromTicks > JOIN_TICKS_MAX ? this.settle(main) : undefined
  }

  /** Begins with what there is: without a picture, with the sound. Undefined when there is neither. */
  settle(main: Track | undefined): Joinable | undefined {
    const opening = this.#gate.settle()
    if (opening !== undefined && main !== undefined) return { kind: 'picture', track: main, opening }
    return this.#firstSound === undefined ? undefined : { kind: 'sound', ...this.#firstSound }
  }

  #considerMain(unit: JoinUnit, ticks: number, hold: Hold): Joinable | undefined {
    const { track, position, header, isScrambled } = unit
    if (isScrambled) return { kind: 'scrambled' }
    if (header === undefined) return undefined
    if (isAudio(track)) return this.#firstSound === undefined ? undefined : { kind: 'sound', ...this.#firstSound }
    if (!this.#gate.hasKey) this.#fromTicks = ticks
    const opening = this.#gate.offer({ position, pts: header.pts, dts: header.dts }, (key, leading) =>
      areLeadingDecodable(
        track.output.codec,
        hold.buffer,
        hold.offsetOf(key.position),
        hold.offsetOf(leading.position),
      ),
    )
    return opening === undefined ? undefined : { kind: 'picture', track, opening }
  }
}
