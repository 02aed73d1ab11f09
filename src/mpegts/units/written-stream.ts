import type { Codec, ElementaryStream } from '../elementary-stream.ts'

/** What a stream is to be in a PMT. */
export interface WrittenStream {
  readonly codec: Codec
  /** ISO 639-2. */
  readonly language?: string | undefined
  /** Opus only. */
  readonly channels?: number | undefined
}

interface StreamNature {
  readonly kind: 'video' | 'audio' | 'data'
  readonly streamType: number
  /** ISO/IEC 13818-1 Table 2-22; those of audio count from this one. */
  readonly streamId: number
  readonly registration?: string
}

const STREAM_ID_VIDEO = 0xe0
const STREAM_ID_AUDIO = 0xc0
const STREAM_ID_PRIVATE_1 = 0xbd
const TAG_REGISTRATION = 0x05
const TAG_LANGUAGE = 0x0a
const TAG_METADATA = 0x26
const TAG_EXTENSION = 0x7f
const EXTENSION_OPUS = 0x80

const NATURES: Partial<Readonly<Record<Codec, StreamNature>>> = {
  mpeg1video: { kind: 'video', streamType: 0x01, streamId: STREAM_ID_VIDEO },
  mpeg2video: { kind: 'video', streamType: 0x02, streamId: STREAM_ID_VIDEO },
  h264: { kind: 'video', streamType: 0x1b, streamId: STREAM_ID_VIDEO },
  hevc: { kind: 'video', streamType: 0x24, streamId: STREAM_ID_VIDEO },
  mp2: { kind: 'audio', streamType: 0x03, streamId: STREAM_ID_AUDIO },
  aac: { kind: 'audio', streamType: 0x0f, streamId: STREAM_ID_AUDIO },
  ac3: { kind: 'audio', streamType: 0x81, streamId: STREAM_ID_PRIVATE_1, registration: 'AC-3' },
  eac3: { kind: 'audio', streamType: 0x87, streamId: STREAM_ID_PRIVATE_1, registration: 'EAC3' },
  opus: { kind: 'audio', streamType: 0x06, streamId: STREAM_ID_PRIVATE_1, registration: 'Opus' },
  id3: { kind: 'data', streamType: 0x15, streamId: STREAM_ID_PRIVATE_1 },
}

/** metadata_descriptor of timed ID3, as "Timed Metadata for HTTP Live Streaming" has it. */
const ID3_METADATA = Buffer.from([0xff, 0xff, 0x49, 0x44, 0x33, 0x20, 0xff, 0x49, 0x44, 0x33, 0x20, 0x00, 0x0f])

/** Undefined for a codec that is not written. */
export function natureOfWritten(codec: Codec): StreamNature | undefined {
  return NATURES[codec]
}

/** The stream's entry in a PMT. */
export function pmtEntry(
  stream: WrittenStream,
  nature: StreamNature,
  pid: number,
): Pick<ElementaryStream, 'pid' | 'streamType' | 'descriptors'> {
  const loops: Buffer[] = []
  if (nature.registration !== undefined) loops.push(descriptor(TAG_REGISTRATION, Buffer.from(nature.registration)))
  if (stream.codec === 'opus')
    loops.push(descriptor(TAG_EXTENSION, Buffer.from([EXTENSION_OPUS, stream.channels ?? 2])))
  if (stream.codec === 'id3') loops.push(descriptor(TAG_METADATA, ID3_METADATA))
  if (stream.language !== undefined && stream.language.length === 3) {
    loops.push(descriptor(TAG_LANGUAGE, Buffer.concat([Buffer.from(stream.language, 'latin1'), Buffer.from([0])])))
  }
  return { pid, streamType: nature.streamType, descriptors: Buffer.concat(loops) }
}

function descriptor(tag: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag, body.length]), body])
}
