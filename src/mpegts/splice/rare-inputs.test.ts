import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAnalyser } from '../analyser/analyser.ts'
import { crc32Mpeg2 } from '../crc32.ts'
import { isPayloadUnitStart, PACKET_BYTES, payloadOffset, pidOf } from '../packet.ts'
import { packetiseSection, parsePmt, writePat, writePmt } from '../psi.ts'
import { checkOutput } from './output-check.fixture.ts'
import { makePacket, makePes, makeSource } from './source.fixture.ts'
import { readTimestamp } from './pes-header.ts'
import { wrapPcr } from './timestamp.ts'
import { Splicer } from './splicer.ts'
import type { SplicerOptions } from './splicer.ts'

const NONE = Buffer.alloc(0)

interface StreamEntry {
  readonly pid: number
  readonly streamType: number
  readonly descriptors?: Buffer
}

function pmtPackets(programmeNumber: number, pmtPid: number, streams: readonly StreamEntry[], pcrPid?: number): Buffer {
  const entries = streams.map((stream) => ({ descriptors: NONE, ...stream }))
  const identity = { version: streams.length, isCurrent: true }
  const pmt = {
    ...identity,
    programmeNumber,
    pcrPid: pcrPid ?? entries[0]?.pid ?? 0,
    descriptors: NONE,
    streams: entries,
  }
  return packetiseSection(writePmt(pmt), pmtPid, 0)
}

function patPackets(...programmes: readonly { programmeNumber: number; pmtPid: number }[]): Buffer {
  const identity = { version: 0, isCurrent: true, transportStreamId: 1, sectionNumber: 0, lastSectionNumber: 0 }
  return packetiseSection(writePat({ ...identity, programmes }), 0, 0)
}

const PROGRAMME = { programmeNumber: 1, pmtPid: 0x1ff }

