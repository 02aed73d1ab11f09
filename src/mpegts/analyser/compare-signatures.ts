import { createAnalyser } from './analyser.ts'
import { codecText, formatText, rateText } from './signature.ts'
import type { AudioFormat, CodecSignature, Format, StreamSignature, VideoFormat } from './signature.ts'

/** What a player is known to do when a stream changes like this under it. */
export type Consequence = 'freezes' | 'loses-a-track' | 'may-stumble'

export interface SignatureDifference {
  readonly consequence: Consequence
  /** A sentence for people, without a full stop: `backup is HEVC while the primary is H.264: most players freeze`. */
  readonly message: string
}

export interface SignatureNames {
  /** How the first one is called in messages. */
  readonly first: string
  readonly second: string
}

const NAMES: SignatureNames = { first: 'the primary', second: 'the backup' }
/** 29.97 and 30 fps are told apart, roundings of the same rate are not. */
const RATE_DIFFERENCE_MIN = 0.02

/**
 * The codec signature of the transport stream that `bytes` begin; undefined while no programme is known. Formats are
 * undefined where the bytes end before they come: give it a whole group of pictures.
 */
export function signatureOf(bytes: Buffer): CodecSignature | undefined {
  const analyser = createAnalyser()
  analyser.push(bytes)
  return analyser.report().signature
}

/** What a player that decodes `first` would notice of `second` in its place, worst first; empty when nothing. */
export function compareSignatures(
  first: CodecSignature,
  second: CodecSignature,
  names: SignatureNames = NAMES,
): readonly SignatureDifference[] {
  const found = [...compareVideo(first, second, names), ...compareAudio(first, second, names)]
  const order: readonly Consequence[] = ['freezes', 'loses-a-track', 'may-stumble']
  return found.toSorted((left, right) => order.indexOf(left.consequence) - order.indexOf(right.consequence))
}

function compareVideo(first: CodecSignature, second: CodecSignature, names: SignatureNames): SignatureDifference[] {
  const [one, other] = [ofKind(first, 'video')[0], ofKind(second, 'video')[0]]
  if (one === undefined && other === undefined) return []
  if (other === undefined) return [lost(`${names.second} has no video while ${names.first} has: the picture stops`)]
  if (one === undefined)
    return [lost(`${names.second} has video while ${names.first} has none: players do not show it`)]
  if (one.codec !== other.codec) {
    const message = `${names.second} is ${codecText(other.codec)} while ${names.first} is ${codecText(one.codec)}: most players freeze`
    return [{ consequence: 'freezes', message }]
  }
  const [format, otherFormat] = [videoFormat(one.format), videoFormat(other.format)]
  return format === undefined || otherFormat === undefined ? [] : compareVideoFormats(format, otherFormat, names)
}

function compareVideoFormats(one: VideoFormat, other: VideoFormat, names: SignatureNames): SignatureDifference[] {
  const found: SignatureDifference[] = []
  const differ = (is: string, was: string, consequence: Consequence, what: string) => {
    found.push({ consequence, message: `${names.second} is ${is} while ${names.first} is ${was}: ${what}` })
  }
  const depth = ({ chroma, bitDepth }: VideoFormat) => `${chroma ?? '?'} ${bitDepth ?? '?'} bit`
  if (depth(one) !== depth(other)) differ(depth(other), depth(one), 'freezes', 'hardware decoders freeze')
  const size = ({ width, height }: VideoFormat) => `${width ?? '?'}x${height ?? '?'}`
  if (size(one) !== size(other)) {
    differ(size(other), size(one), 'may-stumble', 'some players flicker, and set-top boxes may freeze')
  }
  const scan = ({ isInterlaced }: VideoFormat) => (isInterlaced === true ? 'interlaced' : 'progressive')
  if (scan(one) !== scan(other))
    differ(scan(other), scan(one), 'may-stumble', 'some players do not switch deinterlacing')
  const [rate, otherRate] = [one.framesPerSecond, other.framesPerSecond]
  if (rate !== undefined && otherRate !== undefined && Math.abs(rate - otherRate) > RATE_DIFFERENCE_MIN) {
    differ(
      `${rateText(otherRate)} fps`,
      `${rateText(rate)} fps`,
      'may-stumble',
      'some players stutter or lose lip sync',
    )
  }
  if (one.profile !== other.profile) {
    differ(
      other.profile ?? 'of another profile',
      one.profile ?? 'of another profile',
      'may-stumble',
      'decoders that were chosen by profile may refuse',
    )
  }
  return found
}

function compareAudio(first: CodecSignature, second: CodecSignature, names: SignatureNames): SignatureDifference[] {
  const [ones, others] = [ofKind(first, 'audio'), ofKind(second, 'audio')]
  const found: SignatureDifference[] = []
  for (const [index, one] of ones.entries()) {
    const other = others.find(({ language }) => language !== undefined && language === one.language) ?? others[index]
    const which = ones.length === 1 ? 'audio' : `audio ${one.language ?? index + 1}`
    if (other === undefined) {
      found.push(lost(`${names.second} has no ${which} while ${names.first} has: viewers of it hear nothing`))
    } else found.push(...compareAudioStreams(one, other, which, names))
  }
  if (ones.length === 0 && others.length > 0) {
    found.push(lost(`${names.second} has audio while ${names.first} has none: players do not play it`))
  }
  return found
}

function compareAudioStreams(
  one: StreamSignature,
  other: StreamSignature,
  which: string,
  names: SignatureNames,
): SignatureDifference[] {
  if (one.codec !== other.codec) {
    const message = `${names.second} has ${which} in ${codecText(other.codec)} while ${names.first} has it in ${codecText(one.codec)}: most players go silent`
    return [{ consequence: 'loses-a-track', message }]
  }
  const [format, otherFormat] = [audioFormat(one.format), audioFormat(other.format)]
  if (format === undefined || otherFormat === undefined) return []
  if (formatText(format) === formatText(otherFormat)) return []
  const message = `${names.second} has ${which} as ${formatText(otherFormat)} while ${names.first} has ${formatText(format)}: some players go silent or change pitch`
  return [{ consequence: 'may-stumble', message }]
}

function lost(message: string): SignatureDifference {
  return { consequence: 'loses-a-track', message }
}

function ofKind({ streams }: CodecSignature, kind: 'video' | 'audio'): readonly StreamSignature[] {
  return streams.filter((stream) => stream.kind === kind)
}

function videoFormat(format: Format | undefined): VideoFormat | undefined {
  return format?.kind === 'video' ? format : undefined
}

function audioFormat(format: Format | undefined): AudioFormat | undefined {
  return format?.kind === 'audio' ? format : undefined
}
