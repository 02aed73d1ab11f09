import { describeStream } from './elementary-stream.ts'
import { PACKET_BYTES, SYNC_BYTE, writePcr } from './packet.ts'
import { packetiseSection, writePat, writePmt } from './psi.ts'

/** Builds transport streams for tests: small, legal, and with every field under control. */
export interface PacketFields {
  readonly pid: number
  readonly counter?: number
  readonly isStart?: boolean
  readonly isRandomAccess?: boolean
  readonly isDiscontinuity?: boolean
  readonly isScrambled?: boolean
  readonly hasError?: boolean
  /** In 27 MHz units. */
  readonly pcr?: number
  /** At most 184 bytes, less what the adaptation field takes; the rest is stuffed. Without it the packet has none. */
  readonly payload?: Buffer
}

export const PMT_PID = 0x1000
export const VIDEO_PID = 0x100
export const AUDIO_PID = 0x101
export const STREAM_TYPE_H264 = 0x1b
export const STREAM_TYPE_AAC = 0x0f

const PICTURE_FILL = Buffer.alloc(40, 0xab)

/** Access units with as little as a decision about them needs; the first slice byte codes first_mb 0 and the type. */
export const h264 = {
  aud: Buffer.from('0000000109f0', 'hex'),
  sps: Buffer.from('000000016742c01eda', 'hex'),
  recoveryPoint: Buffer.from('00000001060601c480', 'hex'),
  userData: Buffer.from('000000010605046162636480', 'hex'),
  idr: Buffer.concat([Buffer.from('0000000165888400', 'hex'), PICTURE_FILL]),
  intra: Buffer.concat([Buffer.from('00000001418884', 'hex'), PICTURE_FILL]),
  predicted: Buffer.concat([Buffer.from('00000001419a84', 'hex'), PICTURE_FILL]),
}

/** One packet of 188 bytes. */
export function packet(fields: PacketFields): Buffer {
  const { pid, counter = 0, payload, pcr } = fields
  const needsFlags = pcr !== undefined || fields.isRandomAccess === true || fields.isDiscontinuity === true
  const room = PACKET_BYTES - 4 - (payload?.length ?? 0)
  const bytes = Buffer.alloc(PACKET_BYTES, 0xff)
  bytes[0] = SYNC_BYTE
  bytes.writeUInt16BE((fields.hasError === true ? 0x8000 : 0) | (fields.isStart === true ? 0x4000 : 0) | pid, 1)
  const hasAdaptation = needsFlags || room > 0
  bytes[3] =
    (fields.isScrambled === true ? 0x80 : 0) |
    (hasAdaptation ? 0x20 : 0) |
    (payload === undefined ? 0 : 0x10) |
    (counter & 0x0f)
  if (hasAdaptation) bytes[4] = room - 1
  if (room > 1) {
    bytes[5] =
      (fields.isDiscontinuity === true ? 0x80 : 0) |
      (fields.isRandomAccess === true ? 0x40 : 0) |
      (pcr === undefined ? 0 : 0x10)
  }
  if (pcr !== undefined) writePcr(bytes, 0, pcr)
  payload?.copy(bytes, PACKET_BYTES - payload.length)
  return bytes
}

/** A PES packet of unbounded length with a PTS field of zero. */
export function pes(elementary: Buffer, streamId = 0xe0): Buffer {
  return Buffer.concat([Buffer.from([0, 0, 1, streamId, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1]), elementary])
}

export interface PesOptions {
  readonly isRandomAccess?: boolean
  readonly pcr?: number
  readonly streamId?: number
  readonly isScrambled?: boolean
}

export interface ProgrammeShape {
  readonly programmeNumber: number
  readonly pmtPid: number
  readonly pcrPid: number
  readonly streams: readonly { readonly pid: number; readonly streamType: number; readonly descriptors?: Buffer }[]
}

export const VIDEO_PROGRAMME: ProgrammeShape = {
  programmeNumber: 1,
  pmtPid: PMT_PID,
  pcrPid: VIDEO_PID,
  streams: [
    { pid: VIDEO_PID, streamType: STREAM_TYPE_H264 },
    { pid: AUDIO_PID, streamType: STREAM_TYPE_AAC },
  ],
}

export interface TestMux {
  tables(version?: number): Buffer
  pes(pid: number, elementary: Buffer, options?: PesOptions): Buffer
  packet(fields: PacketFields): Buffer
}

/** A multiplexer that keeps the continuity counters. */
export function createMux(programmes: readonly ProgrammeShape[] = [VIDEO_PROGRAMME]): TestMux {
  const counters = new Map<number, number>()
  const advance = (pid: number, count: number) => {
    const counter = counters.get(pid) ?? 0
    counters.set(pid, (counter + count) & 0x0f)
    return counter
  }
  const section = (pid: number, bytes: Buffer) =>
    packetiseSection(bytes, pid, advance(pid, Math.ceil((bytes.length + 1) / (PACKET_BYTES - 4))))
  return {
    tables(version = 0) {
      const identity = { version, isCurrent: true }
      const pat = { ...identity, transportStreamId: 1, sectionNumber: 0, lastSectionNumber: 0, programmes }
      const parts = [section(0, writePat(pat))]
      for (const { programmeNumber, pmtPid, pcrPid, streams } of programmes) {
        const described = streams.map(({ pid, streamType, descriptors = Buffer.alloc(0) }) =>
          describeStream(pid, streamType, descriptors),
        )
        const pmt = { ...identity, programmeNumber, pcrPid, descriptors: Buffer.alloc(0), streams: described }
        parts.push(section(pmtPid, writePmt(pmt)))
      }
      return Buffer.concat(parts)
    },
    pes(pid, elementary, { isRandomAccess = false, pcr, streamId, isScrambled = false } = {}) {
      const bytes = pes(elementary, streamId)
      const packets: Buffer[] = []
      for (let at = 0; at < bytes.length;) {
        const isStart = at === 0
        const payload = bytes.subarray(at, at + (isStart ? 176 : 184))
        const timing = isStart && pcr !== undefined ? { pcr } : {}
        const flags = { isStart, isRandomAccess: isStart && isRandomAccess, isScrambled }
        packets.push(packet({ pid, counter: advance(pid, 1), payload, ...flags, ...timing }))
        at += payload.length
      }
      return Buffer.concat(packets)
    },
    packet: (fields) => packet({ ...fields, counter: advance(fields.pid, fields.payload === undefined ? 0 : 1) }),
  }
}

/** Cuts at the given sizes, again and again, to the end. */
export function cut(bytes: Buffer, sizes: readonly number[]): readonly Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const size = Math.max(1, sizes[index % sizes.length] ?? 1)
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}
