/**
 * The lab's mark: a small PES packet of a KLV metadata stream that the PMT lists (SMPTE RP 217; players carry it along and do
 * not decode it). It says which source it came from and when it was due there, so that each
 * stretch of a viewer's bytes can be attributed exactly, also behind a splice that gives streams other PIDs.
 */
export const TS_PACKET_BYTES = 188
export const SYNC_BYTE = 0x47

const MAGIC = Buffer.from('HOLDFAST-LAB', 'latin1')
/** Packet header, then a PES header with a PTS (ISO/IEC 13818-1 §2.4.3.6). */
const PES_AT = 4
const PES_HEADER_BYTES = 14
export const MARK_PTS_AT = PES_AT + 9
const MAGIC_AT = PES_AT + PES_HEADER_BYTES
/** private_stream_1 */
const STREAM_ID = 0xbd
const MARK_PID = 0x1f0
/** The stream's entry in a PMT: private data with the registration descriptor `KLVA`. */
export const MARK_STREAM = Buffer.from([
  0x06,
  0xe0 | (MARK_PID >> 8),
  MARK_PID & 0xff,
  0xf0,
  6,
  5,
  4,
  ...Buffer.from('KLVA'),
])
const STAMP_AT = MAGIC_AT + MAGIC.length
const NAME_LENGTH_AT = STAMP_AT + 8
const NAME_AT = NAME_LENGTH_AT + 1
const NAME_BYTES_MAX = 100

export interface Mark {
  readonly source: string
  /** When the packet was due at its source, in milliseconds of the lab's clock. */
  readonly dueMs: number
}

export function markPacket(source: string): Buffer {
  const name = Buffer.from(source, 'utf8')
  if (name.length > NAME_BYTES_MAX) throw new Error(`a source's name has at most ${NAME_BYTES_MAX} bytes`)
  const packet = Buffer.alloc(TS_PACKET_BYTES, 0xff)
  packet.set([SYNC_BYTE, 0x40 | (MARK_PID >> 8), MARK_PID & 0xff, 0x10], 0)
  packet.set([0, 0, 1, STREAM_ID, 0, TS_PACKET_BYTES - PES_AT - 6, 0x84, 0x80, 5, 0x21, 0, 1, 0, 1], PES_AT)
  packet.set(MAGIC, MAGIC_AT)
  packet.writeDoubleBE(0, STAMP_AT)
  packet[NAME_LENGTH_AT] = name.length
  packet.set(name, NAME_AT)
  return packet
}

export function stampMark(buffer: Buffer, packetAt: number, dueMs: number): void {
  buffer.writeDoubleBE(dueMs, packetAt + STAMP_AT)
}

/** The mark in the packet that begins at `at`, if it is one. */
export function readMark(buffer: Buffer, at: number): Mark | undefined {
  if (((buffer[at + 1] ?? 0) & 0x40) === 0 || buffer[at + PES_AT + 3] !== STREAM_ID) return undefined
  if (buffer.compare(MAGIC, 0, MAGIC.length, at + MAGIC_AT, at + STAMP_AT) !== 0) return undefined
  const length = buffer[at + NAME_LENGTH_AT] ?? 0
  return {
    source: buffer.toString('utf8', at + NAME_AT, at + NAME_AT + length),
    dueMs: buffer.readDoubleBE(at + STAMP_AT),
  }
}

/** Whose a piece of whole packets is, by the first mark in it. */
export function markedSource(packets: Buffer): string | undefined {
  for (let at = 0; at + TS_PACKET_BYTES <= packets.length; at += TS_PACKET_BYTES) {
    const mark = readMark(packets, at)
    if (mark !== undefined) return mark.source
  }
  return undefined
}
