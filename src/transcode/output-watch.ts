/**
 * Whether an encoder does what it is for. Silence counts only while it is given media: one that starves because no source
 * delivers is not to blame, and nothing is gained by starting another.
 */
export interface OutputWatchOptions {
  /** From the first media that it is given to the first that it puts out. */
  readonly startLimitMs: number
  /** For so long it may be given media and put out none, or none but sound where pictures are wanted. */
  readonly silenceLimitMs: number
  readonly hasVideo: boolean
}

export class OutputWatch {
  readonly #options: OutputWatchOptions
  /** Since its latest output: when it was first and last given something. */
  #fedFromMs: number | undefined
  #fedUntilMs = 0
  /** It does not take what it is given. */
  #isRefusing = false
  #hasPutOut = false
  #frames = -1
  /** Of the latest new picture, by the media that it was given since. */
  #picturelessFromMs: number | undefined

  constructor(options: OutputWatchOptions) {
    this.#options = options
  }

  /** It was given media; `isFull`: it takes no more now. */
  fed(nowMs: number, isFull: boolean): void {
    this.#fedFromMs ??= nowMs
    this.#picturelessFromMs ??= nowMs
    this.#fedUntilMs = nowMs
    if (isFull) this.#isRefusing = true
  }

  /** It has taken what it was given. */
  taken(): void {
    this.#isRefusing = false
  }

  putOut(nowMs: number): void {
    this.#hasPutOut = true
    // What waits for it goes on waiting.
    this.#fedFromMs = this.#isRefusing ? nowMs : undefined
  }

  /** What it tells of itself: pictures so far. */
  progressed(nowMs: number, frames: number | undefined): void {
    if (frames === undefined || frames <= this.#frames) return
    this.#frames = frames
    this.#picturelessFromMs = this.#fedUntilMs >= nowMs ? nowMs : undefined
  }

  /** It was held up by us: the time until now is not its silence. */
  resumed(nowMs: number): void {
    if (this.#fedFromMs !== undefined) this.#fedFromMs = nowMs
    if (this.#picturelessFromMs !== undefined) this.#picturelessFromMs = nowMs
  }

  /** What is wrong, in words; undefined when nothing is. */
  verdict(nowMs: number): string | undefined {
    const { startLimitMs, silenceLimitMs, hasVideo } = this.#options
    const limitMs = this.#hasPutOut ? silenceLimitMs : startLimitMs
    // What it does not take waits for it: it is given media all the time.
    const untilMs = this.#isRefusing ? nowMs : this.#fedUntilMs
    const silentMs = this.#fedFromMs === undefined ? 0 : untilMs - this.#fedFromMs
    if (silentMs >= limitMs) {
      return `ffmpeg has put out nothing for ${Math.round(silentMs)} ms although it was given media`
    }
    const picturelessMs = this.#picturelessFromMs === undefined ? 0 : this.#fedUntilMs - this.#picturelessFromMs
    if (hasVideo && this.#frames >= 1 && picturelessMs >= Math.max(silenceLimitMs, startLimitMs)) {
      return `ffmpeg has put out no picture for ${Math.round(picturelessMs)} ms although it was given media`
    }
    return undefined
  }
}
