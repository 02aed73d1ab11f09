import {
  continuityCounterOf,
  hasAdaptationField,
  hasDiscontinuityIndicator,
  hasPayload,
  hasPcr,
  PACKET_BYTES,
} from '../packet.ts'

/** What the continuity counter says of a packet (ISO/IEC 13818-1 §2.4.3.3). */
export type Continuity =
  | { readonly kind: 'first' | 'expected' | 'announced' | 'duplicate' }
  /** `lost` is what the counter tells, 1 to 15; 0 where it tells nothing. */
  | { readonly kind: 'error'; readonly detail: string; readonly lost: number }

const FIRST: Continuity = { kind: 'first' }
const EXPECTED: Continuity = { kind: 'expected' }
const ANNOUNCED: Continuity = { kind: 'announced' }
const DUPLICATE: Continuity = { kind: 'duplicate' }
/** Bytes of adaptation field up to the end of a PCR: a duplicate's PCR may differ. */
const PCR_FIRST_BYTE = 6
const PCR_END_BYTE = 12

/** Follows the counter of one PID. Holds one packet. */
export class ContinuityWatch {
  readonly #last = Buffer.allocUnsafeSlow(PACKET_BYTES)
  #counter = -1
  #hasLast = false
  #duplicates = 0

  observe(buffer: Buffer, at: number): Continuity {
    const counter = continuityCounterOf(buffer, at)
    const before = this.#counter
    this.#counter = counter
    const isAnnounced = hasAdaptationField(buffer, at) && hasDiscontinuityIndicator(buffer, at)
    if (!hasPayload(buffer, at)) {
      if (before < 0) return FIRST
      if (counter === before) return EXPECTED
      return isAnnounced ? ANNOUNCED : error(`counter ${counter} without payload, ${before} expected`, 0)
    }
    const isRepeat = this.#hasLast && counter === before && this.#isSame(buffer, at)
    buffer.copy(this.#last, 0, at, at + PACKET_BYTES)
    this.#hasLast = true
    if (before < 0) return FIRST
    if (isRepeat) {
      this.#duplicates += 1
      return this.#duplicates === 1 ? DUPLICATE : error('the same packet more than twice', 0)
    }
    this.#duplicates = 0
    const expected = (before + 1) & 0x0f
    if (counter === expected) return EXPECTED
    if (isAnnounced) return ANNOUNCED
    return error(`counter ${counter}, ${expected} expected`, (counter - expected) & 0x0f)
  }

  /** A packet came whose counter cannot be trusted. */
  forget(): void {
    this.#counter = -1
    this.#hasLast = false
  }

  /** Whether the packet is the last one again; only its PCR may differ. */
  #isSame(buffer: Buffer, at: number): boolean {
    if (!hasPcr(buffer, at)) return this.#last.compare(buffer, at, at + PACKET_BYTES) === 0
    const head = this.#last.compare(buffer, at + 1, at + PCR_FIRST_BYTE, 1, PCR_FIRST_BYTE) === 0
    return head && this.#last.compare(buffer, at + PCR_END_BYTE, at + PACKET_BYTES, PCR_END_BYTE) === 0
  }
}

function error(detail: string, lost: number): Continuity {
  return { kind: 'error', detail, lost }
}
