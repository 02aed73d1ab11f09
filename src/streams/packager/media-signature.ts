import type { Codec } from '../../mpegts/elementary-stream.ts'
import type { Pmt } from '../../mpegts/psi.ts'

/** Bytes of an elementary stream that are looked at for its parameter sets. */
export const HEAD_BYTES_MAX = 4_096

/** The tracks of a programme: their PIDs and what they carry. Another text needs EXT-X-DISCONTINUITY (RFC 8216 §4.3.2.3). */
export function tracksText(pmt: Pmt): string {
  return pmt.streams
    .map(({ pid, streamType, codec, language = '' }) => `${pid}:${streamType}:${codec}:${language}`)
    .join()
}

/** What the decoders of a unit's programme have to be set up for. */
export interface MediaSignature {
  readonly tracks: string
  /** Parameter sets in front of a picture; none where the codec has none, or this picture brings none along. */
  readonly parameterSets: readonly string[]
  /** Of the first audio stream; undefined until a frame of it was seen. */
  readonly audio: string | undefined
}

/** A decoder that has seen more different parameter sets than this without a new beginning gets one. */
const PARAMETER_SETS_MAX = 64

/** Says whether a decoder can go on: everything that a unit needs has been there since the last new beginning. */
export class SignatureWatch {
  #tracks = ''
  readonly #parameterSets = new Set<string>()
  #audio: string | undefined

  /** True when decoders have to be set up anew for what begins with this. Never for the first one. */
  changes({ tracks, parameterSets, audio }: MediaSignature): boolean {
    const isFirst = this.#tracks === ''
    const isChanged =
      !isFirst &&
      (tracks !== this.#tracks ||
        (this.#parameterSets.size > 0 && parameterSets.some((set) => !this.#parameterSets.has(set))) ||
        (audio !== undefined && this.#audio !== undefined && audio !== this.#audio) ||
        this.#parameterSets.size > PARAMETER_SETS_MAX)
    if (isChanged) this.#parameterSets.clear()
    this.#tracks = tracks
    for (const set of parameterSets) this.#parameterSets.add(set)
    this.#audio = audio ?? this.#audio
    return isChanged
  }
}

const NONE: readonly string[] = []

/**
 * The parameter sets in front of the first picture in `bytes[0, length)`, an access unit from its first byte on; undefined
 * while more bytes are needed to see where they end. None for codecs that have none or are not looked into.
 */
export function findParameterSets(codec: Codec, bytes: Buffer, length: number): readonly string[] | undefined {
  const kindOf = KINDS[codec]
  if (kindOf === undefined) return NONE
  const found: string[] = []
  for (let at = nextUnit(bytes, 0, length); at >= 0;) {
    const kind = kindOf(bytes, at)
    if (kind === 'picture') return found
    const next = nextUnit(bytes, at, length)
    if (next < 0) break
    if (kind === 'parameters') found.push(bytes.toString('latin1', at, next - 3).replace(/\0+$/, ''))
    at = next
  }
  return length >= HEAD_BYTES_MAX ? found : undefined
}

type Kind = 'parameters' | 'picture' | 'other'

/** NAL unit types of H.264 Table 7-1 and H.265 Table 7-1, start codes of H.262 Table 6-1. */
const KINDS: Partial<Readonly<Record<Codec, (bytes: Buffer, at: number) => Kind>>> = {
  h264: (bytes, at) => {
    const type = (bytes[at] ?? 0) & 0x1f
    if (type === 7 || type === 8) return 'parameters'
    return type >= 1 && type <= 5 ? 'picture' : 'other'
  },
  hevc: (bytes, at) => {
    const type = ((bytes[at] ?? 0) >>> 1) & 0x3f
    if (type >= 32 && type <= 34) return 'parameters'
    return type <= 31 ? 'picture' : 'other'
  },
  mpeg2video: mpegVideoKind,
  mpeg1video: mpegVideoKind,
}

function mpegVideoKind(bytes: Buffer, at: number): Kind {
  const code = bytes[at] ?? 0
  if (code === 0xb3) return 'parameters'
  return code === 0 ? 'picture' : 'other'
}

/** Offset behind the next start code 00 00 01 in `bytes[from, end)`, -1 where there is none. */
function nextUnit(bytes: Buffer, from: number, end: number): number {
  const at = bytes.indexOf(START_CODE, from)
  return at >= 0 && at + 3 < end ? at + 3 : -1
}

const START_CODE = Buffer.from([0, 0, 1])

/**
 * What a decoder has to be set up for, from the header of an audio frame; undefined where no frame of the codec begins.
 * ISO/IEC 14496-3 §1.A.2.2 (profile, rate, channels), 11172-3 §2.4.1.3 (version, layer, rate), ETSI TS 102 366 §4.3 (rate).
 */
export function audioSetUp(codec: Codec, bytes: Buffer, at: number): string | undefined {
  const byte = (offset: number) => bytes[at + offset] ?? 0
  if (codec === 'aac') {
    if (byte(0) !== 0xff || (byte(1) & 0xf6) !== 0xf0) return undefined
    return `${byte(2) & 0xfd}.${byte(3) & 0xc0}`
  }
  if (codec === 'mp2') {
    if (byte(0) !== 0xff || (byte(1) & 0xe0) !== 0xe0) return undefined
    return `${byte(1) & 0xfe}.${byte(2) & 0x0c}`
  }
  if (codec === 'ac3') {
    if (byte(0) !== 0x0b || byte(1) !== 0x77) return undefined
    return `${byte(4) >>> 6}`
  }
  return undefined
}
