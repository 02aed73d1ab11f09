import { numbers } from './box.ts'
import { ByteReader } from './byte-reader.ts'

/** ES_Descriptor of an esds box, ISO/IEC 14496-1 §7.2.6.5, as far as it tells the codec. */
export interface ElementaryDescriptor {
  /** objectTypeIndication: 0x40 MPEG-4 audio, 0x61 MPEG-2 Main video, 0x69 and 0x6B MPEG audio and so on. */
  readonly objectType: number
  /** DecoderSpecificInfo: AudioSpecificConfig of MPEG-4 audio, headers of MPEG-2 video; may be empty. */
  readonly specific: Buffer
}

const TAG_ES = 0x03
const TAG_DECODER_CONFIG = 0x04
const TAG_DECODER_SPECIFIC = 0x05
const TAG_SL_CONFIG = 0x06
const STREAM_TYPE_VIDEO = 4
const STREAM_TYPE_AUDIO = 5
const LENGTH_BYTES_MAX = 4

/** What follows version and flags of an esds box. */
export function writeElementaryDescriptor(
  { objectType, specific }: ElementaryDescriptor,
  kind: 'video' | 'audio',
  esId: number,
): Buffer {
  const streamType = ((kind === 'video' ? STREAM_TYPE_VIDEO : STREAM_TYPE_AUDIO) << 2) | 1
  const config = descriptor(
    TAG_DECODER_CONFIG,
    numbers([1, objectType], [1, streamType], [3, 0], [4, 0], [4, 0]),
    ...(specific.length === 0 ? [] : [descriptor(TAG_DECODER_SPECIFIC, specific)]),
  )
  return descriptor(TAG_ES, numbers([2, esId], [1, 0]), config, descriptor(TAG_SL_CONFIG, numbers([1, 2])))
}

function descriptor(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const length = content.length
  const lengthBytes = [
    0x80 | (length >>> 21),
    0x80 | ((length >>> 14) & 0x7f),
    0x80 | ((length >>> 7) & 0x7f),
    length & 0x7f,
  ]
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content])
}

/** Reads what follows version and flags of an esds box. Throws an IsobmffError. */
export function readElementaryDescriptor(bytes: Buffer): ElementaryDescriptor {
  const reader = new ByteReader(bytes)
  if (bytes[0] === TAG_ES) {
    reader.skip(1)
    lengthOf(reader)
    reader.skip(2)
    const flags = reader.u8()
    if ((flags & 0x80) !== 0) reader.skip(2)
    if ((flags & 0x40) !== 0) reader.skip(reader.u8())
    if ((flags & 0x20) !== 0) reader.skip(2)
  }
  if (reader.u8() !== TAG_DECODER_CONFIG) return { objectType: 0, specific: Buffer.alloc(0) }
  lengthOf(reader)
  const objectType = reader.u8()
  reader.skip(12)
  if (reader.left === 0 || reader.u8() !== TAG_DECODER_SPECIFIC) return { objectType, specific: Buffer.alloc(0) }
  return { objectType, specific: reader.bytes(lengthOf(reader)) }
}

function lengthOf(reader: ByteReader): number {
  let length = 0
  for (let count = 0; count < LENGTH_BYTES_MAX; count += 1) {
    const byte = reader.u8()
    length = (length << 7) | (byte & 0x7f)
    if ((byte & 0x80) === 0) break
  }
  return length
}
