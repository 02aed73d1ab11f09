import type { Clock } from '../../lib/clock.ts'

/** A time at which its owner is called, unless it is moved before. */
export class Deadline {
  /** `nowMs` of the clock; Infinity while nothing is due. Set by the wheel. */
  dueMs = Number.POSITIVE_INFINITY
  /** The slot it waits in, or -1. */
  slot = -1
  /** When that slot comes round next. */
  slotMs = Number.POSITIVE_INFINITY
  readonly onDue: () => void

  constructor(onDue: () => void) {
    this.onDue = onDue
  }
}

const TICK_MS = 10
const SLOTS = 1_024

/**
 * Deadlines of thousands of connections on one timer (a hashed wheel). Moving a deadline to later, which is what nearly
 * every piece of data does, only stores a number: the wheel looks again when the old slot comes round. A deadline is never
 * called early and at most two ticks (20 ms) late.
 */
export class TimerWheel {
  readonly #clock: Clock
  readonly #slots: Set<Deadline>[] = Array.from({ length: SLOTS }, () => new Set())
  #waiting = 0
  #tick: number
  #isTicking = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.#tick = tickOf(clock.nowMs())
  }

  /** Deadlines in the wheel, those that were disarmed and not yet swept out included. */
  get size(): number {
    return this.#waiting
  }

  /** Calls the deadline in `ms`, instead of at whatever time it was armed for. */
  arm(deadline: Deadline, ms: number): void {
    const nowMs = this.#clock.nowMs()
    deadline.dueMs = nowMs + ms
    if (deadline.slot >= 0) {
      if (deadline.dueMs >= deadline.slotMs - TICK_MS) return
      this.#remove(deadline)
    }
    if (this.#waiting === 0) this.#tick = tickOf(nowMs)
    this.#insert(deadline)
    this.#schedule()
  }

  /** The deadline is not called any more. */
  disarm(deadline: Deadline): void {
    deadline.dueMs = Number.POSITIVE_INFINITY
  }

  /** As `disarm`, and forgets it at once: for owners that are gone. */
  remove(deadline: Deadline): void {
    deadline.dueMs = Number.POSITIVE_INFINITY
    if (deadline.slot >= 0) this.#remove(deadline)
  }

  #insert(deadline: Deadline): void {
    const tick = Math.max(this.#tick + 1, tickOf(deadline.dueMs) + 1)
    deadline.slot = tick % SLOTS
    // A deadline beyond one turn of the wheel is looked at once a turn.
    deadline.slotMs = tick * TICK_MS
    this.#slots[deadline.slot]?.add(deadline)
    this.#waiting += 1
  }

  #remove(deadline: Deadline): void {
    if (this.#slots[deadline.slot]?.delete(deadline) === true) this.#waiting -= 1
    deadline.slot = -1
  }

  readonly #onTick = (): void => {
    this.#isTicking = false
    const nowMs = this.#clock.nowMs()
    const until = tickOf(nowMs)
    // After a pause of the process longer than a turn every slot is due once.
    let tick = Math.max(this.#tick, until - SLOTS)
    while (tick < until) {
      tick += 1
      this.#tick = tick
      this.#sweep(tick % SLOTS, nowMs)
    }
    if (this.#waiting > 0) this.#schedule()
  }

  #schedule(): void {
    if (this.#isTicking) return
    this.#isTicking = true
    this.#clock.schedule(TICK_MS, this.#onTick)
  }

  #sweep(slot: number, nowMs: number): void {
    const entries = this.#slots[slot]
    if (entries === undefined || entries.size === 0) return
    for (const deadline of [...entries]) {
      if (deadline.slot !== slot || (deadline.slotMs > nowMs && deadline.dueMs > nowMs)) continue
      this.#remove(deadline)
      if (deadline.dueMs === Number.POSITIVE_INFINITY) continue
      if (deadline.dueMs > nowMs) this.#insert(deadline)
      else {
        deadline.dueMs = Number.POSITIVE_INFINITY
        deadline.onDue()
      }
    }
  }
}

function tickOf(nowMs: number): number {
  return Math.floor(nowMs / TICK_MS)
}
