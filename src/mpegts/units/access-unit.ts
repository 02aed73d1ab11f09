import type { ElementaryStream } from '../elementary-stream.ts'

/** A picture with its parameter sets, an audio frame or a metadata packet: what a container other than MPEG-TS calls a sample. */
export interface AccessUnit {
  readonly stream: ElementaryStream
  /** 90 kHz. One timeline for all streams of a programme, which goes on where 33 bits wrap; fractions of ticks for audio. */
  readonly pts: number
  readonly dts: number
  /** A decoder can begin here; always true for audio and data. */
  readonly isRandomAccess: boolean
  /** As in the elementary stream: Annex B for H.264 and HEVC, whole frames with their headers for audio. Valid during the call. */
  readonly data: Buffer
  /** NAL units of H.264 and HEVC as offsets in `data`: begin of the header and end of each, in turn. Empty for other codecs. */
  readonly nals: readonly number[]
}

export type UnitListener = (unit: AccessUnit) => void
