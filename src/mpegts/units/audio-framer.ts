import type { Codec } from '../elementary-stream.ts'
import { AUDIO_HEADER_BYTES, readAudioFrame } from '../splice/audio-frame.ts'

/** More than one frame and one transport packet of any codec. */
const BUFFER_BYTES = 64 * 1_024

/** Takes a frame: `bytes[from, to)`, valid during the call, its PTS (not rounded) and its duration in 90 kHz ticks; 0 for one that adds to the one before. */
export type FrameListener = (bytes: Buffer, from: number, to: number, pts: number, ticks: number) => void

/** Cuts audio into frames, however a multiplexer has put them into PES packets. A frame whose time cannot be told is left out. Bounded. */
export class AudioFramer {
  readonly #codec: Codec
  readonly #listener: FrameListener
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
  #bytes = 0
  /** Where in the buffer the latest PES packet begins, whose timestamp the next frame from there on has. */
  #markAt = 0
  #markPts: number | undefined
  /** PTS of the next frame; undefined while it cannot be told. */
  #pts: number | undefined

  constructor(codec: Codec, listener: FrameListener) {
    this.#codec = codec
    this.#listener = listener
  }

  /** A PES packet with this PTS begins; undefined for one without. */
  beginPacket(pts: number | undefined): void {
    this.#markAt = this.#bytes
    this.#markPts = pts
  }

  /** Takes the next bytes of the elementary stream, `bytes[from, to)`. */
  push(bytes: Buffer, from: number, to: number): void {
    for (let at = from; at < to;) {
      if (this.#bytes === BUFFER_BYTES) this.lose()
      const taken = Math.min(to - at, BUFFER_BYTES - this.#bytes)
      this.#bytes += bytes.copy(this.#buffer, this.#bytes, at, at + taken)
      at += taken
      this.#readFrames()
    }
  }

  /** Bytes are missing here. */
  lose(): void {
    this.#bytes = 0
    this.#markAt = 0
    this.#markPts = undefined
    this.#pts = undefined
  }

  #readFrames(): void {
    let at = 0
    while (at + AUDIO_HEADER_BYTES <= this.#bytes) {
      if (this.#markPts !== undefined && at >= this.#markAt) {
        this.#pts = this.#markPts
        this.#markPts = undefined
      }
      const frame = readAudioFrame(this.#codec, this.#buffer, at)
      if (frame === undefined) {
        at += 1
        // What follows is in no known time until the next PES packet begins.
        if (at > this.#markAt) this.#pts = undefined
        continue
      }
      if (at + frame.bytes > this.#bytes) break
      if (this.#pts !== undefined) {
        this.#listener(this.#buffer, at, at + frame.bytes, this.#pts, frame.ticks)
        this.#pts += frame.ticks
      }
      at += frame.bytes
    }
    this.#buffer.copyWithin(0, at, this.#bytes)
    this.#bytes -= at
    this.#markAt = Math.max(0, this.#markAt - at)
  }
}
