import { BitRateFloorWatch } from './bit-rate-watch.ts'
import { checks } from './checks.ts'
import { CONDITIONS } from './conditions.ts'
import type { Action, Condition, DetectionPolicy, Finding, Symptom } from './conditions.ts'
import type { Content } from './content-checks.ts'
import type { ContentPids } from './content-watch.ts'
import { PacketObserver } from './packet-observer.ts'
import { RealTimeFactor } from './real-time-factor.ts'

/** A condition that comes and goes is told again after this. */
const WARNING_REPEAT_MS = 60_000

interface Held {
  readonly symptom: Symptom
  readonly detectedMs: number
}

/**
 * Watches one session of one MPEG-TS source and says which conditions hold. Pure: time comes in with the packets.
 * Memory is bounded whatever comes.
 */
export class SourceMonitor {
  readonly #policy: DetectionPolicy
  readonly #packets = new PacketObserver()
  readonly #realTime = new RealTimeFactor()
  readonly #bitRateFloor: BitRateFloorWatch | undefined
  readonly #content: Content | undefined
  readonly #held = new Map<Condition, Held>()
  readonly #warnedMs = new Map<Condition, number>()

  /** `content` is what is known by decoding; it is judged with the packets that come after it. */
  constructor(policy: DetectionPolicy, content?: Content) {
    this.#policy = policy
    this.#content = content
    this.#bitRateFloor = policy.bitRateFloor === undefined ? undefined : new BitRateFloorWatch(policy.bitRateFloor)
  }

  /**
   * Reads a run of whole packets. `nowMs` is monotonic; `joinOffsets` are the framer's: where keyframes begin. Returns
   * whether there was media in it: padding and tables alone are no sign of life.
   */
  observe(packets: Buffer, nowMs: number, joinOffsets?: readonly number[]): boolean {
    const isAlive = this.#packets.observe(packets, nowMs, joinOffsets)
    const { elapsedMs: mediaMs, jumps } = this.#packets.pcrClock
    if (mediaMs !== undefined) this.#realTime.arrived(mediaMs, jumps, nowMs)
    this.#bitRateFloor?.arrived(this.#packets.runBytes, nowMs)
    this.#judge(nowMs)
    return isAlive
  }

  /** What a decoder of this source needs; undefined until its programme is known. */
  get contentPids(): ContentPids | undefined {
    return this.#packets.contentPids
  }

  /** Media time in ms: see `ProgressClock`. */
  get mediaMs(): number {
    return this.#packets.clock.ms
  }

  /** Reading was paused on purpose until now: that time is not the source's. */
  resumed(nowMs: number): void {
    this.#realTime.resumed()
    this.#bitRateFloor?.resumed(nowMs)
  }

  /** Why the source should be left, if it should: the condition that explains the others comes first. */
  verdict(): Finding | undefined {
    if (this.#held.size === 0) return undefined
    return this.findings().find(({ action }) => action === 'fail')
  }

  /** Every condition that holds and is not off, in the order of the table. */
  findings(): readonly Finding[] {
    return CONDITIONS.flatMap((condition) => {
      const held = this.#held.get(condition)
      if (held === undefined) return []
      const action = this.#actionOn(condition, held.symptom)
      if (action === 'off') return []
      const { sinceMs, message, evidence, reason = condition } = held.symptom
      return [{ condition, reason, action, sinceMs, detectedMs: held.detectedMs, message, evidence }]
    })
  }

  /** Findings to tell that do not fail the source; each condition at most once a minute. */
  takeWarnings(nowMs: number): readonly Finding[] {
    if (this.#held.size === 0) return []
    return this.findings().filter(({ condition, action, detectedMs }) => {
      const toldMs = this.#warnedMs.get(condition) ?? Number.NEGATIVE_INFINITY
      if (action !== 'warn' || toldMs >= detectedMs || nowMs - toldMs < WARNING_REPEAT_MS) return false
      this.#warnedMs.set(condition, nowMs)
      return true
    })
  }

  #judge(nowMs: number): void {
    const observed = {
      packets: this.#packets,
      realTime: this.#realTime,
      bitRateFloor: this.#bitRateFloor,
      content: this.#content,
      nowMs,
    }
    for (const condition of CONDITIONS) {
      const symptom = checks[condition](observed)
      if (symptom !== undefined) {
        const heldMs = this.#held.get(condition)?.detectedMs
        // The symptom anew each time: it may have become more severe, or have begun anew, as when one table came back and
        // another is missing since.
        const detectedMs = heldMs === undefined || symptom.sinceMs > heldMs ? nowMs : heldMs
        this.#held.set(condition, { symptom, detectedMs })
      } else if (this.#held.size > 0) this.#held.delete(condition)
    }
  }

  /** The chosen action, softened where leaving the source would make nothing better. */
  #actionOn(condition: Condition, { severity, isLoss }: Symptom): Action {
    const chosen = this.#policy.actionOf(condition)
    if (chosen === 'off') return 'off'
    const wanted = severity === 'fail' ? 'fail' : severity === 'at_most_warn' ? 'warn' : chosen
    return wanted === 'fail' && !isLoss && !this.#policy.hasAlternative(condition) ? 'warn' : wanted
  }
}
