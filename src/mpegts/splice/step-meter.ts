/** Steps that are remembered: enough for the pattern of a film at 24 pictures on a 60 Hz clock. */
const STEPS_MAX = 9

/** The usual step between the timestamps of a stream: the median of the last nine, in the unit of the steps. */
export class StepMeter {
  readonly #steps: number[] = []
  #next = 0

  observe(step: number): void {
    this.#steps[this.#next] = step
    this.#next = (this.#next + 1) % STEPS_MAX
  }

  /** Begins anew with one known step. */
  restart(step: number): void {
    this.#steps.length = 0
    this.#next = 0
    this.observe(step)
  }

  /** Undefined before the first step. */
  get usual(): number | undefined {
    const sorted = this.#steps.toSorted((left, right) => left - right)
    return sorted[sorted.length >>> 1]
  }
}
