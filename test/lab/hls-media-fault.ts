import type { HlsFault } from './hls-fault.ts'
import { TS_PACKET_BYTES } from './marker.ts'
import { streamPids } from './hls-media.ts'

const PAYLOAD_AND_SCRAMBLED = 0x80

/** What a fault makes of the media of a segment; with `repeat` it is another segment, whole. */
export function damagedMedia(
  body: Buffer,
  fault: Extract<HlsFault, { kind: 'without' | 'scrambled' | 'repeat' }>,
): Buffer {
  if (fault.kind === 'repeat') return body
  const { video, audio } = streamPids(body)
  const packets = Array.from({ length: body.length / TS_PACKET_BYTES }, (_, at) =>
    body.subarray(at * TS_PACKET_BYTES, (at + 1) * TS_PACKET_BYTES),
  )
  const pidOf = (packet: Buffer) => packet.readUInt16BE(1) & 0x1fff
  if (fault.kind === 'without') {
    const gone = fault.stream === 'video' ? video : audio
    return Buffer.concat(packets.filter((packet) => pidOf(packet) !== gone))
  }
  const scrambled = packets.map((packet) => {
    if (pidOf(packet) !== video && pidOf(packet) !== audio) return packet
    const copy = Buffer.from(packet)
    copy[3] = (copy[3] ?? 0) | PAYLOAD_AND_SCRAMBLED
    return copy
  })
  return Buffer.concat(scrambled)
}
