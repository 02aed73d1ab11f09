import type { Codec } from '../elementary-stream.ts'
import { hasReadableFrames } from '../splice/audio-frame.ts'
import { NO_TIMESTAMP, wrapTimestamp } from '../splice/timestamp.ts'
import { AudioFramer } from '../units/audio-framer.ts'
import { UnitHash } from './unit-hash.ts'

/** More than one unit of any codec. */
const BUFFER_BYTES = 64 * 1_024

/** Takes a unit: the hash of what it carries and its DTS in the source's time, 90 kHz. */
export type UnitSink = (hash: number, dts: number) => void

/** Hashes the frames of audio; where they cannot be told apart, what each PES packet carries. */
export class FrameReader {
  readonly #sink: UnitSink
  readonly #hash = new UnitHash()
  readonly #framer: AudioFramer | undefined
  /** Of codecs without readable frames: the PES packet in progress. */
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
  #bytes = 0
  #pts = NO_TIMESTAMP

  constructor(codec: Codec, sink: UnitSink) {
    this.#sink = sink
    this.#framer = hasReadableFrames(codec)
      ? new AudioFramer(codec, (bytes, from, to, pts) => this.#sendFrame(bytes, from, to, pts))
      : undefined
  }

  /** A PES packet with this PTS begins. */
  beginUnit(pts: number): void {
    if (this.#framer !== undefined) {
      this.#framer.beginPacket(pts)
      return
    }
    if (this.#bytes > 0 && this.#pts !== NO_TIMESTAMP) this.#sendFrame(this.#buffer, 0, this.#bytes, this.#pts)
    this.#bytes = 0
    this.#pts = pts
  }

  /** Takes the next bytes of the elementary stream, `bytes[from, to)`. */
  push(bytes: Buffer, from: number, to: number): void {
    if (this.#framer !== undefined) {
      this.#framer.push(bytes, from, to)
      return
    }
    if (this.#bytes + to - from > BUFFER_BYTES) this.lose()
    this.#bytes += bytes.copy(this.#buffer, this.#bytes, from, Math.min(to, from + BUFFER_BYTES))
  }

  /** Bytes are missing here. */
  lose(): void {
    this.#framer?.lose()
    this.#bytes = 0
    this.#pts = NO_TIMESTAMP
  }

  #sendFrame(bytes: Buffer, from: number, to: number, pts: number): void {
    this.#hash.begin('unknown')
    this.#hash.push(bytes, from, to)
    const { value } = this.#hash
    if (value !== undefined) this.#sink(value, wrapTimestamp(Math.round(pts)))
  }
}
