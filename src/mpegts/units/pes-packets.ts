import { PACKET_BYTES, SYNC_BYTE, writePcr } from '../packet.ts'
import { writeTimestamp } from '../splice/pes-header.ts'
import { wrapTimestamp } from '../splice/timestamp.ts'

const PAYLOAD_BYTES = PACKET_BYTES - 4
const PES_LENGTH_MAX = 0xffff
const FLAG_DISCONTINUITY = 0x80
const FLAG_RANDOM_ACCESS = 0x40
const FLAG_PCR = 0x10
const PCR_BYTES = 6

export interface PesContent {
  readonly streamId: number
  /** 90 kHz; wrapped when written. */
  readonly pts: number
  readonly dts: number
  readonly data: Buffer
  /** Video may leave PES_packet_length at 0 (§2.4.3.7). */
  readonly isUnbounded: boolean
}

/** What the first packet's adaptation field says. */
export interface FirstPacket {
  readonly isRandomAccess: boolean
  readonly isDiscontinuity: boolean
  /** 27 MHz, wrapped. */
  readonly pcr: number | undefined
}

/** One PES packet in transport packets of `pid`, the counter of the first being `counter` (ISO/IEC 13818-1 §2.4.3). */
export function packetisePes(pes: PesContent, pid: number, counter: number, first: FirstPacket): Buffer {
  const header = pesHeader(pes)
  const flags =
    (first.isDiscontinuity ? FLAG_DISCONTINUITY : 0) |
    (first.isRandomAccess ? FLAG_RANDOM_ACCESS : 0) |
    (first.pcr === undefined ? 0 : FLAG_PCR)
  const fieldBytes = flags === 0 ? 0 : 2 + (first.pcr === undefined ? 0 : PCR_BYTES)
  const total = header.length + pes.data.length
  const count = 1 + Math.ceil(Math.max(0, total - (PAYLOAD_BYTES - fieldBytes)) / PAYLOAD_BYTES)
  const packets = Buffer.allocUnsafeSlow(count * PACKET_BYTES)
  let taken = 0
  for (let index = 0; index < count; index += 1) {
    const at = index * PACKET_BYTES
    const needed = index === 0 ? fieldBytes : 0
    const payloadBytes = Math.min(total - taken, PAYLOAD_BYTES - needed)
    writeHeader(packets, at, pid, index === 0, (counter + index) & 0x0f, PAYLOAD_BYTES - payloadBytes)
    if (needed > 0) {
      packets[at + 5] = flags
      if (first.pcr !== undefined) writePcr(packets, at, first.pcr)
    }
    const end = at + PACKET_BYTES
    let to = end - payloadBytes
    if (index === 0) to += header.copy(packets, to)
    pes.data.copy(packets, to, Math.max(0, taken - header.length), Math.max(0, taken - header.length) + end - to)
    taken += payloadBytes
  }
  return packets
}

/** The header of a transport packet and an adaptation field of `fieldBytes` that is filled with stuffing (§2.4.3.4). */
function writeHeader(
  packets: Buffer,
  at: number,
  pid: number,
  isStart: boolean,
  counter: number,
  fieldBytes: number,
): void {
  packets[at] = SYNC_BYTE
  packets.writeUInt16BE((isStart ? 0x4000 : 0) | pid, at + 1)
  packets[at + 3] = (fieldBytes > 0 ? 0x30 : 0x10) | counter
  if (fieldBytes === 0) return
  packets[at + 4] = fieldBytes - 1
  if (fieldBytes === 1) return
  packets[at + 5] = 0
  packets.fill(0xff, at + 6, at + 4 + fieldBytes)
}

function pesHeader({ streamId, pts, dts, data, isUnbounded }: PesContent): Buffer {
  const hasDts = dts !== pts
  const header = Buffer.alloc(hasDts ? 19 : 14)
  const length = header.length - 6 + data.length
  header.writeUIntBE(1, 0, 3)
  header[3] = streamId
  header.writeUInt16BE(isUnbounded || length > PES_LENGTH_MAX ? 0 : length, 4)
  // data_alignment_indicator: an access unit begins here.
  header[6] = 0x84
  header[7] = hasDts ? 0xc0 : 0x80
  header[8] = header.length - 9
  header[9] = hasDts ? 0x30 : 0x20
  writeTimestamp(header, 9, wrapTimestamp(pts))
  if (hasDts) {
    header[14] = 0x10
    writeTimestamp(header, 14, wrapTimestamp(dts))
  }
  return header
}
