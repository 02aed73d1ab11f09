import { TS_PACKET_BYTES } from './marker.ts'
import { crc32 } from './ts-loop.ts'

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
  /** PTS and DTS of these PIDs repeat their last values; the PCR goes on. */
  | { readonly kind: 'timestamps_frozen'; readonly pids: readonly number[] }
  /** Of each unit of these PIDs only the first packet is sent, with counters that hide it. */
  | { readonly kind: 'thinned'; readonly pids: readonly number[] }
  /** H.264 of this PID: keyframes are not told as such any more, as with an encoder that sends none. */
  | { readonly kind: 'keyframes_hidden'; readonly pid: number }
  /** The PMT lists a stream with another stream_type. */
  | { readonly kind: 'retyped'; readonly pmtPid: number; readonly pid: number; readonly streamType: number }
  /** A null packet now and then in place of the programme, as a relay sends that has lost its own source. */
  | { readonly kind: 'padding_only' }

/** PIDs of the programme `alpha`, which the first origin of a scene plays. */
export const alphaPids = { video: 0x100, audio: 0x101, tables: [0, 0x180], pmt: 0x180 } as const

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
    case 'timestamps_frozen':
      return freezeTimestamps(fault.pids)
    case 'thinned':
      return thin(fault.pids)
    case 'keyframes_hidden':
      return (packet) => (pidOf(packet) === fault.pid ? withoutKeyframe(packet) : packet)
    case 'retyped':
      return (packet) => (pidOf(packet) === fault.pmtPid ? retyped(packet, fault.pid, fault.streamType) : packet)
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

/** PTS, or PTS and DTS: 5 bytes each behind the 9 of the PES header (§2.4.3.7). */
function freezeTimestamps(pids: readonly number[]): (packet: Buffer) => Buffer {
  const last = new Map<number, Buffer>()
  return (packet) => {
    const pid = pidOf(packet)
    const pes = payloadAt(packet)
    if (!pids.includes(pid) || !isStart(packet) || ((packet[pes + 7] ?? 0) & 0x80) === 0) return packet
    const bytes = ((packet[pes + 7] ?? 0) & 0x40) === 0 ? 5 : 10
    const own = packet.subarray(pes + 9, pes + 9 + bytes)
    const kept = last.get(pid * 16 + bytes) ?? Buffer.from(own)
    last.set(pid * 16 + bytes, kept)
    kept.copy(own)
    return packet
  }
}

function thin(pids: readonly number[]): (packet: Buffer) => Buffer | undefined {
  const counters = new Map<number, number>()
  return (packet) => {
    const pid = pidOf(packet)
    if (!pids.includes(pid)) return packet
    if (!isStart(packet)) return undefined
    const counter = ((counters.get(pid) ?? packet[3] ?? 0) & 0x0f) + (counters.has(pid) ? 1 : 0)
    counters.set(pid, counter)
    packet[3] = ((packet[3] ?? 0) & 0xf0) | (counter & 0x0f)
    return packet
  }
}

/** IDR slices (5) become others (1), parameter sets (7) filler (12), and the adaptation field says nothing of them. */
function withoutKeyframe(packet: Buffer): Buffer {
  const hasField = ((packet[3] ?? 0) & 0x20) !== 0 && (packet[4] ?? 0) > 0
  if (hasField) packet[5] = (packet[5] ?? 0) & ~0x40
  for (let at = payloadAt(packet); at + 3 < packet.length; at += 1) {
    if (packet.readUIntBE(at, 3) !== 1) continue
    const type = (packet[at + 3] ?? 0) & 0x1f
    if (type === 5) packet[at + 3] = 0x41
    if (type === 7) packet[at + 3] = 0x0c
  }
  return packet
}

/** In a PMT of one packet: 5 bytes for each stream behind 12 and the programme's descriptors (§2.4.4.9). */
function retyped(packet: Buffer, pid: number, streamType: number): Buffer {
  const section = payloadAt(packet) + 1
  const end = section + 3 + (packet.readUInt16BE(section + 1) & 0x0fff) - 4
  for (let at = section + 12 + (packet.readUInt16BE(section + 10) & 0x0fff); at < end;) {
    if ((packet.readUInt16BE(at + 1) & 0x1fff) === pid) packet[at] = streamType
    at += 5 + (packet.readUInt16BE(at + 3) & 0x0fff)
  }
  packet[section + 5] = (packet[section + 5] ?? 0) ^ 0x02
  packet.writeUInt32BE(crc32(packet.subarray(section, end)), end)
  return packet
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
const isStart = (packet: Buffer) => ((packet[1] ?? 0) & 0x40) !== 0
const payloadAt = (packet: Buffer) => 4 + (((packet[3] ?? 0) & 0x20) === 0 ? 0 : 1 + (packet[4] ?? 0))
