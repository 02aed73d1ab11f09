import { hasPcr, isPayloadUnitStart, PACKET_BYTES, pcrOf, pidOf } from '../../src/mpegts/packet.ts'
import { packetiseSection, parsePmt, writePmt } from '../../src/mpegts/psi.ts'
import { makePcrPacket, stripPcr } from '../../src/mpegts/splice/adaptation-field.ts'

const PID_PCR = 0x1e0
const TABLE_ID_PMT = 2

/** Moves the PCR of a stream that ffmpeg made onto a PID of its own, which ffmpeg itself cannot. Its PMT fits a packet. */
export function withOwnPcrPid(bytes: Buffer): Buffer {
  const output: Buffer[] = []
  for (let at = 0; at < bytes.length; at += PACKET_BYTES) {
    const packet = Buffer.from(bytes.subarray(at, at + PACKET_BYTES))
    if (hasPcr(packet, 0)) {
      const clock = Buffer.alloc(PACKET_BYTES)
      makePcrPacket(clock, 0, PID_PCR, 0, pcrOf(packet, 0))
      output.push(clock)
      stripPcr(packet, 0)
    }
    output.push(withPcrPid(packet))
  }
  return Buffer.concat(output)
}

function withPcrPid(packet: Buffer): Buffer {
  const isPmt = isPayloadUnitStart(packet, 0) && packet[4] === 0 && packet[5] === TABLE_ID_PMT
  const pmt = isPmt ? parsePmt(packet.subarray(5, 8 + (packet.readUInt16BE(6) & 0x0f_ff))) : undefined
  if (pmt === undefined) return packet
  return packetiseSection(writePmt({ ...pmt, pcrPid: PID_PCR }), pidOf(packet, 0), (packet[3] ?? 0) & 0x0f)
}
