import type { CandidateId } from '../failover/candidate.ts'

/** One way in which a stream takes in its sources: as one continuous stream, or playlist by playlist. */
export interface Leg {
  putOnAir(id: CandidateId, epoch: number, delayMs: number, keepCurrent: boolean): void
  stop(): void
}

/** A leg, and whether anybody needs what it brings. */
export interface LegInUse {
  readonly leg: Leg
  readonly isWanted: () => boolean
  /** It has been stopped because nobody needed it. */
  readonly onIdle: () => void
}

interface OnAir {
  readonly id: CandidateId
  readonly epoch: number
}

/** The legs of one stream: all that are needed have the same source on air. */
export class StreamLegs {
  readonly #legs: readonly LegInUse[]
  readonly #running = new Set<Leg>()
  #onAir: OnAir | undefined

  constructor(legs: readonly LegInUse[]) {
    this.#legs = legs
  }

  get isAnyWanted(): boolean {
    return this.#legs.some(({ isWanted }) => isWanted())
  }

  /** Whether a leg runs that nobody needs any more. */
  get isAnyIdle(): boolean {
    return this.#legs.some(({ leg, isWanted }) => this.#running.has(leg) && !isWanted())
  }

  isRunning(leg: Leg): boolean {
    return this.#running.has(leg)
  }

  putOnAir(id: CandidateId, epoch: number, delayMs: number, keepCurrent: boolean): void {
    this.#onAir = { id, epoch }
    for (const { leg, isWanted } of this.#legs) {
      if (!isWanted() && !this.#running.has(leg)) continue
      this.#running.add(leg)
      leg.putOnAir(id, epoch, delayMs, keepCurrent)
    }
  }

  /** Starts what has become needed, on the source that is on air. */
  startWanted(): void {
    const onAir = this.#onAir
    if (onAir === undefined) return
    for (const { leg, isWanted } of this.#legs) {
      if (!isWanted() || this.#running.has(leg)) continue
      this.#running.add(leg)
      leg.putOnAir(onAir.id, onAir.epoch, 0, false)
    }
  }

  /** Stops what nobody needs. */
  stopIdle(): void {
    for (const { leg, isWanted, onIdle } of this.#legs) {
      if (isWanted() || !this.#running.delete(leg)) continue
      leg.stop()
      onIdle()
    }
  }

  stop(): void {
    this.#onAir = undefined
    for (const { leg } of this.#legs) leg.stop()
    this.#running.clear()
  }
}
