const PACKET_BYTES = 188
const PACKETS = 7
const PID_NULL = 0x1fff

/** Null packets as many as fit into one datagram (ISO/IEC 13818-1 §2.4.1): bytes on the wire that mean nothing. */
export const NULL_PACKETS: Buffer = Buffer.alloc(PACKET_BYTES * PACKETS, 0xff)
for (let at = 0; at < NULL_PACKETS.length; at += PACKET_BYTES) {
  NULL_PACKETS.writeUInt8(0x47, at)
  NULL_PACKETS.writeUInt16BE(PID_NULL, at + 1)
  NULL_PACKETS.writeUInt8(0x10, at + 3)
}
