/** Stands behind every URI of a playlist until it is known whose it is; no URI of ours has it. */
export const SUFFIX_MARK = '\u0001'

/** Forms of one state's playlists that are kept; there are few, since the forms are ours. */
const FORMS_MAX = 16

/**
 * Texts of playlists, each written once for a state of the stream however many ask for it. What clients differ in, the
 * parameters behind each URI, is put in between the pieces.
 */
export class RenderedPlaylists {
  readonly #pieces = new Map<string, readonly string[]>()

  /** The text of the form named `key`; `write` gives it with SUFFIX_MARK behind every URI. */
  text(key: string, suffix: string, write: () => string): string {
    let pieces = this.#pieces.get(key)
    if (pieces === undefined) {
      if (this.#pieces.size >= FORMS_MAX) this.#pieces.clear()
      pieces = write().split(SUFFIX_MARK)
      this.#pieces.set(key, pieces)
    }
    return pieces.join(suffix)
  }

  /** The stream has changed. */
  clear(): void {
    this.#pieces.clear()
  }
}
