import { AUDIO_HEADER_BYTES, ID3_HEADER_BYTES, id3TagBytes, readAudioFrame } from './audio-frames.ts'
import type { AudioFrame } from './audio-frames.ts'
import type { FrameCounters, Framer, FrameSink } from './framing.ts'

const NOTHING = Buffer.alloc(0)
/** Every frame is a join point; this many bytes apart they are worth mentioning. */
const JOIN_SPACING_BYTES = 4_096

/**
 * Raw MP3 or ADTS AAC, as radio stations send it: whole frames, join at a frame's header, no preamble. ID3 tags are
 * passed but never joined at; garbage between frames is dropped. Holds at most one frame.
 */
export class AudioFramer implements Framer {
  readonly container: 'adts' | 'mp3'
  readonly #joinOffsets: number[] = []
  #held: Buffer = NOTHING
  #isAligned = false
  /** Bytes of an ID3 tag that are still to come. */
  #tagBytesLeft = 0
  #frames = 0
  #durationMs = 0
  #skippedBytes = 0

  constructor(container: 'adts' | 'mp3') {
    this.container = container
  }

  push(chunk: Buffer, sink: FrameSink): void {
    const data = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    this.#held = NOTHING
    let start = 0
    let at = 0
    this.#joinOffsets.length = 0
    // Each round moves on by a frame, a tag or the garbage before one, or ends.
    while (at < data.length) {
      const unit = this.#unitAt(data, at)
      if (unit === 'more') break
      if (unit > 0) at += unit
      else {
        this.#hand(data, start, at, sink)
        start = this.#findFrame(data, at)
        this.#skippedBytes += start - at
        at = start
        if (!this.#isAligned) break
      }
    }
    this.#hand(data, start, at, sink)
    if (at < data.length) this.#held = Buffer.from(data.subarray(at))
  }

  preamble(): Buffer {
    return NOTHING
  }

  get mediaSeen(): boolean {
    return this.#frames > 0
  }

  get mediaMs(): number | undefined {
    return this.#frames > 0 ? this.#durationMs : undefined
  }

  get counters(): FrameCounters {
    const units = this.#frames
    return { skippedBytes: this.#skippedBytes, units, continuityErrors: 0, transportErrors: 0, scrambledPackets: 0 }
  }

  /** Bytes of the unit at `at`, `more` if it is incomplete, 0 if there is none. */
  #unitAt(data: Buffer, at: number): number | 'more' {
    const left = data.length - at
    if (this.#tagBytesLeft > 0) {
      const taken = Math.min(this.#tagBytesLeft, left)
      this.#tagBytesLeft -= taken
      return taken
    }
    const tagBytes = id3TagBytes(data, at)
    if (tagBytes !== undefined) {
      this.#tagBytesLeft = tagBytes
      return this.#unitAt(data, at)
    }
    if (left < ID3_HEADER_BYTES && isBeginningOf('ID3', data, at)) return 'more'
    if (!this.#isAligned) return 0
    if (left < AUDIO_HEADER_BYTES) return data[at] === 0xff ? 'more' : 0
    const frame = this.#frameAt(data, at)
    if (frame === undefined) return 0
    if (frame.bytes > left) return 'more'
    this.#frames += 1
    this.#durationMs += frame.durationMs
    const lastJoin = this.#joinOffsets.at(-1)
    if (lastJoin === undefined || at - lastJoin >= JOIN_SPACING_BYTES) this.#joinOffsets.push(at)
    return frame.bytes
  }

  #frameAt(data: Buffer, at: number): AudioFrame | undefined {
    const frame = readAudioFrame(data, at)
    return frame?.container === this.container ? frame : undefined
  }

  /** Looks for two frames in a row, or a tag; returns where, or how far nothing can begin while bytes are missing. */
  #findFrame(data: Buffer, from: number): number {
    this.#isAligned = false
    for (let at = from; at < data.length; at += 1) {
      if (data[at] !== 0xff && data[at] !== 0x49) continue
      if (at + ID3_HEADER_BYTES > data.length) return at
      if (id3TagBytes(data, at) !== undefined) {
        this.#isAligned = true
        return at
      }
      const frame = this.#frameAt(data, at)
      if (frame === undefined) continue
      const next = at + frame.bytes
      const isConfirmed = this.#frameAt(data, next) !== undefined || id3TagBytes(data, next) !== undefined
      if (!isConfirmed && next + ID3_HEADER_BYTES <= data.length) continue
      this.#isAligned = isConfirmed
      return at
    }
    return data.length
  }

  #hand(data: Buffer, start: number, end: number, sink: FrameSink): void {
    if (end > start) {
      for (let index = 0; index < this.#joinOffsets.length; index += 1) {
        this.#joinOffsets[index] = (this.#joinOffsets[index] ?? 0) - start
      }
      sink.packets(data.subarray(start, end), this.#joinOffsets)
    }
    this.#joinOffsets.length = 0
  }
}

function isBeginningOf(word: string, data: Buffer, at: number): boolean {
  const length = Math.min(word.length, data.length - at)
  return data.toString('latin1', at, at + length) === word.slice(0, length)
}
