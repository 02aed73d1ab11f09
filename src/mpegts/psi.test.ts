import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc32Mpeg2 } from './crc32.ts'
import { describeStream, parseDescriptors } from './elementary-stream.ts'
import { PACKET_BYTES } from './packet.ts'
import { isIntactSection, packetiseSection, parsePat, parsePmt, writePat, writePmt } from './psi.ts'
import { SECTION_BYTES_MAX, SectionAssembler } from './section-assembler.ts'
import { packet } from './testing.ts'

const CURRENT = { version: 3, isCurrent: true }
const PAT = { ...CURRENT, transportStreamId: 7, sectionNumber: 0, lastSectionNumber: 0 }

function sectionsOf(packets: Buffer, assembler = new SectionAssembler()): Buffer[] {
  const sections: Buffer[] = []
  for (let at = 0; at < packets.length; at += PACKET_BYTES) {
    assembler.push(packets, at, (section) => sections.push(Buffer.from(section)))
  }
  return sections
}

function pmtWith(descriptorBytes: number): Buffer {
  const streams = [0, 1, 2, 3].map((index) => ({
    pid: 0x100 + index,
    streamType: 6,
    descriptors: Buffer.alloc(descriptorBytes, index + 1),
  }))
  return writePmt({ ...CURRENT, programmeNumber: 1, pcrPid: 0x100, descriptors: Buffer.alloc(0), streams })
}

test('the checksum is CRC-32/MPEG-2: its check value, and nothing left over a section with its own', () => {
  assert.equal(crc32Mpeg2(Buffer.from('123456789')), 0x0376e6e7)
  const section = writePat({ ...PAT, programmes: [{ programmeNumber: 1, pmtPid: 0x1000 }] })
  assert.equal(crc32Mpeg2(section), 0)
})

test('reads a PAT that a broadcast multiplexer wrote', () => {
  const pat = parsePat(Buffer.from('00b00d0001c100000001f0002ab104b2', 'hex'))
  assert.deepEqual(pat?.programmes, [{ programmeNumber: 1, pmtPid: 0x1000 }])
  assert.equal(pat.version, 0)
  assert.equal(pat.transportStreamId, 1)
})

test('a PAT with many programmes comes back as it was written, without the network PID', () => {
  const programmes = Array.from({ length: 60 }, (_, index) => ({ programmeNumber: index, pmtPid: 0x20 + index }))
  const pat = parsePat(writePat({ ...PAT, programmes }))
  assert.deepEqual(pat?.programmes, programmes.slice(1))
  assert.equal(pat.version, 3)
})

test('a PMT comes back as it was written, with what its streams are', () => {
  const streams = [
    { pid: 0x100, streamType: 0x1b, descriptors: Buffer.alloc(0) },
    { pid: 0x101, streamType: 0x0f, descriptors: Buffer.from('0a0444455500', 'hex') },
    { pid: 0x102, streamType: 0x06, descriptors: Buffer.from('6a0100', 'hex') },
    { pid: 0x103, streamType: 0x06, descriptors: Buffer.from('560566696e0100', 'hex') },
    { pid: 0x104, streamType: 0x06, descriptors: Buffer.from('59087377651000010001', 'hex') },
    { pid: 0x105, streamType: 0x06, descriptors: Buffer.from('05044f707573', 'hex') },
    { pid: 0x106, streamType: 0x81, descriptors: Buffer.alloc(0) },
    { pid: 0x107, streamType: 0x86, descriptors: Buffer.alloc(0) },
    { pid: 0x108, streamType: 0x06, descriptors: Buffer.alloc(0) },
  ]
  const pmt = parsePmt(
    writePmt({ ...CURRENT, programmeNumber: 9, pcrPid: 0x1ff0, descriptors: Buffer.from('0500', 'hex'), streams }),
  )
  assert.deepEqual(
    pmt?.streams.map(({ pid, kind, codec, language }) => [pid, kind, codec, language]),
    [
      [0x100, 'video', 'h264', undefined],
      [0x101, 'audio', 'aac', 'deu'],
      [0x102, 'audio', 'ac3', undefined],
      [0x103, 'subtitles', 'teletext', 'fin'],
      [0x104, 'subtitles', 'dvb-subtitles', 'swe'],
      [0x105, 'audio', 'opus', undefined],
      [0x106, 'audio', 'ac3', undefined],
      [0x107, 'data', 'scte35', undefined],
      [0x108, 'data', 'unknown', undefined],
    ],
  )
  assert.equal(pmt.pcrPid, 0x1ff0)
  assert.equal(pmt.descriptors.toString('hex'), '0500')
})

