/** Sources are connected for a look; a list of thousands of channels must not do so all at once. */
const LOOKS_AT_ONCE_MAX = 16

/** Looks that nobody waits for, so many at a time, in the order in which they were asked for. */
export class LookQueue {
  readonly #waiting: (() => Promise<void>)[] = []
  #running = 0

  /** `look` must not reject. As many may wait as there are streams, since each is looked at once. */
  add(look: () => Promise<void>): void {
    this.#waiting.push(look)
    this.#next()
  }

  #next(): void {
    if (this.#running >= LOOKS_AT_ONCE_MAX) return
    const look = this.#waiting.shift()
    if (look === undefined) return
    this.#running += 1
    void look().finally(() => {
      this.#running -= 1
      this.#next()
    })
  }
}
