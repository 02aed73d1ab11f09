import type { Codec, StreamKind } from '../elementary-stream.ts'

/** What a decoder has to be set up for. A field is undefined while the stream has not told it. */
export interface VideoFormat {
  readonly kind: 'video'
  readonly profile: string | undefined
  readonly level: string | undefined
  readonly width: number | undefined
  readonly height: number | undefined
  /** `4:2:0` and the like. */
  readonly chroma: string | undefined
  readonly bitDepth: number | undefined
  readonly framesPerSecond: number | undefined
  readonly isInterlaced: boolean | undefined
}

export interface AudioFormat {
  readonly kind: 'audio'
  readonly profile: string | undefined
  readonly sampleRateHz: number | undefined
  readonly channels: number | undefined
}

export type Format = VideoFormat | AudioFormat

export interface StreamSignature {
  readonly kind: StreamKind
  readonly codec: Codec
  readonly streamType: number
  readonly language: string | undefined
  /** Undefined until it was read from the stream itself, and for codecs that are not parsed. */
  readonly format: Format | undefined
}

/** The streams of one programme in the order of its PMT. */
export interface CodecSignature {
  readonly streams: readonly StreamSignature[]
}

const CODEC_NAMES: Partial<Record<Codec, string>> = {
  mpeg1video: 'MPEG-1 video',
  mpeg2video: 'MPEG-2 video',
  mpeg4video: 'MPEG-4 video',
  h264: 'H.264',
  hevc: 'HEVC',
  vvc: 'VVC',
  vc1: 'VC-1',
  cavs: 'AVS',
  jpeg2000: 'JPEG 2000',
  mp2: 'MPEG audio',
  aac: 'AAC',
  'aac-latm': 'AAC in LATM',
  ac3: 'AC-3',
  eac3: 'E-AC-3',
  ac4: 'AC-4',
  dts: 'DTS',
  opus: 'Opus',
}

/** A codec's name for people. */
export function codecText(codec: Codec): string {
  return CODEC_NAMES[codec] ?? codec
}

/** `1920x1080 25 fps High level 4 4:2:0`, `LC 48000 Hz 2 channels`. */
export function formatText(format: Format | undefined): string {
  if (format === undefined) return ''
  const parts =
    format.kind === 'video'
      ? [
          format.width === undefined ? undefined : `${format.width}x${format.height}${format.isInterlaced ? 'i' : ''}`,
          format.framesPerSecond === undefined ? undefined : `${rateText(format.framesPerSecond)} fps`,
          format.profile,
          format.level === undefined ? undefined : `level ${format.level}`,
          format.chroma,
          format.bitDepth === undefined || format.bitDepth === 8 ? undefined : `${format.bitDepth} bit`,
        ]
      : [
          format.profile,
          format.sampleRateHz === undefined ? undefined : `${format.sampleRateHz} Hz`,
          format.channels === undefined ? undefined : `${format.channels} channel${format.channels === 1 ? '' : 's'}`,
        ]
  return parts.filter((part) => part !== undefined).join(' ')
}

/** `H.264 1920x1080 25 fps High level 4 4:2:0, AAC LC 48000 Hz 2 channels`: the streams of a programme in one line. */
export function signatureText({ streams }: CodecSignature): string {
  return streams
    .map(({ codec, format, language }) =>
      [codecText(codec), formatText(format), language].filter((part) => part !== undefined && part !== '').join(' '),
    )
    .join(', ')
}

export function rateText(framesPerSecond: number): string {
  return `${Number(framesPerSecond.toFixed(3))}`
}

/** Whether two formats ask for the same set-up of a decoder. */
export function isSameFormat(left: Format, right: Format): boolean {
  return formatText(left) === formatText(right)
}
