import { ByteReader } from './byte-reader.ts'
import { IsobmffError } from './isobmff-error.ts'

/** Boxes of the ISO base media file format, ISO/IEC 14496-12 §4.2: written from parts, and found in bytes. */
export interface Box {
  /** Four characters. */
  readonly type: string
  /** Offset of the box, of its content and of its end in the bytes that were given. */
  readonly start: number
  readonly contentStart: number
  readonly end: number
}

/** Children of one box that are looked at. */
const BOXES_MAX = 1_024
const HEADER_BYTES = 8
const UUID_BYTES = 16

/** Numbers as big-endian bytes: `bytes([1, 16], [2, 0x1234])` are pairs of length in bytes and value, up to 6 bytes each. */
export function numbers(...fields: readonly (readonly [lengthBytes: number, value: number])[]): Buffer {
  const bytes = Buffer.alloc(fields.reduce((sum, [length]) => sum + length, 0))
  let at = 0
  for (const [length, value] of fields) at = bytes.writeUIntBE(value, at, length)
  return bytes
}

export function writeBox(type: string, ...parts: readonly Buffer[]): Buffer {
  const size = parts.reduce((sum, part) => sum + part.length, HEADER_BYTES)
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32BE(size, 0)
  header.write(type, 4, 4, 'latin1')
  return Buffer.concat([header, ...parts], size)
}

/** A box with version (0 to 255) and flags (24 bits), §4.2.2. */
export function writeFullBox(type: string, version: number, flags: number, ...parts: readonly Buffer[]): Buffer {
  return writeBox(type, numbers([1, version], [3, flags]), ...parts)
}

/** The boxes in `bytes[from, to)` in turn, at most 1024. Throws an IsobmffError when one does not fit into its parent. */
export function* boxesIn(bytes: Buffer, from = 0, to = bytes.length): Generator<Box> {
  let at = from
  for (let count = 0; at < to; count += 1) {
    if (count === BOXES_MAX) throw new IsobmffError('too-large', `more than ${BOXES_MAX} boxes in one`)
    const reader = new ByteReader(bytes, at, to)
    let size = BigInt(reader.u32())
    const type = reader.fourCc()
    if (size === 1n) size = reader.u64()
    else if (size === 0n) size = BigInt(to - at)
    if (type === 'uuid') reader.skip(UUID_BYTES)
    if (size < BigInt(reader.at - at) || size > BigInt(to - at)) {
      throw new IsobmffError('damaged', `a box ${type} of ${size} bytes where ${to - at} are left`)
    }
    const end = at + Number(size)
    yield { type, start: at, contentStart: reader.at, end }
    at = end
  }
}

/** The first box of a type inside `parent`, or in all bytes. */
export function findBox(bytes: Buffer, type: string, parent?: Pick<Box, 'contentStart' | 'end'>): Box | undefined {
  for (const box of boxesIn(bytes, parent?.contentStart, parent?.end)) if (box.type === type) return box
  return undefined
}

/** The same, one inside the other; undefined when one is missing. */
export function findPath(bytes: Buffer, parent: Box, path: readonly string[]): Box | undefined {
  let box: Box | undefined = parent
  for (const type of path) {
    if (box === undefined) return undefined
    box = findBox(bytes, type, box)
  }
  return box
}

export interface FullBoxReader {
  readonly version: number
  readonly flags: number
  readonly reader: ByteReader
}

/** Version and flags of a full box, and what follows. */
export function readFullBox(bytes: Buffer, box: Box): FullBoxReader {
  const reader = new ByteReader(bytes, box.contentStart, box.end)
  const version = reader.u8()
  return { version, flags: reader.u24(), reader }
}
