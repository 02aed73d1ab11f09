/**
 * The lab's mark: a null packet (PID 0x1FFF, ISO/IEC 13818-1 §2.4.3.3, ignored by every decoder) that says which source
 * it came from and when it was due there, so that each stretch of a viewer's bytes can be attributed exactly.
 */
export const TS_PACKET_BYTES = 188
export const SYNC_BYTE = 0x47

const MAGIC = Buffer.from('HOLDFAST-LAB', 'latin1')
const MAGIC_AT = 4
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
  packet.set([SYNC_BYTE, 0x1f, 0xff, 0x10], 0)
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
  if (buffer[at + 1] !== 0x1f || buffer[at + 2] !== 0xff) return undefined
  if (buffer.compare(MAGIC, 0, MAGIC.length, at + MAGIC_AT, at + STAMP_AT) !== 0) return undefined
  const length = buffer[at + NAME_LENGTH_AT] ?? 0
  return {
    source: buffer.toString('utf8', at + NAME_AT, at + NAME_AT + length),
    dueMs: buffer.readDoubleBE(at + STAMP_AT),
  }
}
