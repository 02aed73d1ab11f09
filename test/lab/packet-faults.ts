import { TS_PACKET_BYTES } from './marker.ts'

/** What can be wrong with the media of a source whose connection is fine. */
export type PacketFault =
  /** These PIDs are not sent any more. */
  | { readonly kind: 'gone'; readonly pids: readonly number[] }
  /** Every so many packets of these PIDs one is not sent. */
  | { readonly kind: 'lost'; readonly pids: readonly number[]; readonly every: number }
  /** Every so many packets one has transport_error_indicator set. */
  | { readonly kind: 'damaged'; readonly every: number }
  | { readonly kind: 'scrambled'; readonly pids: readonly number[] }
  /** The PCR repeats its last value. */
  | { readonly kind: 'pcr_frozen' }
  /** A null packet now and then in place of the programme, as a relay sends that has lost its own source. */
  | { readonly kind: 'padding_only' }

/** PIDs of the programme `alpha`, which the first origin of a scene plays. */
export const alphaPids = { video: 0x100, audio: 0x101, tables: [0, 0x180] } as const

/** Changes whole packets, one piece after the other. */
export type PacketChange = (piece: Buffer) => Buffer

export function createPacketChange(fault: PacketFault): PacketChange {
  if (fault.kind === 'padding_only') return () => nullPacket()
  const change = changeOf(fault)
  return (piece) => {
    const kept: Buffer[] = []
    for (let at = 0; at < piece.length; at += TS_PACKET_BYTES) {
      const packet = change(Buffer.from(piece.subarray(at, at + TS_PACKET_BYTES)))
      if (packet !== undefined) kept.push(packet)
    }
    return Buffer.concat(kept)
  }
}

/** May write to the packet that it is given; undefined drops it. */
function changeOf(fault: Exclude<PacketFault, { kind: 'padding_only' }>): (packet: Buffer) => Buffer | undefined {
  let count = 0
  switch (fault.kind) {
    case 'gone':
      return (packet) => (fault.pids.includes(pidOf(packet)) ? undefined : packet)
    case 'lost':
      return (packet) => {
        if (!fault.pids.includes(pidOf(packet))) return packet
        count += 1
        return count % fault.every === 0 ? undefined : packet
      }
    case 'damaged':
      return (packet) => {
        count += 1
        return count % fault.every === 0 ? withBits(packet, 1, 0x80) : packet
      }
    case 'scrambled':
      return (packet) => (fault.pids.includes(pidOf(packet)) ? withBits(packet, 3, 0x80) : packet)
    case 'pcr_frozen':
      return freezePcr()
    default:
      return fault satisfies never
  }
}

/** PCR: 6 bytes behind the flags of the adaptation field (ISO/IEC 13818-1 §2.4.3.4). */
function freezePcr(): (packet: Buffer) => Buffer {
  let last: Buffer | undefined
  return (packet) => {
    const hasField = ((packet[3] ?? 0) & 0x20) !== 0 && (packet[4] ?? 0) > 6
    if (!hasField || ((packet[5] ?? 0) & 0x10) === 0) return packet
    last ??= Buffer.from(packet.subarray(6, 12))
    last.copy(packet, 6)
    return packet
  }
}

function withBits(packet: Buffer, at: number, bits: number): Buffer {
  packet[at] = (packet[at] ?? 0) | bits
  return packet
}

function nullPacket(): Buffer {
  const packet = Buffer.alloc(TS_PACKET_BYTES, 0xff)
  packet.set([0x47, 0x1f, 0xff, 0x10])
  return packet
}

const pidOf = (packet: Buffer) => packet.readUInt16BE(1) & 0x1fff
