import { numbers } from './box.ts'
import { ByteReader } from './byte-reader.ts'

/** HEVCDecoderConfigurationRecord, ISO/IEC 14496-15 §8.3.3.1. NAL units have their header and no start code. */
export interface HevcConfiguration {
  /** 1, 2 or 4 bytes in front of each NAL unit of a sample. */
  readonly lengthBytes: number
  /** Video, sequence and picture parameter sets and others, in the order in which a decoder needs them. */
  readonly sets: readonly Buffer[]
}

/** What the record repeats from the sequence parameter set. */
export interface HevcProfile {
  /** The 12 bytes from general_profile_space to general_level_idc, without emulation prevention. */
  readonly general: Buffer
  readonly chromaFormatIdc: number
  readonly bitDepth: number
  /** sps_max_sub_layers_minus1 + 1. */
  readonly temporalLayers: number
  readonly isTemporalNested: boolean
}

const ARRAYS_MAX = 64

/** Content of an hvcC box of parameter sets that are all in it (`hvc1`). */
export function writeHevcConfiguration(configuration: HevcConfiguration, profile: HevcProfile): Buffer {
  const { general, chromaFormatIdc, bitDepth, temporalLayers, isTemporalNested } = profile
  const types = [...new Set(configuration.sets.map(nalTypeOf))].toSorted((left, right) => left - right)
  const layers = (temporalLayers << 3) | (isTemporalNested ? 4 : 0) | (configuration.lengthBytes - 1)
  const parts = [
    numbers([1, 1]),
    general.subarray(0, 12),
    numbers(
      [2, 0xf000],
      [1, 0xfc],
      [1, 0xfc | chromaFormatIdc],
      [1, 0xf8 | (bitDepth - 8)],
      [1, 0xf8 | (bitDepth - 8)],
    ),
    numbers([2, 0], [1, layers], [1, types.length]),
  ]
  for (const type of types) {
    const sets = configuration.sets.filter((set) => nalTypeOf(set) === type)
    parts.push(numbers([1, 0x80 | type], [2, sets.length]))
    for (const set of sets) parts.push(numbers([2, set.length]), set)
  }
  return Buffer.concat(parts)
}

/** Reads the content of an hvcC box into views of it. Throws an IsobmffError. */
export function readHevcConfiguration(content: Buffer): HevcConfiguration {
  const reader = new ByteReader(content)
  reader.skip(21)
  const lengthBytes = (reader.u8() & 3) + 1
  const sets: Buffer[] = []
  const arrays = Math.min(reader.u8(), ARRAYS_MAX)
  for (let array = 0; array < arrays; array += 1) {
    reader.skip(1)
    const count = reader.u16()
    for (let index = 0; index < count; index += 1) sets.push(reader.bytes(reader.u16()))
  }
  return { lengthBytes, sets }
}

function nalTypeOf(set: Buffer): number {
  return ((set[0] ?? 0) >>> 1) & 0x3f
}
