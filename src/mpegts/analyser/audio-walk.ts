import { AUDIO_HEADER_BYTES_MAX, isFramedCodec, readAudioFrame } from './audio-frame.ts'
import type { AudioFrame } from './audio-frame.ts'
import type { Codec } from '../elementary-stream.ts'
import type { AudioFormat } from './signature.ts'

export interface AudioWalkEvents {
  /** A frame begins. `isAnchor`: it is the first that begins in its PES packet, so the packet's PTS is its. */
  onFrame(frame: AudioFrame, isAnchor: boolean): void
  /** Where a frame should begin there was none. */
  onBreak(): void
}

type FramedCodec = Parameters<typeof readAudioFrame>[0]

/** What the frames of a codec begin with. */
const FIRST_BYTES: Readonly<Record<FramedCodec, number>> = {
  aac: 0xff,
  'aac-latm': 0x56,
  mp2: 0xff,
  ac3: 0x0b,
  eac3: 0x0b,
}

/** Steps from frame to frame of an audio stream over the borders of its PES packets. Holds one frame header. */
export class AudioWalk {
  readonly #codec: FramedCodec
  readonly #events: AudioWalkEvents
  readonly #carry = Buffer.alloc(AUDIO_HEADER_BYTES_MAX * 2)
  #carryBytes = 0
  /** The header in the carry began before the present PES packet. */
  #isCarryOld = false
  /** Bytes of the present frame that are still to come. */
  #left = 0
  #isInStep = false
  #isPesFresh = false
  #needsAnchor = false
  #format: AudioFormat | undefined
  #samples = 0

  constructor(codec: FramedCodec, events: AudioWalkEvents) {
    this.#codec = codec
    this.#events = events
  }

  static for(codec: Codec, events: AudioWalkEvents): AudioWalk | undefined {
    return isFramedCodec(codec) ? new AudioWalk(codec, events) : undefined
  }

  /** A PES packet with a PTS begins. */
  beginPes(): void {
    this.#needsAnchor = true
    this.#isPesFresh = true
    this.#isCarryOld = this.#carryBytes > 0
  }

  /** Bytes are missing here: look for the next frame. */
  lose(): void {
    this.#isInStep = false
    this.#left = 0
    this.#carryBytes = 0
  }

  push(buffer: Buffer, from: number, to: number): void {
    let at = from
    while (at < to) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, to - at)
        this.#left -= taken
        at += taken
        this.#isPesFresh = false
        continue
      }
      if (!this.#isInStep && this.#carryBytes === 0) at = this.#nextCandidate(buffer, at, to)
      if (at < to) at = this.#takeHeader(buffer, at, to)
    }
  }

  /** While out of step: the next byte that a frame can begin with. */
  #nextCandidate(buffer: Buffer, from: number, to: number): number {
    const found = buffer.subarray(from, to).indexOf(FIRST_BYTES[this.#codec])
    if (found !== 0) this.#isPesFresh = false
    return found < 0 ? to : from + found
  }

  /** Collects a header and judges it; returns where to go on. */
  #takeHeader(buffer: Buffer, from: number, to: number): number {
    const before = this.#carryBytes
    const taken = Math.min(AUDIO_HEADER_BYTES_MAX - before, to - from)
    buffer.copy(this.#carry, before, from, from + taken)
    const have = before + taken
    if (have < AUDIO_HEADER_BYTES_MAX && !this.#isWholeFrame(have)) {
      this.#carryBytes = have
      return to
    }
    this.#carry.fill(0, have)
    const frame = this.#judge()
    if (frame === undefined) {
      // One byte on: of the carry, or of the buffer.
      this.#carry.copy(this.#carry, 0, 1, have)
      this.#carryBytes = 0
      return this.#again(before, from)
    }
    this.#carryBytes = 0
    this.#isPesFresh = false
    this.#left = Math.max(0, frame.lengthBytes - before)
    return from
  }

  /** A frame shorter than the longest header is judged as soon as it is there. */
  #isWholeFrame(have: number): boolean {
    if (have < 8) return false
    this.#carry.fill(0, have)
    const frame = readAudioFrame(this.#codec, this.#carry, 0)
    return frame !== undefined && frame.lengthBytes <= have
  }

  #judge(): AudioFrame | undefined {
    const read = readAudioFrame(this.#codec, this.#carry, 0)
    const isTrusted = this.#isInStep || this.#isPesFresh || this.#format === undefined
    const isKnown = read !== undefined && (isTrusted || isAlike(read.format, this.#format))
    if (read === undefined || !isKnown) {
      if (this.#isInStep) this.#events.onBreak()
      this.#isInStep = false
      return undefined
    }
    this.#isInStep = true
    const frame = this.#complete(read)
    this.#events.onFrame(frame, this.#needsAnchor && !this.#isCarryOld)
    if (!this.#isCarryOld) this.#needsAnchor = false
    this.#isCarryOld = false
    return frame
  }

  /** LATM frames may leave out the configuration: it is the one before. */
  #complete(frame: AudioFrame): AudioFrame {
    if (frame.samples > 0) {
      this.#format = frame.format
      this.#samples = frame.samples
    }
    if (frame.samples >= 0) return frame
    return this.#format === undefined
      ? { ...frame, samples: 0 }
      : { ...frame, samples: this.#samples, format: this.#format }
  }

  #again(before: number, from: number): number {
    this.#isPesFresh = false
    this.#isCarryOld = false
    this.#carryBytes = Math.max(0, before - 1)
    return before === 0 ? from + 1 : from
  }
}

function isAlike(format: AudioFormat, known: AudioFormat | undefined): boolean {
  return (
    format.sampleRateHz === undefined ||
    known === undefined ||
    (format.sampleRateHz === known.sampleRateHz && format.channels === known.channels)
  )
}
