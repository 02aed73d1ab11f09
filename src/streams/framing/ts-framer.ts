import { TsIndexer, UNDECIDED_BYTES_MAX } from '../../mpegts/indexer.ts'
import { PACKET_BYTES } from '../../mpegts/packet.ts'
import { Packetiser } from '../../mpegts/packetiser.ts'
import type { FrameCounters, Framer, FrameSink } from './framing.ts'

/**
 * MPEG-TS: whole 188-byte packets; a viewer can begin at the packet that starts a keyframe's PES packet (of the audio
 * when there is no video), behind the PAT and PMT packets that came last before it. Packets of which it is not known yet
 * whether they begin a keyframe are held back, at most 48 KB.
 */
export class TsFramer implements Framer {
  readonly container = 'mpegts'
  readonly #packetiser = new Packetiser()
  readonly #indexer = new TsIndexer()
  readonly #held = Buffer.allocUnsafeSlow(UNDECIDED_BYTES_MAX)
  readonly #joinOffsets: number[] = []
  #heldBytes = 0
  #sink: FrameSink | undefined
  readonly #onRun = (run: Buffer) => this.#frame(run)

  push(chunk: Buffer, sink: FrameSink): void {
    this.#sink = sink
    this.#packetiser.push(chunk, this.#onRun)
    this.#sink = undefined
  }

  preamble(): Buffer {
    return this.#indexer.preamble()
  }

  get mediaSeen(): boolean {
    return this.#indexer.mediaSeen
  }

  get mediaMs(): number | undefined {
    return this.#indexer.mediaMs
  }

  get counters(): FrameCounters {
    const { packets, continuityErrors, transportErrors, scrambledPackets } = this.#indexer.counters
    const { skippedBytes } = this.#packetiser
    return { skippedBytes, units: packets, continuityErrors, transportErrors, scrambledPackets }
  }

  #frame(run: Buffer): void {
    let rest = run
    // A call that reads nothing has emptied the list of join points, so the next one reads at least a packet.
    while (rest.length >= PACKET_BYTES) {
      const read = this.#indexer.index(rest)
      this.#emit(rest.subarray(0, read))
      rest = rest.subarray(read)
    }
  }

  /** Hands on the held packets and `read` as far as they are decided, and holds the rest. */
  #emit(read: Buffer): void {
    const { undecidedBytes } = this.#indexer
    // What is held begins with the packet in question, so it is decided all at once.
    const decidedBytes = Math.max(0, read.length - undecidedBytes)
    if (undecidedBytes <= read.length) {
      if (this.#heldBytes > 0) this.#hand(this.#held.subarray(0, this.#heldBytes), -this.#heldBytes)
      if (decidedBytes > 0) this.#hand(read.subarray(0, decidedBytes), 0)
      this.#heldBytes = 0
    }
    this.#heldBytes += read.copy(this.#held, this.#heldBytes, decidedBytes)
  }

  /** `data` begins at `start` in the indexer's count of offsets. */
  #hand(data: Buffer, start: number): void {
    this.#joinOffsets.length = 0
    for (const point of this.#indexer.joinPoints) {
      if (point >= start && point < start + data.length) this.#joinOffsets.push(point - start)
    }
    this.#sink?.packets(data, this.#joinOffsets)
  }
}
