import { crc32Mpeg2 } from './crc32.ts'
import { describeStream } from './elementary-stream.ts'
import type { ElementaryStream } from './elementary-stream.ts'
import { PACKET_BYTES, SYNC_BYTE } from './packet.ts'
import { SECTION_BYTES_MAX } from './section-assembler.ts'

/** Programme association and map tables, ISO/IEC 13818-1 §2.4.4: read from sections and written to packets. */
export const TABLE_ID_PAT = 0x00
export const TABLE_ID_PMT = 0x02

interface SectionIdentity {
  /** version_number, 0 to 31. */
  readonly version: number
  /** current_next_indicator: false announces a table that is not valid yet. */
  readonly isCurrent: boolean
}

export interface PatEntry {
  readonly programmeNumber: number
  readonly pmtPid: number
}

export interface Pat extends SectionIdentity {
  readonly transportStreamId: number
  readonly sectionNumber: number
  readonly lastSectionNumber: number
  /** Without the network PID (programme number 0). */
  readonly programmes: readonly PatEntry[]
}

export interface Pmt extends SectionIdentity {
  readonly programmeNumber: number
  /** 0x1FFF when the programme has no PCR. */
  readonly pcrPid: number
  /** The programme's own descriptor loop. */
  readonly descriptors: Buffer
  readonly streams: readonly ElementaryStream[]
}

/** Bytes from table_id to last_section_number, and of CRC_32. */
const LONG_HEADER_BYTES = 8
const CRC_BYTES = 4
const PMT_FIXED_BYTES = 4
const STREAM_ENTRY_BYTES = 5

/** Whether a section has the long form, the length it says and a right CRC_32. */
export function isIntactSection(section: Buffer): boolean {
  if (section.length < LONG_HEADER_BYTES + CRC_BYTES || section.length > SECTION_BYTES_MAX) return false
  const length = 3 + (section.readUInt16BE(1) & 0x0fff)
  return length === section.length && ((section[1] ?? 0) & 0x80) !== 0 && crc32Mpeg2(section) === 0
}

/** Reads a PAT section (§2.4.4.3); undefined when it is not one or is damaged. */
export function parsePat(section: Buffer): Pat | undefined {
  if (section[0] !== TABLE_ID_PAT || !isIntactSection(section)) return undefined
  const programmes: PatEntry[] = []
  for (let at = LONG_HEADER_BYTES; at + 4 <= section.length - CRC_BYTES; at += 4) {
    const programmeNumber = section.readUInt16BE(at)
    if (programmeNumber !== 0) programmes.push({ programmeNumber, pmtPid: section.readUInt16BE(at + 2) & 0x1fff })
  }
  return {
    transportStreamId: section.readUInt16BE(3),
    ...identityOf(section),
    sectionNumber: section[6] ?? 0,
    lastSectionNumber: section[7] ?? 0,
    programmes,
  }
}

/** Reads a PMT section (§2.4.4.8) into data of its own; undefined when it is not one or is damaged. */
export function parsePmt(section: Buffer): Pmt | undefined {
  if (section[0] !== TABLE_ID_PMT || !isIntactSection(section)) return undefined
  const end = section.length - CRC_BYTES
  if (end < LONG_HEADER_BYTES + PMT_FIXED_BYTES) return undefined
  const own = Buffer.from(section)
  const streamsAt = LONG_HEADER_BYTES + PMT_FIXED_BYTES + (own.readUInt16BE(10) & 0x0fff)
  if (streamsAt > end) return undefined
  const streams: ElementaryStream[] = []
  for (let at = streamsAt; at + STREAM_ENTRY_BYTES <= end;) {
    const next = at + STREAM_ENTRY_BYTES + (own.readUInt16BE(at + 3) & 0x0fff)
    if (next > end) return undefined
    const pid = own.readUInt16BE(at + 1) & 0x1fff
    streams.push(describeStream(pid, own[at] ?? 0, own.subarray(at + STREAM_ENTRY_BYTES, next)))
    at = next
  }
  return {
    programmeNumber: own.readUInt16BE(3),
    ...identityOf(own),
    pcrPid: own.readUInt16BE(8) & 0x1fff,
    descriptors: own.subarray(LONG_HEADER_BYTES + PMT_FIXED_BYTES, streamsAt),
    streams,
  }
}

