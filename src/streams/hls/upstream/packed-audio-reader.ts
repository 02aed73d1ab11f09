import type { Codec } from '../../../mpegts/elementary-stream.ts'
import { AudioFramer } from '../../../mpegts/units/audio-framer.ts'
import { id3TagBytes, ID3_HEADER_BYTES } from '../../framing/audio-frames.ts'

/** A frame with its time, 90 kHz with fractions. */
export type TimedFrameListener = (frame: Buffer, pts: number) => void

/** Owner of the PRIV frame that has the timestamp of a segment's first frame (RFC 8216 §3.4). */
const TIMESTAMP_OWNER = Buffer.from('com.apple.streaming.transportStreamTimestamp\0', 'latin1')
/** A tag is kept until it is complete, if it is no longer; pictures of albums are not what is looked for. */
const TAG_BYTES_MAX = 1_048_576

/** Reads segments of packed audio: the tags that say when they play, and frames behind them. */
export class PackedAudioReader {
  readonly #onCodec: (codec: Codec) => void
  readonly #onFrame: TimedFrameListener
  #framer: AudioFramer | undefined
  #codec: Codec | undefined
  #held: Buffer = Buffer.alloc(0)
  #isAtHead = true

  constructor(onCodec: (codec: Codec) => void, onFrame: TimedFrameListener) {
    this.#onCodec = onCodec
    this.#onFrame = onFrame
  }

  beginSegment(): void {
    this.#held = Buffer.alloc(0)
    this.#isAtHead = true
  }

  /** Takes bytes of the segment in any pieces. */
  push(bytes: Buffer): void {
    if (!this.#isAtHead) {
      this.#framer?.push(bytes, 0, bytes.length)
      return
    }
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes])
    let at = 0
    let pts: number | undefined
    while (this.#held.toString('latin1', at, at + 3) === 'ID3') {
      const tagBytes = this.#held.length < at + ID3_HEADER_BYTES ? undefined : id3TagBytes(this.#held, at)
      if (tagBytes === undefined || (this.#held.length < at + tagBytes && tagBytes <= TAG_BYTES_MAX)) return
      pts ??= timestampIn(this.#held.subarray(at, at + tagBytes))
      at += tagBytes
    }
    if (this.#held.length < at + ID3_HEADER_BYTES) return
    this.#isAtHead = false
    const audio = this.#held.subarray(at)
    this.#held = Buffer.alloc(0)
    this.#follow(audio)
    this.#framer?.beginPacket(pts)
    this.#framer?.push(audio, 0, audio.length)
  }

  /** The codec may be another one from segment to segment. */
  #follow(audio: Buffer): void {
    const codec = codecOf(audio)
    if (codec === undefined || codec === this.#codec) return
    this.#codec = codec
    this.#framer = new AudioFramer(codec, (bytes, from, to, pts) => {
      this.#onFrame(Buffer.from(bytes.subarray(from, to)), pts)
    })
    this.#onCodec(codec)
  }
}

/** 33 bits of 90 kHz, as 8 bytes behind the owner. */
function timestampIn(tag: Buffer): number | undefined {
  const at = tag.indexOf(TIMESTAMP_OWNER)
  const valueAt = at + TIMESTAMP_OWNER.length
  if (at < 0 || tag.length < valueAt + 8) return undefined
  return (tag.readUInt32BE(valueAt) & 1) * 2 ** 32 + tag.readUInt32BE(valueAt + 4)
}

function codecOf(audio: Buffer): Codec | undefined {
  const [first = 0, second = 0] = audio
  // bitstream_id above 10 is E-AC-3 (ETSI TS 102 366 annex E).
  if (first === 0x0b && second === 0x77) return (audio[5] ?? 0) >> 3 > 10 ? 'eac3' : 'ac3'
  if (first !== 0xff || (second & 0xe0) !== 0xe0) return undefined
  return (second & 0xf6) === 0xf0 ? 'aac' : 'mp2'
}
