import { NO_TIMESTAMP } from './timestamp.ts'

/**
 * The header of a PES packet, ISO/IEC 13818-1 §2.4.3.6, as far as the splice needs it. One object is filled again and
 * again, so that none is made per packet.
 */
export interface PesHeader {
  /** PES_packet_length; 0 when it is not told. */
  packetLength: number
  /** 90 kHz; NO_TIMESTAMP where there is none. `dts` is the PTS when no DTS is written. */
  pts: number
  dts: number
  /** Offsets of the fields in the buffer, −1 where absent. */
  ptsAt: number
  dtsAt: number
  /** Offset of the first byte of the elementary stream, which may lie behind the packet. */
  dataAt: number
}

/** `cut-off`: a header whose timestamps do not all lie in the packet that begins it. */
export type PesHeaderKind = 'whole' | 'cut-off' | 'none'

const FIXED_BYTES = 9
const TIMESTAMP_BYTES = 5
/** Bytes before PES_packet_length counts. */
export const PES_PREFIX_BYTES = 6
/** stream_id values whose packets have no optional header (Table 2-21). */
const STREAM_IDS_WITHOUT_HEADER: ReadonlySet<number> = new Set([0xbc, 0xbe, 0xbf, 0xf0, 0xf1, 0xf2, 0xf8, 0xff])

export function makePesHeader(): PesHeader {
  return { packetLength: 0, pts: NO_TIMESTAMP, dts: NO_TIMESTAMP, ptsAt: -1, dtsAt: -1, dataAt: 0 }
}

/** Reads the PES header that begins at `at`; the packet's payload ends before `end`. */
export function readPesHeader(bytes: Buffer, at: number, end: number, header: PesHeader): PesHeaderKind {
  header.packetLength = 0
  header.pts = NO_TIMESTAMP
  header.dts = NO_TIMESTAMP
  header.ptsAt = -1
  header.dtsAt = -1
  header.dataAt = end
  if (at + PES_PREFIX_BYTES > end) return end > at && bytes[at] === 0 ? 'cut-off' : 'none'
  if (bytes[at] !== 0 || bytes[at + 1] !== 0 || bytes[at + 2] !== 1) return 'none'
  header.packetLength = bytes.readUInt16BE(at + 4)
  header.dataAt = at + PES_PREFIX_BYTES
  if (STREAM_IDS_WITHOUT_HEADER.has(bytes[at + 3] ?? 0)) return 'whole'
  if (at + FIXED_BYTES > end) return 'cut-off'
  if (((bytes[at + 6] ?? 0) & 0xc0) !== 0x80) return 'none'
  const flags = bytes[at + 7] ?? 0
  const headerBytes = bytes[at + 8] ?? 0
  header.dataAt = at + FIXED_BYTES + headerBytes
  const fieldsBytes = (flags & 0x80) === 0 ? 0 : (flags & 0x40) === 0 ? TIMESTAMP_BYTES : 2 * TIMESTAMP_BYTES
  if (fieldsBytes === 0 || headerBytes < fieldsBytes) return 'whole'
  if (at + FIXED_BYTES + fieldsBytes > end) return 'cut-off'
  header.ptsAt = at + FIXED_BYTES
  header.pts = readTimestamp(bytes, header.ptsAt)
  header.dts = header.pts
  if (fieldsBytes > TIMESTAMP_BYTES) {
    header.dtsAt = header.ptsAt + TIMESTAMP_BYTES
    header.dts = readTimestamp(bytes, header.dtsAt)
  }
  return 'whole'
}

/** The 33-bit timestamp in the five bytes at `at`. */
export function readTimestamp(bytes: Buffer, at: number): number {
  const high = ((bytes[at] ?? 0) >>> 1) & 0x07
  const middle = ((bytes[at + 1] ?? 0) << 7) | ((bytes[at + 2] ?? 0) >>> 1)
  const low = ((bytes[at + 3] ?? 0) << 7) | ((bytes[at + 4] ?? 0) >>> 1)
  return high * 2 ** 30 + middle * 2 ** 15 + low
}

/** Writes a timestamp over the one at `at`; its four-bit prefix stays. */
export function writeTimestamp(bytes: Buffer, at: number, ticks: number): void {
  const high = Math.floor(ticks / 2 ** 30)
  const low = ticks % 2 ** 30
  bytes[at] = ((bytes[at] ?? 0) & 0xf0) | (high << 1) | 1
  bytes[at + 1] = low >>> 22
  bytes[at + 2] = ((low >>> 14) & 0xfe) | 1
  bytes[at + 3] = (low >>> 7) & 0xff
  bytes[at + 4] = ((low << 1) & 0xfe) | 1
}
