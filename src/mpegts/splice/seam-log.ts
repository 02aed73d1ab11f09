import type { SeamKind } from './splice-facts.ts'
import { isAudio, isVideo } from './track.ts'
import type { Track } from './track.ts'

/** Counts the joins and tells what kind the latest one is. */
export class SeamLog {
  #kind: SeamKind = 'first'
  #joins = 0
  /** Whether what viewers are given has pictures and sound. */
  #hasPictures = false
  #hasSound = false

  get kind(): SeamKind {
    return this.#kind
  }

  /** Sources that went on air, the first included. */
  get joins(): number {
    return this.#joins
  }

  /** A source begins that is yet to be joined. */
  begin(): void {
    this.#kind = this.#joins === 0 ? 'first' : 'seamless'
  }

  /** A codec is another one, or what is known of timestamps ends: decoders notice. */
  break(): void {
    if (this.#joins > 0) this.#kind = 'discontinuity'
  }

  /** The source goes on air with these tracks. Pictures or sound that begin or end with it are no seamless continuation. */
  join(tracks: Iterable<Track>): void {
    const [hadPictures, hadSound] = [this.#hasPictures, this.#hasSound]
    this.change(tracks)
    if (hadPictures !== this.#hasPictures || hadSound !== this.#hasSound) this.break()
    this.#joins += 1
  }

  /** The source on air has these tracks from now on. */
  change(tracks: Iterable<Track>): void {
    const all = [...tracks]
    this.#hasPictures = all.some(isVideo)
    this.#hasSound = all.some(isAudio)
  }

  /** The source goes on with the very next unit. */
  succeed(): void {
    if (this.#kind === 'seamless') this.#kind = 'hitless'
  }

  /** The source does not go on where it should: it is yet to be joined. */
  takeBack(): void {
    this.#joins -= 1
  }
}
