import type { ElementaryStream } from '../elementary-stream.ts'
import { hasRandomAccessIndicator, PACKET_BYTES, payloadOffset } from '../packet.ts'
import { PacketContinuity } from '../packet-continuity.ts'
import { hasReadableFrames } from '../splice/audio-frame.ts'
import { makePesHeader, readPesHeader } from '../splice/pes-header.ts'
import { timestampStep } from '../splice/timestamp.ts'
import type { UnitListener } from './access-unit.ts'
import { AudioUnits } from './audio-units.ts'
import { PesGatherer } from './pes-gatherer.ts'
import type { UnwrappedTimeline } from './timeline.ts'
import { VideoUnits } from './video-units.ts'

/** The access units of one PID. */
export class StreamUnits {
  readonly stream: ElementaryStream
  readonly #timeline: UnwrappedTimeline
  readonly #listener: UnitListener
  readonly #gatherer = new PesGatherer()
  readonly #header = makePesHeader()
  readonly #video: VideoUnits | undefined
  readonly #audio: AudioUnits | undefined
  readonly #continuity = new PacketContinuity()

  constructor(stream: ElementaryStream, timeline: UnwrappedTimeline, listener: UnitListener) {
    this.stream = stream
    this.#timeline = timeline
    this.#listener = listener
    this.#video = stream.kind === 'video' ? new VideoUnits(stream, listener) : undefined
    this.#audio = hasReadableFrames(stream.codec) ? new AudioUnits(stream, listener) : undefined
  }

  /** Takes the packet at `at`. */
  push(packets: Buffer, at: number): void {
    const control = packets[at + 3] ?? 0
    if ((control & 0x10) === 0) return
    const continuity = this.#continuity.take(packets, at)
    if (continuity === 'repeated') return
    if (continuity === 'lost') this.#lose()
    // What is scrambled cannot be read.
    if ((control & 0xc0) !== 0) return this.#lose()
    const end = at + PACKET_BYTES
    const from = payloadOffset(packets, at)
    if (((packets[at + 1] ?? 0) & 0x40) === 0) {
      this.#gatherer.push(packets, from, end)
    } else if (this.#isContinuation(packets, from, end) && this.#gatherer.extend()) {
      this.#gatherer.push(packets, this.#header.dataAt, end)
      return
    } else {
      this.#finishPacket()
      this.#gatherer.begin(hasRandomAccessIndicator(packets, at))
      this.#gatherer.push(packets, from, end)
    }
    // A picture waits for what follows, which may belong to it.
    if (this.#video === undefined && this.#gatherer.isComplete) this.#finishPacket()
  }

  /** Nothing more comes: gives what is held back. */
  flush(): void {
    this.#finishPacket()
    this.#video?.flush()
    this.#audio?.flush()
  }

  #lose(): void {
    this.#gatherer.abandon()
    this.#video?.lose()
    this.#audio?.lose()
  }

  /** A PES packet of video without a timestamp goes on with the picture before it. */
  #isContinuation(packets: Buffer, from: number, end: number): boolean {
    if (this.#video === undefined) return false
    return readPesHeader(packets, from, end, this.#header) === 'whole' && this.#header.ptsAt < 0
  }

  #finishPacket(): void {
    const packet = this.#gatherer.packet
    if (packet === undefined) return
    const isFlagged = this.#gatherer.isFlagged
    const header = this.#header
    const isWhole = readPesHeader(packet, 0, packet.length, header) === 'whole'
    this.#gatherer.abandon()
    if (!isWhole || header.dataAt >= packet.length) return
    if (header.ptsAt < 0) {
      this.#audio?.push(packet, header.dataAt, packet.length, undefined)
      return
    }
    const dts = this.#timeline.unwrap(header.dts)
    const pts = dts + timestampStep(header.pts, header.dts)
    if (this.#video !== undefined) this.#video.push(packet, header.dataAt, packet.length, pts, dts, isFlagged)
    else if (this.#audio !== undefined) this.#audio.push(packet, header.dataAt, packet.length, pts)
    else this.#emitWhole(packet.subarray(header.dataAt), pts, dts)
  }

  #emitWhole(data: Buffer, pts: number, dts: number): void {
    this.#listener({ stream: this.stream, pts, dts, isRandomAccess: true, data, nals: [] })
  }
}
