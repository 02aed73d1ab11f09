import { crc32Mpeg2 } from './crc32.ts'
import { isPayloadUnitStart, PACKET_BYTES, payloadOffset, pidOf } from './packet.ts'
import { SECTION_BYTES_MAX } from './section-assembler.ts'

/** Changes a section in place, but not its length; undefined when it stays as it is. Its CRC_32 is put right afterwards. */
export type SectionEdit = (section: Buffer) => Buffer | undefined

const HEADER_BYTES = 3
const CRC_BYTES = 4
const STUFFING_BYTE = 0xff

/**
 * Edits the sections that begin in the packet at `at` (ISO/IEC 13818-1 §2.4.4), wherever they end: later packets of the PID are looked for behind it.
 * `incomplete` when the last of them does not end within the buffer; then it is as it was.
 */
export function patchSections(packets: Buffer, at: number, edit: SectionEdit): 'complete' | 'incomplete' {
  if (!isPayloadUnitStart(packets, at)) return 'complete'
  const pointerAt = payloadOffset(packets, at)
  let from = pointerAt + 1 + (packets[pointerAt] ?? 0)
  while (from < at + PACKET_BYTES && packets[from] !== STUFFING_BYTE) {
    const places = placesOf(packets, at, from)
    if (places === 'damaged') return 'complete'
    if (places === undefined) return 'incomplete'
    const section = Buffer.from(places.map((place) => packets[place] ?? 0))
    const edited = edit(section)
    if (edited !== undefined) {
      edited.writeUInt32BE(crc32Mpeg2(edited, 0, edited.length - CRC_BYTES), edited.length - CRC_BYTES)
      places.forEach((place, index) => {
        packets[place] = edited[index] ?? 0
      })
    }
    const last = places.at(-1) ?? 0
    if (last >= at + PACKET_BYTES) break
    from = last + 1
  }
  return 'complete'
}

/** Where each byte of the section is that begins at `from`; undefined when it does not end in the buffer. */
function placesOf(packets: Buffer, packetAt: number, from: number): readonly number[] | 'damaged' | undefined {
  const pid = pidOf(packets, packetAt)
  const places: number[] = []
  let bytes = HEADER_BYTES
  let place = from
  let at = packetAt
  for (;;) {
    for (; place < at + PACKET_BYTES && places.length < bytes; place += 1) {
      places.push(place)
      if (places.length === HEADER_BYTES) {
        const [, high = 0, low = 0] = places.map((each) => packets[each] ?? 0)
        bytes = HEADER_BYTES + (((high & 0x0f) << 8) | low)
        if (bytes > SECTION_BYTES_MAX || bytes < HEADER_BYTES + CRC_BYTES) return 'damaged'
      }
    }
    if (places.length >= bytes) return places
    do at += PACKET_BYTES
    while (at + PACKET_BYTES <= packets.length && pidOf(packets, at) !== pid)
    if (at + PACKET_BYTES > packets.length) return undefined
    const payloadAt = payloadOffset(packets, at)
    const isStart = isPayloadUnitStart(packets, at)
    // The rest of a section stands between the pointer and where it points.
    if (isStart && (packets[payloadAt] ?? 0) < bytes - places.length) return 'damaged'
    place = isStart ? payloadAt + 1 : payloadAt
  }
}
