import type { Codec } from '../../elementary-stream.ts'
import { AUDIO_HEADER_BYTES, readAudioFrame } from '../audio-frame.ts'
import { silentAdts } from './aac.ts'
import { silentAc3 } from './ac3.ts'
import { silentEac3 } from './eac3.ts'
import { silentMpegAudio } from './mpeg-audio.ts'

/** The next silent frame; they may differ in length, so that the bit rate stays. Valid as long as nobody changes it. */
export type SilentFrames = () => Buffer

/** Silence that a decoder takes for the stream it has been reading. */
export interface SilentSound {
  /** What a frame lasts, 90 kHz ticks, not rounded. */
  readonly frameTicks: number
  readonly next: SilentFrames
}

const MAKERS: Partial<Readonly<Record<Codec, (header: Buffer) => SilentFrames | undefined>>> = {
  aac: silentAdts,
  mp2: silentMpegAudio,
  ac3: silentAc3,
  eac3: silentEac3,
}

/**
 * Silence of the codec and configuration of a frame whose first AUDIO_HEADER_BYTES are `header`. Undefined where it is not
 * known how to make it: AAC in LATM, AAC whose channels its header does not tell or that has check words, AC-3 of half
 * rates, E-AC-3 of several substreams or short frames, and all codecs whose frames are not read here.
 */
export function silentSoundLike(codec: Codec, header: Buffer): SilentSound | undefined {
  if (header.length < AUDIO_HEADER_BYTES) return undefined
  const next = MAKERS[codec]?.(header)
  const frame = next === undefined ? undefined : readAudioFrame(codec, next(), 0)
  if (frame === undefined || next === undefined) return undefined
  return { frameTicks: frame.ticks, next }
}