test('a section with one wrong bit anywhere is refused', () => {
  const section = pmtWith(10)
  for (let bit = 0; bit < section.length * 8; bit += 1) {
    const damaged = Buffer.from(section)
    damaged[bit >>> 3] = (damaged[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
    assert.equal(parsePmt(damaged), undefined, `bit ${bit}`)
  }
})

test('a PMT whose loops claim more than the section has is refused even with a right checksum', () => {
  for (const at of [10, 15]) {
    const section = Buffer.from(pmtWith(10))
    section.writeUInt16BE(0xf3ff, at)
    section.writeUInt32BE(crc32Mpeg2(section, 0, section.length - 4), section.length - 4)
    assert.ok(isIntactSection(section))
    assert.equal(parsePmt(section), undefined)
  }
})

test('a section that does not fit is refused when it is written', () => {
  assert.throws(() => pmtWith(300), RangeError)
})

test('a section over several packets is put together again, whatever its length', () => {
  for (const descriptorBytes of [0, 36, 37, 38, 120, 240]) {
    const section = pmtWith(descriptorBytes)
    const packets = packetiseSection(section, 0x1000, 14)
    assert.equal(packets.length, Math.ceil((section.length + 1) / 184) * PACKET_BYTES)
    assert.deepEqual(sectionsOf(packets), [section])
  }
})

test('sections that share packets are told apart by the pointer field', () => {
  const first = pmtWith(60)
  const second = writePat({ ...PAT, programmes: [{ programmeNumber: 1, pmtPid: 0x1000 }] })
  const payloads = Buffer.concat([Buffer.from([0]), first.subarray(0, 183)])
  const tail = first.subarray(183)
  const rest = Buffer.concat([
    Buffer.from([tail.length]),
    tail,
    second,
    Buffer.alloc(183 - tail.length - second.length, 0xff),
  ])
  const packets = Buffer.concat([
    packet({ pid: 0, isStart: true, payload: payloads }),
    packet({ pid: 0, isStart: true, counter: 1, payload: rest }),
  ])
  assert.deepEqual(sectionsOf(packets), [first, second])
})

test('a lost packet in the middle of a section costs that section only', () => {
  const assembler = new SectionAssembler()
  const packets = packetiseSection(pmtWith(120), 0x1000, 0)
  const withHole = Buffer.concat([packets.subarray(0, PACKET_BYTES), packets.subarray(2 * PACKET_BYTES)])
  assert.deepEqual(sectionsOf(withHole, assembler).filter(isIntactSection), [])
  assert.deepEqual(sectionsOf(packets, assembler).filter(isIntactSection), [pmtWith(120)])
})

test('a section that claims to be longer than the limit is dropped', () => {
  const long = Buffer.alloc(180, 0)
  long.writeUInt16BE(0xb000 | SECTION_BYTES_MAX, 2)
  const packets = Array.from({ length: 20 }, (_, counter) =>
    packet({ pid: 0, isStart: counter === 0, counter, payload: long }),
  )
  assert.deepEqual(sectionsOf(Buffer.concat(packets)), [])
})

test('random packets make no exception and no intact section out of nothing', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: PACKET_BYTES, maxLength: PACKET_BYTES }), { maxLength: 20 }),
      (list) => {
        const sections = sectionsOf(Buffer.concat(list))
        for (const section of sections) {
          assert.ok(section.length <= SECTION_BYTES_MAX)
          parsePat(section)
          parsePmt(section)
        }
      },
    ),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 0, max: 255 }), (loop, streamType) => {
      describeStream(1, streamType, Buffer.from(loop))
      const described = parseDescriptors(Buffer.from(loop)).reduce((sum, { body }) => sum + 2 + body.length, 0)
      assert.ok(described <= loop.length)
    }),
  )
})
