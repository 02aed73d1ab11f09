/** What an elementary stream carries, from its stream_type and descriptors (ISO/IEC 13818-1 §2.4.4.9 and §2.6). */
export type StreamKind = 'video' | 'audio' | 'subtitles' | 'data'

export type Codec =
  | 'mpeg1video'
  | 'mpeg2video'
  | 'mpeg4video'
  | 'h264'
  | 'hevc'
  | 'vvc'
  | 'vc1'
  | 'cavs'
  | 'jpeg2000'
  | 'mp2'
  | 'aac'
  | 'aac-latm'
  | 'ac3'
  | 'eac3'
  | 'ac4'
  | 'dts'
  | 'opus'
  | 's302m'
  | 'teletext'
  | 'dvb-subtitles'
  | 'id3'
  | 'klv'
  | 'scte35'
  | 'unknown'

interface StreamNature {
  readonly kind: StreamKind
  readonly codec: Codec
}

export interface ElementaryStream extends StreamNature {
  readonly pid: number
  readonly streamType: number
  /** ISO 639-2 code of the language, teletext or subtitling descriptor, in lower case. */
  readonly language: string | undefined
  /** The descriptor loop as it was. */
  readonly descriptors: Buffer
}

const UNKNOWN: StreamNature = { kind: 'data', codec: 'unknown' }

/** ISO/IEC 13818-1 Table 2-34, and the private values of ATSC, SCTE and Blu-ray that are met in practice. */
const BY_STREAM_TYPE: Readonly<Record<number, StreamNature>> = {
  0x01: { kind: 'video', codec: 'mpeg1video' },
  0x02: { kind: 'video', codec: 'mpeg2video' },
  0x03: { kind: 'audio', codec: 'mp2' },
  0x04: { kind: 'audio', codec: 'mp2' },
  0x0f: { kind: 'audio', codec: 'aac' },
  0x10: { kind: 'video', codec: 'mpeg4video' },
  0x11: { kind: 'audio', codec: 'aac-latm' },
  0x1b: { kind: 'video', codec: 'h264' },
  0x1c: { kind: 'audio', codec: 'aac' },
  0x20: { kind: 'video', codec: 'h264' },
  0x21: { kind: 'video', codec: 'jpeg2000' },
  0x24: { kind: 'video', codec: 'hevc' },
  0x33: { kind: 'video', codec: 'vvc' },
  0x42: { kind: 'video', codec: 'cavs' },
  0x81: { kind: 'audio', codec: 'ac3' },
  0x82: { kind: 'audio', codec: 'dts' },
  0x85: { kind: 'audio', codec: 'dts' },
  0x86: { kind: 'data', codec: 'scte35' },
  0x87: { kind: 'audio', codec: 'eac3' },
  0x8a: { kind: 'audio', codec: 'dts' },
  0xd2: { kind: 'video', codec: 'cavs' },
  0xea: { kind: 'video', codec: 'vc1' },
}

/** format_identifier of a registration descriptor (§2.6.8), for private stream types. */
const BY_REGISTRATION: Readonly<Record<string, StreamNature>> = {
  'AC-3': { kind: 'audio', codec: 'ac3' },
  'AC-4': { kind: 'audio', codec: 'ac4' },
  BSSD: { kind: 'audio', codec: 's302m' },
  DTS1: { kind: 'audio', codec: 'dts' },
  DTS2: { kind: 'audio', codec: 'dts' },
  DTS3: { kind: 'audio', codec: 'dts' },
  EAC3: { kind: 'audio', codec: 'eac3' },
  HEVC: { kind: 'video', codec: 'hevc' },
  KLVA: { kind: 'data', codec: 'klv' },
  Opus: { kind: 'audio', codec: 'opus' },
  'VC-1': { kind: 'video', codec: 'vc1' },
  'ID3 ': { kind: 'data', codec: 'id3' },
}

