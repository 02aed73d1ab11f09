/** Answers that are remembered. */
const SAMPLES_MAX = 256
/** Below this many nothing is said: a few answers are no percentile. */
const SAMPLES_MIN = 32
/** The percentile is worked out again after so many more answers. */
const SAMPLES_PER_UPDATE = 32

/** How long the latest answers took, and the 95th percentile of that. */
export class LatencyWindow {
  readonly #samplesMs = new Float64Array(SAMPLES_MAX)
  #count = 0
  #p95Ms: number | undefined

  add(ms: number): void {
    this.#samplesMs[this.#count % SAMPLES_MAX] = ms
    this.#count += 1
    if (this.#count >= SAMPLES_MIN && this.#count % SAMPLES_PER_UPDATE === 0) this.#update()
  }

  /** Milliseconds within which 95 of 100 answers came; undefined while too few are known. */
  get p95Ms(): number | undefined {
    return this.#p95Ms
  }

  #update(): void {
    const sorted = this.#samplesMs.slice(0, Math.min(this.#count, SAMPLES_MAX)).toSorted()
    this.#p95Ms = sorted[Math.ceil(sorted.length * 0.95) - 1]
  }
}
