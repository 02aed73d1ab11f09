import type { Codec } from '../elementary-stream.ts'
import { AUDIO_HEADER_BYTES, readAudioFrame } from './audio-frame.ts'

/**
 * Measures how long the audio of a unit lasts while its packets pass, by stepping from frame header to frame header.
 * Frames need not be aligned with units: one counts for the unit in which it begins (ISO/IEC 13818-1 §2.4.3.7).
 */
export class AudioMeter {
  readonly #header = Buffer.alloc(2 * AUDIO_HEADER_BYTES)
  #headerBytes = 0
  #skipBytes = 0
  #isLost = true
  #ticks = 0
  #frameTicks = 0
  readonly #latest = Buffer.alloc(AUDIO_HEADER_BYTES)

  /** Duration of the frames that began since `beginUnit`, in 90 kHz ticks; undefined when they could not be told. */
  get unitTicks(): number | undefined {
    const ticks = this.#ticks + this.#begunTicks
    return this.#isLost || ticks <= 0 ? undefined : ticks
  }

  /** The bytes so far end inside a frame. */
  get isMidFrame(): boolean {
    return !this.#isLost && (this.#skipBytes > 0 || this.#headerBytes > 0)
  }

  /** Duration of the latest frame, 0 before the first. */
  get frameTicks(): number {
    return this.#frameTicks
  }

  /** The first AUDIO_HEADER_BYTES of the latest frame, zeros before the first. */
  get header(): Buffer {
    return this.#latest
  }

  /** Forgets where the last frame ends: what follows begins elsewhere. */
  reset(): void {
    this.#isLost = true
  }

  /** A unit begins; its data comes next. */
  beginUnit(): void {
    this.#ticks = -this.#begunTicks
    if (!this.#isLost) return
    this.#isLost = false
    this.#ticks = 0
    this.#headerBytes = 0
    this.#skipBytes = 0
  }

  /** A frame of which only a part of the header has come: it lasts as long as the one before. */
  get #begunTicks(): number {
    return this.#headerBytes > 0 ? this.#frameTicks : 0
  }

  /** Takes the next bytes of the elementary stream, `bytes[from, to)`. */
  push(codec: Codec, bytes: Buffer, from: number, to: number): void {
    if (this.#isLost) return
    let at = from
    if (this.#headerBytes > 0) {
      const isWhole = this.#completeHeader(codec, bytes, from, to)
      if (!isWhole) return
    }
    at += this.#skipBytes
    while (at + AUDIO_HEADER_BYTES <= to) {
      const frameBytes = this.#count(codec, bytes, at)
      if (frameBytes === 0) return
      at += frameBytes
    }
    this.#skipBytes = Math.max(0, at - to)
    if (at < to) this.#headerBytes = bytes.copy(this.#header, 0, at, to)
  }

  /** Joins a header that began in the bytes before; false while it is short or when it is none. */
  #completeHeader(codec: Codec, bytes: Buffer, from: number, to: number): boolean {
    const held = this.#headerBytes
    this.#headerBytes += bytes.copy(this.#header, held, from, Math.min(to, from + AUDIO_HEADER_BYTES))
    if (this.#headerBytes < AUDIO_HEADER_BYTES) return false
    this.#headerBytes = 0
    const frameBytes = this.#count(codec, this.#header, 0)
    this.#skipBytes = frameBytes - held
    return frameBytes > 0
  }

  /** Counts the frame at `at`; its length, or 0 when there is none. */
  #count(codec: Codec, bytes: Buffer, at: number): number {
    const frame = readAudioFrame(codec, bytes, at)
    if (frame === undefined) {
      this.#isLost = true
      return 0
    }
    this.#ticks += frame.ticks
    for (let index = 0; index < AUDIO_HEADER_BYTES; index += 1) this.#latest[index] = bytes[at + index] ?? 0
    if (frame.ticks > 0) this.#frameTicks = frame.ticks
    return frame.bytes
  }
}