/** Descriptor tags of ETSI EN 300 468 §6.1 that tell what a private PES stream is. */
const BY_DESCRIPTOR_TAG: Readonly<Record<number, StreamNature>> = {
  0x46: { kind: 'subtitles', codec: 'teletext' },
  0x56: { kind: 'subtitles', codec: 'teletext' },
  0x59: { kind: 'subtitles', codec: 'dvb-subtitles' },
  0x6a: { kind: 'audio', codec: 'ac3' },
  0x7a: { kind: 'audio', codec: 'eac3' },
  0x7b: { kind: 'audio', codec: 'dts' },
  0x7c: { kind: 'audio', codec: 'aac' },
}

const STREAM_TYPE_PRIVATE_PES = 0x06
const STREAM_TYPE_METADATA_PES = 0x15
const TAG_REGISTRATION = 0x05
const TAG_LANGUAGE = 0x0a
const TAG_METADATA = 0x26
const TAG_DVB_EXTENSION = 0x7f
const EXTENSION_AC4 = 0x15
const EXTENSION_OPUS = 0x80
/** Descriptors whose body begins with a language code. */
const TAGS_WITH_LANGUAGE: ReadonlySet<number> = new Set([TAG_LANGUAGE, 0x46, 0x56, 0x59])
/** A section cannot hold more descriptors than this. */
const DESCRIPTORS_MAX = 512

export interface Descriptor {
  readonly tag: number
  readonly body: Buffer
}

/** The descriptors of a loop (§2.6.1), as views; one that claims more bytes than there are ends the list. */
export function parseDescriptors(loop: Buffer): readonly Descriptor[] {
  const descriptors: Descriptor[] = []
  for (let at = 0; at + 2 <= loop.length && descriptors.length < DESCRIPTORS_MAX;) {
    const end = at + 2 + (loop[at + 1] ?? 0)
    if (end > loop.length) break
    descriptors.push({ tag: loop[at] ?? 0, body: loop.subarray(at + 2, end) })
    at = end
  }
  return descriptors
}

/** Names an elementary stream of a PMT. `descriptorLoop` is kept, not copied. */
export function describeStream(pid: number, streamType: number, descriptorLoop: Buffer): ElementaryStream {
  const descriptors = parseDescriptors(descriptorLoop)
  const { kind, codec } = natureOf(streamType, descriptors)
  return { pid, streamType, kind, codec, language: languageOf(descriptors), descriptors: descriptorLoop }
}

function natureOf(streamType: number, descriptors: readonly Descriptor[]): StreamNature {
  const isPrivate = streamType === STREAM_TYPE_PRIVATE_PES || streamType >= 0x80
  const told = isPrivate ? natureByDescriptor(descriptors) : undefined
  if (streamType === STREAM_TYPE_METADATA_PES) {
    const isId3 = descriptors.some(({ tag, body }) => tag === TAG_METADATA && body.includes('ID3 '))
    return { kind: 'data', codec: isId3 ? 'id3' : 'unknown' }
  }
  return told ?? BY_STREAM_TYPE[streamType] ?? UNKNOWN
}

function natureByDescriptor(descriptors: readonly Descriptor[]): StreamNature | undefined {
  for (const { tag, body } of descriptors) {
    const byTag = BY_DESCRIPTOR_TAG[tag]
    if (byTag !== undefined) return byTag
    if (tag === TAG_REGISTRATION) {
      const registered = BY_REGISTRATION[body.toString('latin1', 0, 4)]
      if (registered !== undefined) return registered
    }
    if (tag === TAG_DVB_EXTENSION && body[0] === EXTENSION_AC4) return { kind: 'audio', codec: 'ac4' }
    if (tag === TAG_DVB_EXTENSION && body[0] === EXTENSION_OPUS) return { kind: 'audio', codec: 'opus' }
  }
  return undefined
}

function languageOf(descriptors: readonly Descriptor[]): string | undefined {
  for (const { tag, body } of descriptors) {
    if (!TAGS_WITH_LANGUAGE.has(tag)) continue
    const code = body.toString('latin1', 0, 3)
    if (/^[a-z]{3}$/i.test(code)) return code.toLowerCase()
  }
  return undefined
}