class Collector {
  readonly splicer: Splicer
  #parts: Buffer[] = []
  readonly sink = { packets: (data: Buffer) => void this.#parts.push(Buffer.from(data)) }

  constructor(options?: SplicerOptions) {
    this.splicer = new Splicer(options)
  }

  /** Begins, pushes and cuts; returns what came out of it. */
  pass(tables: Buffer, packets: Buffer, joins: readonly number[] = [0]): Buffer {
    this.#parts = []
    this.splicer.begin(tables, this.sink)
    this.splicer.push(packets, joins, this.sink)
    this.splicer.cut(this.sink)
    return Buffer.concat(this.#parts)
  }
}

/** The units of some tests have data of their own, which the check does not know. */
function withoutContent(faults: readonly string[]): readonly string[] {
  return faults.filter((fault) => !fault.endsWith('is not whole'))
}

function scramble(packets: Buffer, pids: readonly number[]): Buffer {
  const scrambled = Buffer.from(packets)
  for (let at = 0; at < scrambled.length; at += PACKET_BYTES) {
    if (pids.includes(pidOf(scrambled, at))) scrambled[at + 3] = (scrambled[at + 3] ?? 0) | 0x80
  }
  return scrambled
}

function packetsOf(output: Buffer, pid: number): readonly Buffer[] {
  const found: Buffer[] = []
  for (let at = 0; at < output.length; at += PACKET_BYTES) {
    if (pidOf(output, at) === pid) found.push(output.subarray(at, at + PACKET_BYTES))
  }
  return found
}

function picture(pid: number, counter: number, dts: number): Buffer {
  return makePacket(
    pid,
    counter & 15,
    true,
    makePes(0xe0, dts, dts, Buffer.alloc(60, 0xa5), false),
    wrapPcr(dts * 300 - 2_700_000),
  )
}

/** Pictures of one packet each on 0x200, with `between` after each. */
function pictures(count: number, firstDts: number, between: (index: number) => Buffer = () => NONE): Buffer {
  const parts = Array.from({ length: count }, (_, index) => [
    picture(0x200, index, firstDts + index * 3_600),
    between(index),
  ])
  return Buffer.concat(parts.flat())
}

function spliceInfo(ptsAdjustment: number, isEncrypted = false): Buffer {
  const section = Buffer.alloc(40, 0x11)
  section.writeUInt16BE(0xfc30, 0)
  section[2] = section.length - 3
  section[4] = isEncrypted ? 0x80 : 0
  section.writeUInt32BE(ptsAdjustment, 5)
  section.writeUInt32BE(crc32Mpeg2(section, 0, section.length - 4), section.length - 4)
  return section
}

test('pts_adjustment of SCTE-35 moves with the timestamps, and its CRC is right again', () => {
  const collector = new Collector()
  const streams = [
    { pid: 0x200, streamType: 0x1b },
    { pid: 0x210, streamType: 0x86 },
  ]
  const tables = Buffer.concat([patPackets(PROGRAMME), pmtPackets(1, 0x1ff, streams)])
  const cue = packetiseSection(spliceInfo(50), 0x210, 3)
  collector.pass(tables, pictures(6, 1_000_000))
  const output = collector.pass(
    tables,
    pictures(6, 5_000, (index) => (index === 3 ? cue : NONE)),
  )
  const [sent] = packetsOf(output, 0x110)
  assert.ok(sent !== undefined)
  const section = sent.subarray(5, 45)
  assert.equal(crc32Mpeg2(section), 0)
  const offset = collector.splicer.facts.seam?.offsetTicks ?? 0
  assert.notEqual(offset, 0)
  assert.equal((section.readUInt8(4) & 1) * 2 ** 32 + section.readUInt32BE(5), 50 + offset)
})

test('an encrypted splice_info_section stays as it is', () => {
  const collector = new Collector()
  const streams = [
    { pid: 0x200, streamType: 0x1b },
    { pid: 0x210, streamType: 0x86 },
  ]
  const tables = Buffer.concat([patPackets(PROGRAMME), pmtPackets(1, 0x1ff, streams)])
  collector.pass(tables, pictures(6, 1_000_000))
  const cue = spliceInfo(50, true)
  const output = collector.pass(
    tables,
    pictures(6, 5_000, (index) => (index === 3 ? packetiseSection(cue, 0x210, 3) : NONE)),
  )
  assert.ok(packetsOf(output, 0x110)[0]?.subarray(5, 45).equals(cue))
})

test('the PTS of private streams moves too, and their descriptors stay', () => {
  const collector = new Collector()
  const teletext = Buffer.from('5605656e670988', 'hex')
  const streams = [
    { pid: 0x200, streamType: 0x1b },
    { pid: 0x220, streamType: 0x06, descriptors: teletext },
  ]
  const tables = Buffer.concat([patPackets(PROGRAMME), pmtPackets(1, 0x1ff, streams)])
  collector.pass(tables, pictures(6, 1_000_000))
  const pes = makePes(0xbd, 5_000 + 3 * 3_600, 5_000 + 3 * 3_600, Buffer.alloc(80, 7), true)
  const output = collector.pass(
    tables,
    pictures(6, 5_000, (index) => (index === 3 ? makePacket(0x220, 9, true, pes, undefined) : NONE)),
  )
  const [sent] = packetsOf(output, 0x110)
  assert.ok(sent !== undefined)
  const offset = collector.splicer.facts.seam?.offsetTicks ?? 0
  assert.equal(readTimestamp(sent, payloadOffset(sent, 0) + 9), 5_000 + 3 * 3_600 + offset)
  const [pmt] = packetsOf(output, 0x1000)
  assert.ok(pmt?.includes(teletext))
})

test('scrambled packets keep their payload, get the output PID and counters, and are told', () => {
  const collector = new Collector()
  const tables = Buffer.concat([patPackets(PROGRAMME), pmtPackets(1, 0x1ff, [{ pid: 0x200, streamType: 0x1b }])])
  const scrambled = pictures(6, 0, () => NONE)
  for (let at = 0; at < scrambled.length; at += PACKET_BYTES) scrambled[at + 3] = (scrambled[at + 3] ?? 0) | 0x80
  const output = collector.pass(tables, scrambled)
  const sent = packetsOf(output, 0x100).filter((packet) => isPayloadUnitStart(packet, 0))
  assert.ok(sent.length >= 5)
  sent.forEach((packet, index) => {
    const from = payloadOffset(packet, 0)
    assert.ok(packet.subarray(from).equals(scrambled.subarray(index * PACKET_BYTES + from, (index + 1) * PACKET_BYTES)))
    assert.equal((packet[3] ?? 0) & 0xc0, 0x80)
  })
  assert.equal(collector.splicer.facts.isScrambled, true)
})

test('of several programmes the first with video is taken, or the one that is asked for', () => {
  const tables = Buffer.concat([
    patPackets({ programmeNumber: 5, pmtPid: 0x1f0 }, PROGRAMME),
    pmtPackets(5, 0x1f0, [{ pid: 0x300, streamType: 0x0f }]),
    pmtPackets(1, 0x1ff, [{ pid: 0x200, streamType: 0x1b }]),
  ])
  const audio = (index: number) =>
    makePacket(
      0x300,
      index & 15,
      true,
      makePes(0xc0, index * 3_600, index * 3_600, Buffer.alloc(60, 3), true),
      undefined,
    )
  const packets = pictures(6, 90_000, audio)
  const byVideo = new Collector().pass(tables, packets)
  assert.equal(packetsOf(byVideo, 0x101).length, 0)
  assert.ok(packetsOf(byVideo, 0x100).length >= 5)
  const byNumber = new Collector({ programmeNumber: 5 }).pass(tables, packets, [])
  assert.ok(packetsOf(byNumber, 0x101).length >= 5)
  assert.equal(packetsOf(byNumber, 0x100).filter((packet) => isPayloadUnitStart(packet, 0)).length, 0)
})

test('a source that follows a scrambled one goes on in the time of its clock, whatever that is', () => {
  for (const firstDts of [9_000_000, 90_000, 2 ** 33 - 9_000]) {
    const collector = new Collector()
    const analyser = createAnalyser()
    const sources = [900_000, firstDts, 5_000_000].map((dts, seed) =>
      makeSource({ seed, firstDts: dts, firstPid: 0x40 }),
    )
    const kinds = sources.map(({ tables, packets }, index) => {
      analyser.push(collector.pass(tables, index === 1 ? scramble(packets, [0x40, 0x41]) : packets))
      return collector.splicer.facts.seam?.kind
    })
    assert.deepEqual(kinds, ['first', 'discontinuity', 'discontinuity'])
    const codes = new Set<string>(analyser.report().findings.map(({ code }) => code))
    const wrong = ['dts_far_from_pcr', 'dts_before_pcr', 'pcr_repetition_error', 'pcr_discontinuity_error', 'pid_error']
    assert.deepEqual(
      wrong.filter((code) => codes.has(code)),
      [],
      `from ${firstDts}`,
    )
  }
})

test('a PMT that changes within a source brings new PIDs and keeps the output', () => {
  const collector = new Collector()
  const before = Buffer.concat([patPackets(PROGRAMME), pmtPackets(1, 0x1ff, [{ pid: 0x200, streamType: 0x1b }])])
  const after = pmtPackets(1, 0x1ff, [
    { pid: 0x250, streamType: 0x1b },
    { pid: 0x251, streamType: 0x0f },
  ])
  const later = Array.from({ length: 6 }, (_, index) => picture(0x250, index, 100_000 + (6 + index) * 3_600))
  const output = collector.pass(before, Buffer.concat([pictures(6, 100_000), after, ...later]))
  const report = checkOutput(output)
  assert.deepEqual(report.faults, [])
  assert.ok((report.units.get(0x100)?.length ?? 0) >= 11)
  assert.deepEqual(report.pmtVersions, [0, 1])
  assert.equal(collector.splicer.facts.seam?.kind, 'first')
})

test('PCR on the audio PID goes out on the video PID', () => {
  const collector = new Collector()
  const streams = [
    { pid: 0x200, streamType: 0x1b },
    { pid: 0x201, streamType: 0x0f },
  ]
  const tables = Buffer.concat([patPackets(PROGRAMME), pmtPackets(1, 0x1ff, streams, 0x201)])
  const audio = (index: number) => {
    const pts = 90_000 + index * 3_600
    return makePacket(0x201, index & 15, true, makePes(0xc0, pts, pts, Buffer.alloc(60, 3), true), pts * 300 - 900_000)
  }
  const pictureOnly = Array.from({ length: 8 }, (_, index) => {
    const dts = 90_000 + index * 3_600
    return [makePacket(0x200, index, true, makePes(0xe0, dts, dts, Buffer.alloc(60), false), undefined), audio(index)]
  })
  const report = checkOutput(collector.pass(tables, Buffer.concat(pictureOnly.flat())))
  assert.deepEqual(withoutContent(report.faults), [])
  assert.ok(report.pcrStepsMs.length >= 5)
})

test('audio frames in one unit are parted, so that at most one is missing and none is heard twice', () => {
  const frame = (number: number) => {
    const bytes = Buffer.alloc(50, number)
    Buffer.from([0xff, 0xf1, 0x4c, 0x80, 50 >> 3, ((50 & 7) << 5) | 0x1f, 0xfc]).copy(bytes)
    return bytes
  }
  const streams = [
    { pid: 0x200, streamType: 0x1b },
    { pid: 0x201, streamType: 0x0f },
  ]
  const tables = Buffer.concat([patPackets(PROGRAMME), pmtPackets(1, 0x1ff, streams)])
  let counter = -1
  const unit = (pts: number) => {
    const pes = makePes(0xc0, pts, pts, Buffer.concat(Array.from({ length: 8 }, (_, index) => frame(index))), true)
    const parts: Buffer[] = []
    for (let from = 0; from < pes.length; from += 184) {
      counter = (counter + 1) & 15
      parts.push(makePacket(0x201, counter, from === 0, pes.subarray(from, from + 184), undefined))
    }
    return Buffer.concat(parts)
  }
  const audioEvery = (first: number) => (index: number) =>
    index % 4 === 0 ? unit(first + (index / 4) * 8 * 1_920) : NONE
  const collector = new Collector()
  const first = collector.pass(tables, pictures(17, 1_000_000, audioEvery(1_000_000)))
  const second = collector.pass(tables, pictures(17, 40_000, audioEvery(40_000 - 3 * 1_920)))
  const report = checkOutput(Buffer.concat([first, second]))
  assert.deepEqual(withoutContent(report.faults), [])
  const units = report.units.get(0x101) ?? []
  const firstOfSecond = checkOutput(second).units.get(0x101)?.[0]?.dts ?? 0
  const endOfFirst = (checkOutput(first).units.get(0x101)?.at(-1)?.dts ?? 0) + 8 * 1_920
  assert.ok(units.length > 6)
  assert.ok(firstOfSecond >= endOfFirst - 90 && firstOfSecond < endOfFirst + 1_920, `${firstOfSecond - endOfFirst}`)
})

test('pictures that stopped before the source was left do not hold back the sound of the next one', () => {
  const first = makeSource({ seed: 1, firstDts: 0, pictures: 20 })
  const sound = makeSource({ seed: 1, firstDts: 20 * 3_600, pictures: 50, hasVideo: false, firstPid: 0x41 })
  const second = makeSource({ seed: 2, firstDts: 9_000_000 })
  const collector = new Collector()
  const before = collector.pass(first.tables, Buffer.concat([first.packets, sound.packets]))
  const after = collector.pass(second.tables, second.packets)
  const lastSound = checkOutput(before).units.get(0x101)?.at(-1)?.dts ?? 0
  const nextSound = checkOutput(after).units.get(0x101)?.[0]?.dts ?? 0
  assert.ok(nextSound - lastSound > 0 && nextSound - lastSound < 10_000, `${nextSound - lastSound} ticks`)
})

test('a unit that never ends is let go after a second of other media', () => {
  const streams = [
    { pid: 0x200, streamType: 0x1b },
    { pid: 0x201, streamType: 0x06 },
  ]
  const tables = Buffer.concat([patPackets(PROGRAMME), pmtPackets(1, 0x1ff, streams)])
  const endless = makePacket(0x201, 0, true, makePes(0xbd, 90_000, 90_000, Buffer.alloc(100), true), undefined)
  endless.writeUInt16BE(60_000, payloadOffset(endless, 0) + 4)
  const collector = new Collector()
  collector.splicer.begin(tables, collector.sink)
  collector.splicer.push(
    pictures(60, 90_000, (index) => (index === 3 ? endless : NONE)),
    [0],
    collector.sink,
  )
  assert.equal(collector.splicer.facts.unitsReleasedEarly, 1)
  assert.ok(collector.splicer.facts.heldBytes <= 4 * PACKET_BYTES)
})

test('the PMT that goes out is one that can be parsed, with PCR on the video', () => {
  const { tables, packets } = makeSource({ seed: 3, firstDts: 7, hasOwnPcrPid: true })
  const [first] = packetsOf(new Collector().pass(tables, packets), 0x1000)
  assert.ok(first !== undefined)
  const pmt = parsePmt(first.subarray(5, 8 + (first.readUInt16BE(6) % 4_096)))
  assert.equal(pmt?.pcrPid, 0x100)
  assert.deepEqual(
    pmt.streams.map(({ pid }) => pid),
    [0x100, 0x101],
  )
})
