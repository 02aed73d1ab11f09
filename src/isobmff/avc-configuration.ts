import { numbers } from './box.ts'
import { ByteReader } from './byte-reader.ts'

/** AVCDecoderConfigurationRecord, ISO/IEC 14496-15 §5.3.3.1. NAL units have their header and no start code. */
export interface AvcConfiguration {
  /** 1, 2 or 4 bytes in front of each NAL unit of a sample. */
  readonly lengthBytes: number
  readonly sequenceSets: readonly Buffer[]
  readonly pictureSets: readonly Buffer[]
  /** Of profiles that tell it; H.264 values. */
  readonly chroma: { readonly formatIdc: number; readonly bitDepth: number } | undefined
}

const PROFILES_WITH_CHROMA: ReadonlySet<number> = new Set([100, 110, 122, 144])
const SEQUENCE_SETS_MAX = 31
const PICTURE_SETS_MAX = 255

/** Content of an avcC box. There is at least one sequence parameter set, of 4 bytes or more. */
export function writeAvcConfiguration(configuration: AvcConfiguration): Buffer {
  const { lengthBytes, chroma } = configuration
  const sequenceSets = configuration.sequenceSets.slice(0, SEQUENCE_SETS_MAX)
  const pictureSets = configuration.pictureSets.slice(0, PICTURE_SETS_MAX)
  const first = sequenceSets[0] ?? Buffer.alloc(4)
  const profile = first[1] ?? 0
  const parts = [
    numbers([1, 1], [1, profile], [1, first[2] ?? 0], [1, first[3] ?? 0], [1, 0xfc | (lengthBytes - 1)]),
    numbers([1, 0xe0 | sequenceSets.length]),
    ...sequenceSets.flatMap((set) => [numbers([2, set.length]), set]),
    numbers([1, pictureSets.length]),
    ...pictureSets.flatMap((set) => [numbers([2, set.length]), set]),
  ]
  if (PROFILES_WITH_CHROMA.has(profile) && chroma !== undefined) {
    const depth = 0xf8 | (chroma.bitDepth - 8)
    parts.push(numbers([1, 0xfc | chroma.formatIdc], [1, depth], [1, depth], [1, 0]))
  }
  return Buffer.concat(parts)
}

/** Reads the content of an avcC box into views of it. Throws an IsobmffError. */
export function readAvcConfiguration(content: Buffer): AvcConfiguration {
  const reader = new ByteReader(content)
  reader.skip(4)
  const lengthBytes = (reader.u8() & 3) + 1
  const sets = (count: number) => Array.from({ length: count }, () => reader.bytes(reader.u16()))
  const sequenceSets = sets(reader.u8() & 0x1f)
  const pictureSets = sets(reader.u8())
  return { lengthBytes, sequenceSets, pictureSets, chroma: undefined }
}
