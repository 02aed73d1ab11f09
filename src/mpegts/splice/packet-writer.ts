import { PACKET_BYTES } from '../packet.ts'
import type { SpliceSink } from './splice-sink.ts'

/** The sink is called at the latest when this much has gathered. */
const OUTPUT_BYTES = 1_024 * PACKET_BYTES

/**
 * Gathers the packets that go out, copying neighbours in one go, and hands them to the sink: at most one join offset a
 * call, and it is 0.
 */
export class PacketWriter {
  readonly #output = Buffer.allocUnsafeSlow(OUTPUT_BYTES)
  #bytes = 0
  #isJoin = false
  #sink: SpliceSink | undefined
  /** Packets of `#source[#runFrom, #runTo)` go out but are not copied yet. */
  #source: Buffer = this.#output
  #runFrom = 0
  #runTo = 0

  /** Everything until `close` goes to this sink. */
  open(sink: SpliceSink): void {
    this.#sink = sink
  }

  /** Hands over what was gathered. */
  close(): void {
    this.#flush()
    this.#sink = undefined
    this.#source = this.#output
  }

  /** What comes next is a random access point with its tables in front. */
  markJoin(): void {
    this.#flush()
    this.#isJoin = true
  }

  /** Sends the packet at `at`; it must stay as it is until the next `write`, `settle` or `close`. */
  keep(source: Buffer, at: number): void {
    if (source === this.#source && at === this.#runTo && this.#runTo - this.#runFrom < OUTPUT_BYTES) {
      this.#runTo += PACKET_BYTES
      return
    }
    this.settle()
    this.#source = source
    this.#runFrom = at
    this.#runTo = at + PACKET_BYTES
  }

  /** Sends whole packets that the caller changes afterwards. */
  write(packets: Buffer): void {
    this.settle()
    this.#copy(packets, 0, packets.length)
  }

  /** Copies what was kept, so that its memory may change. */
  settle(): void {
    if (this.#runTo === this.#runFrom) return
    this.#copy(this.#source, this.#runFrom, this.#runTo)
    this.#runFrom = 0
    this.#runTo = 0
  }

  #copy(source: Buffer, from: number, to: number): void {
    if (to - from > OUTPUT_BYTES - this.#bytes) this.#emit()
    this.#bytes += source.copy(this.#output, this.#bytes, from, to)
  }

  #flush(): void {
    this.settle()
    this.#emit()
  }

  #emit(): void {
    if (this.#bytes === 0) return
    const data = this.#output.subarray(0, this.#bytes)
    const joinOffsets = this.#isJoin ? [0] : []
    this.#bytes = 0
    this.#isJoin = false
    this.#sink?.packets(data, joinOffsets)
  }
}
