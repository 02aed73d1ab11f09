import { thresholds } from './thresholds.ts'

/** Cycles of up to this many groups of pictures are found. */
const GROUPS_KEPT = thresholds.looping.groupsMax
/** A cycle has come three times when everything in it was met again twice. */
const REPEATS = thresholds.looping.repeats - 1
const HASH_SEED = 0x811c9dc5
const HASH_PRIME = 0x01000193
/** A group of fewer pictures is no evidence: keyframe-only sources repeat themselves by nature. */
const PICTURES_MIN = 3

/**
 * Finds groups of pictures that come again and again. A picture is known by its size and its last four bytes, which no
 * multiplexer changes: hashing all of it would cost more than everything else together.
 */
export class LoopWatch {
  readonly #groups = new Int32Array(GROUPS_KEPT)
  #count = 0
  #hash = HASH_SEED
  #pictures = 0
  #cycleGroups = 0
  #matches = 0
  #sinceMs = 0

  /** A picture of `bytes` that ended with the four bytes `tail`. */
  pictureEnded(bytes: number, tail: number): void {
    this.#hash = Math.imul(this.#hash ^ bytes, HASH_PRIME)
    this.#hash = Math.imul(this.#hash ^ tail, HASH_PRIME)
    this.#hash ^= this.#hash >>> 15
    this.#pictures += 1
  }

  /** The next picture is a keyframe. */
  groupEnded(nowMs: number): void {
    const hash = this.#hash
    const isEvidence = this.#pictures >= PICTURES_MIN
    this.#hash = HASH_SEED
    this.#pictures = 0
    const isRepeat = isEvidence && this.#cycleGroups > 0 && this.#groupBefore(this.#cycleGroups) === hash
    if (isRepeat) this.#matches += 1
    else this.#findCycle(isEvidence, hash, nowMs)
    this.#groups[this.#count % GROUPS_KEPT] = hash
    this.#count += 1
  }

  get isLooping(): boolean {
    return this.#cycleGroups > 0 && this.#matches >= REPEATS * this.#cycleGroups
  }

  get cycleGroups(): number {
    return this.#cycleGroups
  }

  /** When the first repeated group ended. */
  get sinceMs(): number {
    return this.#sinceMs
  }

  #findCycle(isEvidence: boolean, hash: number, nowMs: number): void {
    this.#cycleGroups = 0
    this.#matches = 0
    if (!isEvidence) return
    const reach = Math.min(this.#count, GROUPS_KEPT)
    for (let back = 1; back <= reach; back += 1) {
      if (this.#groupBefore(back) !== hash) continue
      this.#cycleGroups = back
      this.#matches = 1
      this.#sinceMs = nowMs
      return
    }
  }

  #groupBefore(back: number): number | undefined {
    return back > this.#count ? undefined : this.#groups[(this.#count - back) % GROUPS_KEPT]
  }
}
