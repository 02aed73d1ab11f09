import type { Clock, Timer } from '../lib/clock.ts'

interface LiveDeadlinesOptions {
  readonly clock: Clock
  readonly limits: { readonly startTimeoutMs: number; readonly graceMs: number }
  /** The first media has not come in time. */
  readonly onStartTimeout: () => void
  /** Whatever nobody needs has been kept going long enough. */
  readonly onGraceOver: () => void
}

/** How long a live stream waits: for its first media while viewers wait for it, and for somebody to come back. */
export class LiveDeadlines {
  readonly #options: LiveDeadlinesOptions
  #start: Timer | undefined
  #grace: Timer | undefined

  constructor(options: LiveDeadlinesOptions) {
    this.#options = options
  }

  /** Counts from now, unless it counts already. */
  awaitMedia(): void {
    const { clock, limits, onStartTimeout } = this.#options
    this.#start ??= clock.schedule(limits.startTimeoutMs, () => {
      this.#start = undefined
      onStartTimeout()
    })
  }

  mediaCame(): void {
    this.#start?.cancel()
    this.#start = undefined
  }

  /** Counts from now, unless it counts already. */
  awaitReturn(): void {
    const { clock, limits, onGraceOver } = this.#options
    this.#grace ??= clock.schedule(limits.graceMs, () => {
      this.#grace = undefined
      onGraceOver()
    })
  }

  returned(): void {
    this.#grace?.cancel()
    this.#grace = undefined
  }

  cancel(): void {
    this.mediaCame()
    this.returned()
  }
}
