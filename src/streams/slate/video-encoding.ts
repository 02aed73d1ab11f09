import { codecText } from '../../mpegts/analyser/signature.ts'
import type { StreamSignature, VideoFormat } from '../../mpegts/analyser/signature.ts'
import type { Codec } from '../../mpegts/elementary-stream.ts'
import { SlateError } from './slate-error.ts'

/** How to encode a picture so that a decoder goes on as if it were more of the channel. */
export interface VideoEncoding {
  readonly codec: Codec
  readonly width: number
  readonly height: number
  /** A rational number as ffmpeg reads it: `25`, `30000/1001`. */
  readonly rate: string
  readonly framesPerSecond: number
  /** Frames of a group of pictures, about a second. */
  readonly groupFrames: number
  readonly pixelFormat: string
  readonly isInterlaced: boolean
  /** ffmpeg's output options. */
  readonly args: readonly string[]
}

const FRAMES_PER_SECOND_DEFAULT = 25
const FRAMES_PER_SECOND_MAX = 240
const SIDE_MAX = 8_192
const RATE_TOLERANCE = 0.005
/** kbit/s; a card needs a tenth of it, and a film of the operator's is to stay small. */
const KBPS_MAX = 2_500
/** A scene cut would begin a group early. */
const NO_SCENE_CUT = 1_000_000_000

type EncoderOptions = (format: VideoFormat, groupFrames: number) => readonly string[]

interface VideoEncoder {
  readonly name: string
  readonly options: EncoderOptions
}

const ENCODERS: Readonly<Record<string, readonly VideoEncoder[]>> = {
  h264: [
    { name: 'libx264', options: x264Options },
    { name: 'libopenh264', options: () => ['-b:v', '800k', '-profile:v', 'constrained_baseline'] },
  ],
  hevc: [{ name: 'libx265', options: x265Options }],
  mpeg2video: [{ name: 'mpeg2video', options: mpeg2Options }],
  mpeg4video: [{ name: 'mpeg4', options: () => ['-q:v', '5', '-sc_threshold', `${NO_SCENE_CUT}`] }],
}

/**
 * The encoding for a stream's signature with one of the encoders that ffmpeg has. Throws a SlateError when there is none
 * for its codec, or when the size of its picture is not known.
 */
export function videoEncodingOf(stream: StreamSignature, available: ReadonlySet<string>): VideoEncoding {
  const encoder = ENCODERS[stream.codec]?.find(({ name }) => available.has(name))
  if (encoder === undefined) {
    throw new SlateError('no_encoder', `this ffmpeg has no encoder for ${codecText(stream.codec)}`)
  }
  const format = stream.format?.kind === 'video' ? stream.format : undefined
  const { width, height } = format ?? {}
  if (format === undefined || width === undefined || height === undefined) {
    throw new SlateError('format_unknown', `the size of the channel's picture is not known`)
  }
  const pixelFormat = pixelFormatOf(format, width, height)
  const { rate, framesPerSecond } = rateOf(format.framesPerSecond ?? FRAMES_PER_SECOND_DEFAULT)
  const groupFrames = Math.max(1, Math.round(framesPerSecond))
  const isInterlaced = format.isInterlaced === true
  const args = [
    ...[
      '-c:v',
      encoder.name,
      '-bf',
      '0',
      '-g',
      `${groupFrames}`,
      '-flags:v',
      isInterlaced ? '+cgop+ildct+ilme' : '+cgop',
    ],
    ...['-maxrate', `${KBPS_MAX}k`, '-bufsize', '1800k'],
    ...encoder.options(format, groupFrames),
  ]
  const { codec } = stream
  return { codec, width, height, rate, framesPerSecond, groupFrames, pixelFormat, isInterlaced, args }
}

function pixelFormatOf({ chroma, bitDepth }: VideoFormat, width: number, height: number): string {
  const name = chroma === '4:0:0' ? 'gray' : `yuv${(chroma ?? '4:2:0').replaceAll(':', '')}p`
  const isOdd = width % 2 !== 0 || height % 2 !== 0
  if (isOdd || width > SIDE_MAX || height > SIDE_MAX) {
    throw new SlateError('no_encoder', `pictures of ${width}x${height} are not made`)
  }
  return bitDepth === undefined || bitDepth === 8 ? name : `${name}${bitDepth}le`
}

/** Rates of television are whole numbers, or those times 1000/1001. */
function rateOf(framesPerSecond: number): { readonly rate: string; readonly framesPerSecond: number } {
  const wanted = Math.min(FRAMES_PER_SECOND_MAX, Math.max(1, framesPerSecond))
  const whole = Math.round(wanted)
  if (Math.abs(wanted - whole) < RATE_TOLERANCE) return { rate: `${whole}`, framesPerSecond: whole }
  const ntsc = Math.round(wanted * 1.001)
  if (Math.abs(wanted - ntsc / 1.001) < RATE_TOLERANCE)
    return { rate: `${ntsc * 1_000}/1001`, framesPerSecond: ntsc / 1.001 }
  return { rate: `${Math.round(wanted * 1_000)}/1000`, framesPerSecond: Math.round(wanted * 1_000) / 1_000 }
}

const X264_PROFILES: Readonly<Record<string, string>> = {
  Baseline: 'baseline',
  'Constrained Baseline': 'baseline',
  Extended: 'baseline',
  Main: 'main',
  'High 10': 'high10',
  'High 4:2:2': 'high422',
  'High 4:4:4': 'high444',
}

function x264Options(
  { profile, level, isInterlaced, framesPerSecond }: VideoFormat,
  groupFrames: number,
): readonly string[] {
  const name = X264_PROFILES[profile ?? ''] ?? 'high'
  const params = [
    `keyint=${groupFrames}:min-keyint=${groupFrames}:scenecut=0:open-gop=0:bframes=0`,
    // The profile in the stream follows from the tools that are used; the presets turn some of them off.
    `cabac=${name === 'baseline' ? 0 : 1}:8x8dct=${name === 'baseline' || name === 'main' ? 0 : 1}:weightp=0`,
    ...(isInterlaced === true && name !== 'baseline' ? ['tff=1'] : []),
    ...(framesPerSecond === undefined ? [] : ['force-cfr=1']),
    ...(level === undefined ? [] : [`level=${level}`]),
  ]
  return ['-preset', 'superfast', '-profile:v', name, '-crf', '24', '-x264-params', params.join(':')]
}

function x265Options({ level, isInterlaced }: VideoFormat, groupFrames: number): readonly string[] {
  const [number, tier] = (level ?? '').split(' ')
  const params = [
    'log-level=none:info=0:repeat-headers=1:open-gop=0:bframes=0:scenecut=0',
    `keyint=${groupFrames}:min-keyint=${groupFrames}`,
    ...(isInterlaced === true ? ['interlace=tff'] : []),
    ...(level === undefined ? [] : [`level-idc=${number}:high-tier=${tier === undefined ? 0 : 1}`]),
  ]
  return ['-preset', 'ultrafast', '-crf', '26', '-x265-params', params.join(':')]
}

function mpeg2Options({ isInterlaced }: VideoFormat): readonly string[] {
  const fields = isInterlaced === true ? ['-top', '1'] : []
  return ['-b:v', '1500k', '-sc_threshold', `${NO_SCENE_CUT}`, ...fields]
}