function identityOf(section: Buffer): SectionIdentity {
  const byte = section[5] ?? 0
  return { version: (byte >>> 1) & 0x1f, isCurrent: (byte & 1) !== 0 }
}

/** A PAT section with its CRC_32. Throws a RangeError when the programmes do not fit into one section (253). */
export function writePat(pat: Pat): Buffer {
  const body = Buffer.alloc(pat.programmes.length * 4)
  pat.programmes.forEach(({ programmeNumber, pmtPid }, index) => {
    body.writeUInt16BE(programmeNumber, index * 4)
    body.writeUInt16BE(0xe000 | pmtPid, index * 4 + 2)
  })
  return writeSection(TABLE_ID_PAT, pat.transportStreamId, pat, [pat.sectionNumber, pat.lastSectionNumber], body)
}

/** What `writePmt` needs of a PMT: streams without what is derived from their descriptors. */
export interface PmtContent extends Omit<Pmt, 'streams'> {
  readonly streams: readonly Pick<ElementaryStream, 'pid' | 'streamType' | 'descriptors'>[]
}

/** A PMT section with its CRC_32. Throws a RangeError when it would be longer than 1024 bytes. */
export function writePmt(pmt: PmtContent): Buffer {
  const parts = [Buffer.alloc(PMT_FIXED_BYTES), pmt.descriptors]
  parts[0]?.writeUInt16BE(0xe000 | pmt.pcrPid, 0)
  parts[0]?.writeUInt16BE(0xf000 | pmt.descriptors.length, 2)
  for (const { pid, streamType, descriptors } of pmt.streams) {
    const entry = Buffer.alloc(STREAM_ENTRY_BYTES)
    entry[0] = streamType
    entry.writeUInt16BE(0xe000 | pid, 1)
    entry.writeUInt16BE(0xf000 | descriptors.length, 3)
    parts.push(entry, descriptors)
  }
  return writeSection(TABLE_ID_PMT, pmt.programmeNumber, pmt, [0, 0], Buffer.concat(parts))
}

function writeSection(
  tableId: number,
  idExtension: number,
  { version, isCurrent }: SectionIdentity,
  [sectionNumber, lastSectionNumber]: readonly [number, number],
  body: Buffer,
): Buffer {
  const section = Buffer.alloc(LONG_HEADER_BYTES + body.length + CRC_BYTES)
  if (section.length > SECTION_BYTES_MAX) {
    throw new RangeError(`a section of ${section.length} bytes is longer than ${SECTION_BYTES_MAX}`)
  }
  section[0] = tableId
  section.writeUInt16BE(0xb000 | (section.length - 3), 1)
  section.writeUInt16BE(idExtension, 3)
  section[5] = 0xc0 | (version << 1) | (isCurrent ? 1 : 0)
  section[6] = sectionNumber
  section[7] = lastSectionNumber
  body.copy(section, LONG_HEADER_BYTES)
  section.writeUInt32BE(crc32Mpeg2(section, 0, section.length - CRC_BYTES), section.length - CRC_BYTES)
  return section
}

/**
 * Puts one section into as many packets of `pid` as it needs, padded with stuffing bytes (§2.4.4.1). The first packet
 * gets `continuityCounter`, the following ones count on modulo 16.
 */
export function packetiseSection(section: Buffer, pid: number, continuityCounter: number): Buffer {
  const payload = Buffer.concat([Buffer.from([0]), section])
  const capacity = PACKET_BYTES - 4
  const count = Math.ceil(payload.length / capacity)
  const packets = Buffer.alloc(count * PACKET_BYTES, 0xff)
  for (let index = 0; index < count; index += 1) {
    const at = index * PACKET_BYTES
    packets[at] = SYNC_BYTE
    packets.writeUInt16BE((index === 0 ? 0x4000 : 0) | pid, at + 1)
    packets[at + 3] = 0x10 | ((continuityCounter + index) & 0x0f)
    payload.copy(packets, at + 4, index * capacity, (index + 1) * capacity)
  }
  return packets
}
