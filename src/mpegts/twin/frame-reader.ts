import type { Codec } from '../elementary-stream.ts'
import { AUDIO_HEADER_BYTES, hasReadableFrames, readAudioFrame } from '../splice/audio-frame.ts'
import { NO_TIMESTAMP, wrapTimestamp } from '../splice/timestamp.ts'
import { UnitHash } from './unit-hash.ts'

/** More than one frame and one unit of any codec. */
const BUFFER_BYTES = 64 * 1_024

/** Takes a unit: the hash of what it carries and its DTS in the source's time, 90 kHz. */
export type UnitSink = (hash: number, dts: number) => void

/** Cuts audio into frames, however a multiplexer has put them into PES packets, and hashes them. */
export class FrameReader {
  readonly #codec: Codec
  readonly #sink: UnitSink
  readonly #hash = new UnitHash()
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
  #bytes = 0
  /** Where in the buffer the latest PES packet begins, whose timestamp the next frame from there on has. */
  #markAt = 0
  #markPts = NO_TIMESTAMP
  /** PTS of the next frame; NO_TIMESTAMP while it cannot be told. */
  #pts = NO_TIMESTAMP

  constructor(codec: Codec, sink: UnitSink) {
    this.#codec = codec
    this.#sink = sink
  }

  /** A PES packet with this PTS begins. */
  beginUnit(pts: number): void {
    if (!hasReadableFrames(this.#codec)) this.#endWholeUnit()
    this.#markAt = this.#bytes
    this.#markPts = pts
  }

  /** Takes the next bytes of the elementary stream, `bytes[from, to)`. */
  push(bytes: Buffer, from: number, to: number): void {
    if (this.#bytes + to - from > BUFFER_BYTES) this.lose()
    this.#bytes += bytes.copy(this.#buffer, this.#bytes, from, Math.min(to, from + BUFFER_BYTES))
    if (hasReadableFrames(this.#codec)) this.#readFrames()
  }

  /** Bytes are missing here. */
  lose(): void {
    this.#bytes = 0
    this.#markAt = 0
    this.#markPts = NO_TIMESTAMP
    this.#pts = NO_TIMESTAMP
  }

  #readFrames(): void {
    let at = 0
    while (at + AUDIO_HEADER_BYTES <= this.#bytes) {
      if (this.#markPts !== NO_TIMESTAMP && at >= this.#markAt) {
        this.#pts = this.#markPts
        this.#markPts = NO_TIMESTAMP
      }
      const frame = readAudioFrame(this.#codec, this.#buffer, at)
      if (frame === undefined) {
        at += 1
        // What follows is in no known time until the next PES packet begins.
        if (this.#pts !== NO_TIMESTAMP && at > this.#markAt) this.#pts = NO_TIMESTAMP
        continue
      }
      if (at + frame.bytes > this.#bytes) break
      this.#sendFrame(at, at + frame.bytes)
      if (this.#pts !== NO_TIMESTAMP) this.#pts += frame.ticks
      at += frame.bytes
    }
    this.#buffer.copyWithin(0, at, this.#bytes)
    this.#bytes -= at
    this.#markAt = Math.max(0, this.#markAt - at)
  }

  #endWholeUnit(): void {
    this.#pts = this.#markPts
    if (this.#bytes > 0) this.#sendFrame(0, this.#bytes)
    this.#bytes = 0
  }

  #sendFrame(from: number, to: number): void {
    if (this.#pts === NO_TIMESTAMP) return
    this.#hash.begin('unknown')
    this.#hash.push(this.#buffer, from, to)
    const { value } = this.#hash
    if (value !== undefined) this.#sink(value, wrapTimestamp(Math.round(this.#pts)))
  }
}
