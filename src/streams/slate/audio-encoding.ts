import type { StreamSignature } from '../../mpegts/analyser/signature.ts'
import type { Codec } from '../../mpegts/elementary-stream.ts'

/** How to encode a stream of sound like one of the channel's. */
export interface AudioEncoding {
  /** An ffmpeg filter that brings any sound into its sample rate and channels. */
  readonly filter: string
  /** ffmpeg's options of this output stream; `#` stands for its number among the audio streams. */
  readonly args: readonly string[]
  /** Options of the multiplex that this stream needs. */
  readonly muxFlags: readonly string[]
}

interface AudioEncoder {
  readonly names: readonly string[]
  readonly kbps: (channels: number) => number
  readonly channelsMax: number
  readonly options?: readonly string[]
}

const SAMPLE_RATE_DEFAULT_HZ = 48_000
const CHANNELS_DEFAULT = 2
/** ffmpeg's names of the usual arrangements. */
const LAYOUTS: Readonly<Record<number, string>> = {
  1: 'mono',
  2: 'stereo',
  3: '3.0',
  4: '4.0',
  5: '5.0',
  6: '5.1',
  8: '7.1(wide)',
}
const STREAM_TYPE_PRIVATE_PES = 0x06

const MP2: AudioEncoder = { names: ['mp2', 'libtwolame'], kbps: (channels) => channels * 64, channelsMax: 2 }
const MP3: AudioEncoder = {
  names: ['libmp3lame', 'libshine'],
  kbps: (channels) => channels * 64,
  channelsMax: 2,
  // Without the bit reservoir every frame stands alone, and a loop has no seam.
  options: ['-reservoir:a:#', '0'],
}
const AC3_KBPS = (channels: number) => (channels === 1 ? 96 : channels === 2 ? 192 : 384)
const ENCODERS: Partial<Record<Codec, AudioEncoder>> = {
  aac: { names: ['aac'], kbps: (channels) => channels * 64, channelsMax: 8 },
  'aac-latm': { names: ['aac'], kbps: (channels) => channels * 64, channelsMax: 8 },
  ac3: { names: ['ac3', 'ac3_fixed'], kbps: AC3_KBPS, channelsMax: 6 },
  eac3: { names: ['eac3'], kbps: AC3_KBPS, channelsMax: 6 },
  dts: { names: ['dca'], kbps: () => 768, channelsMax: 6, options: ['-strict:a:#', '-2'] },
  opus: { names: ['libopus'], kbps: (channels) => channels * 64, channelsMax: 2 },
}

/** The encoding for a stream's signature; undefined when ffmpeg has no encoder for it. */
export function audioEncodingOf(stream: StreamSignature, available: ReadonlySet<string>): AudioEncoding | undefined {
  const format = stream.format?.kind === 'audio' ? stream.format : undefined
  const encoder = stream.codec === 'mp2' ? (format?.profile === 'Layer III' ? MP3 : MP2) : ENCODERS[stream.codec]
  const name = encoder?.names.find((each) => available.has(each))
  if (encoder === undefined || name === undefined) return undefined
  const channels = Math.min(format?.channels ?? CHANNELS_DEFAULT, encoder.channelsMax)
  const rateHz = stream.codec === 'opus' ? SAMPLE_RATE_DEFAULT_HZ : (format?.sampleRateHz ?? SAMPLE_RATE_DEFAULT_HZ)
  const isDvb = stream.streamType === STREAM_TYPE_PRIVATE_PES && (stream.codec === 'ac3' || stream.codec === 'eac3')
  return {
    filter: `aresample=${rateHz},aformat=channel_layouts=${LAYOUTS[channels] ?? 'stereo'}`,
    args: [
      ...['-c:a:#', name, '-b:a:#', `${encoder.kbps(channels)}k`],
      ...(name === 'libshine' ? [] : (encoder.options ?? [])),
      ...(stream.language === undefined ? [] : ['-metadata:s:a:#', `language=${stream.language}`]),
    ],
    muxFlags: [...(stream.codec === 'aac-latm' ? ['latm'] : []), ...(isDvb ? ['system_b'] : [])],
  }
}
