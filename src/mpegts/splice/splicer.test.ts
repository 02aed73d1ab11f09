import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PACKET_BYTES } from '../packet.ts'
import { checkOutput } from './output-check.fixture.ts'
import type { OutputReport } from './output-check.fixture.ts'
import { AUDIO_TICKS, makeSource } from './source.fixture.ts'
import type { SourceShape, TestSource } from './source.fixture.ts'
import { Splicer } from './splicer.ts'

const VIDEO = 0x100
const AUDIO = 0x101
const MODULUS = 2 ** 33
const ALL = 2 ** 40

interface Part {
  readonly source: TestSource
  /** Which join point it begins at, and how many bytes of it come, rounded down to whole packets. */
  readonly join: number
  readonly bytes: number
  readonly chunkPackets?: number
}

function splice(parts: readonly Part[], splicer = new Splicer()): Buffer {
  const output: Buffer[] = []
  const sink = {
    packets: (data: Buffer, joinOffsets: readonly number[]) => {
      assert.ok(joinOffsets.every((offset) => offset === 0) && joinOffsets.length <= 1)
      output.push(Buffer.from(data))
    },
  }
  for (const { source, join, bytes, chunkPackets = 7 } of parts) {
    const from = source.joinOffsets[join % source.joinOffsets.length] ?? 0
    const to = Math.min(source.packets.length, from + bytes - (bytes % PACKET_BYTES))
    splicer.begin(source.tables, sink)
    for (let at = from; at < to; at += chunkPackets * PACKET_BYTES) {
      const end = Math.min(to, at + chunkPackets * PACKET_BYTES)
      const joins = source.joinOffsets.filter((offset) => offset >= at && offset < end).map((offset) => offset - at)
      splicer.push(source.packets.subarray(at, end), joins, sink)
    }
  }
  splicer.cut(sink)
  return Buffer.concat(output)
}

function whole(shape: SourceShape): Part {
  return { source: makeSource(shape), join: 0, bytes: ALL }
}

function upTo(bytes: number, shape: SourceShape): Part {
  return { source: makeSource(shape), join: 0, bytes }
}

function stepsOf(report: OutputReport, pid: number): readonly number[] {
  const units = report.units.get(pid) ?? []
  return units.slice(1).map(({ dts }, index) => (dts - (units[index]?.dts ?? 0) + MODULUS) % MODULUS)
}

const base: SourceShape = { seed: 1, firstDts: 900_000 }

test('one source passes whole, under the output PIDs, in its own time', () => {
  const report = checkOutput(splice([whole({ ...base, firstPid: 0x300 })]))
  assert.deepEqual(report.faults, [])
  assert.equal(report.units.get(VIDEO)?.[0]?.dts, 900_000)
  // The last picture has no successor that ends it.
  assert.ok((report.units.get(VIDEO)?.length ?? 0) >= 59)
  assert.deepEqual(report.pmtVersions, [0])
})

test('the next source goes on one picture later, whatever its time, PIDs and PCR PID were', () => {
  for (const firstDts of [0, 123_456_789, MODULUS - 40_000]) {
    const second = { seed: 2, firstDts, firstPid: 0x500, hasOwnPcrPid: true, hasNulls: true }
    const report = checkOutput(splice([upTo(60_000, base), whole(second)]))
    assert.deepEqual(report.faults, [])
    assert.deepEqual(new Set(stepsOf(report, VIDEO)), new Set([3_600]))
    assert.deepEqual(report.pmtVersions, [0])
    assert.equal(report.discontinuities, 0)
    assert.ok(Math.max(...report.pcrStepsMs) <= 100)
  }
})

test('the output time wraps inside the seam without a step', () => {
  const first = { ...base, firstDts: MODULUS - 30 * 3_600 }
  const report = checkOutput(splice([upTo(60_000, first), whole({ seed: 2, firstDts: 5 })]))
  assert.deepEqual(report.faults, [])
  assert.deepEqual(new Set(stepsOf(report, VIDEO)), new Set([3_600]))
})

test('no audio is heard twice and less than two frames are missing at a seam', () => {
  const report = checkOutput(splice([upTo(60_000, base), whole({ seed: 2, firstDts: 7_000_000 })]))
  const steps = stepsOf(report, AUDIO)
  assert.ok(
    steps.every((step) => step >= AUDIO_TICKS && step < 2 * AUDIO_TICKS + 1),
    `steps ${[...new Set(steps)].join(' ')}`,
  )
})

test('audio from before the join point closes the hole', () => {
  const first = makeSource(base)
  const second = makeSource({ seed: 2, firstDts: 7_000_000, firstPid: 0x200 })
  const output: Buffer[] = []
  const sink = { packets: (data: Buffer) => void output.push(Buffer.from(data)) }
  const splicer = new Splicer()
  splicer.begin(first.tables, sink)
  splicer.push(first.packets.subarray(0, 200 * PACKET_BYTES), [0], sink)
  splicer.begin(second.tables, sink)
  const join = second.joinOffsets[1] ?? 0
  splicer.push(second.packets, [join], sink)
  const report = checkOutput(Buffer.concat(output))
  assert.deepEqual(report.faults, [])
  assert.ok(stepsOf(report, AUDIO).every((step) => step < 2 * AUDIO_TICKS))
  assert.deepEqual(new Set(stepsOf(report, VIDEO)), new Set([3_600]))
})

test('a cut among reordered pictures leaves no picture that is shown after the next source has begun', () => {
  for (let bytes = 30_000; bytes < 42_000; bytes += PACKET_BYTES) {
    const parts = [upTo(bytes, { ...base, reordered: 2 }), upTo(20_000, { seed: 2, firstDts: 50_000 })]
    const report = checkOutput(splice(parts))
    assert.deepEqual(report.faults, [], `cut at ${bytes}`)
    const shown = (report.units.get(VIDEO) ?? []).map(({ pts }) => pts)
    assert.equal(new Set(shown).size, shown.length, `cut at ${bytes}: two pictures are due at once`)
    assert.ok(
      stepsOf(report, VIDEO).every((step) => step <= 1.5 * 3_600),
      `cut at ${bytes}`,
    )
  }
})

test('another codec raises the PMT version and announces the discontinuity, the same one does neither', () => {
  const splicer = new Splicer()
  const parts = [upTo(60_000, base), whole({ seed: 2, firstDts: 5, videoStreamType: 0x24 })]
  const report = checkOutput(splice(parts, splicer))
  assert.deepEqual(report.faults, [])
  assert.deepEqual(report.pmtVersions, [0, 1])
  assert.equal(report.discontinuities, 1)
  assert.equal(splicer.facts.seam?.kind, 'discontinuity')
})

test('a source without pictures after one that has some is no seamless one, nor the other way round', () => {
  const splicer = new Splicer()
  const sound: SourceShape = { seed: 2, firstDts: 77, hasVideo: false }
  const output = splice([upTo(60_000, base), upTo(8_000, sound)], splicer)
  assert.equal(splicer.facts.seam?.kind, 'discontinuity')
  const back = checkOutput(Buffer.concat([output, splice([upTo(60_000, { ...base, seed: 3 })], splicer)]))
  assert.equal(splicer.facts.seam.kind, 'discontinuity')
  assert.deepEqual(back.faults, [])
  assert.deepEqual(back.pmtVersions, [0, 1, 2])
  assert.equal(back.discontinuities, 0)
  assert.ok((back.units.get(AUDIO)?.length ?? 0) > 60)
})

test('a source that brings sound where there was none, or none where there was, is no seamless one', () => {
  const splicer = new Splicer()
  const mute = { ...base, audioStreams: 0 }
  const kindAfter = (shape: SourceShape) => {
    splice([upTo(40_000, shape)], splicer)
    return splicer.facts.seam?.kind
  }
  const shapes = [base, mute, mute, base, base]
  assert.deepEqual(
    shapes.map((shape, index) => kindAfter({ ...shape, seed: index })),
    ['first', 'discontinuity', 'seamless', 'discontinuity', 'seamless'],
  )
})

test('a source that never went on air leaves no mark on the seam between those around it', () => {
  const splicer = new Splicer()
  splice([upTo(60_000, base)], splicer)
  splicer.begin(makeSource({ seed: 2, firstDts: 77, hasVideo: false }).tables, { packets: () => {} })
  splice([upTo(60_000, { ...base, seed: 3 })], splicer)
  assert.equal(splicer.facts.seam?.kind, 'seamless')
})

test('audio streams keep their PID by language, and a missing one does not change the PMT', () => {
  const both = { ...base, audioStreams: 2, languages: ['eng', 'fra'] }
  const swapped = { seed: 2, firstDts: 5, audioStreams: 2, languages: ['fra', 'eng'], firstPid: 0x400 }
  const onlyFrench = { seed: 3, firstDts: 99, audioStreams: 1, languages: ['fra'] }
  const report = checkOutput(splice([upTo(60_000, both), upTo(60_000, swapped), upTo(40_000, onlyFrench)]))
  assert.deepEqual(report.faults, [])
  assert.deepEqual(report.pmtVersions, [0])
  const english = report.units.get(AUDIO)?.length ?? 0
  assert.ok((report.units.get(AUDIO + 1)?.length ?? 0) > english)
})

test('tables come at least every 200 ms', () => {
  assert.ok(checkOutput(splice([whole(base)])).tableGapTicks <= 200 * 90)
})

test('the preamble goes on into the tables of the latest join offset', () => {
  const { source } = whole(base)
  const splicer = new Splicer()
  const output: Buffer[] = []
  const sink = {
    packets: (data: Buffer, joinOffsets: readonly number[]) => {
      if (joinOffsets.length > 0) output.length = 0
      output.push(Buffer.from(data))
    },
  }
  splicer.begin(source.tables, sink)
  splicer.push(source.packets, source.joinOffsets, sink)
  assert.deepEqual(checkOutput(Buffer.concat([splicer.preamble(), ...output])).faults, [])
})

test('a jump within a source is closed', () => {
  const before = makeSource({ ...base, pictures: 30 })
  const after = makeSource({ seed: 5, firstDts: 12_345, pictures: 30 })
  const jumping = {
    tables: before.tables,
    packets: Buffer.concat([before.packets, after.packets]),
    joinOffsets: [...before.joinOffsets, ...after.joinOffsets.map((offset) => offset + before.packets.length)],
  }
  const splicer = new Splicer()
  const report = checkOutput(splice([{ source: jumping, join: 0, bytes: ALL }], splicer))
  const faults = report.faults.filter((fault) => !fault.startsWith('continuity'))
  assert.deepEqual(faults, [])
  assert.deepEqual(new Set(stepsOf(report, VIDEO)), new Set([3_600]))
  assert.ok(splicer.facts.jumpsClosed >= 1)
})

test('packets that are lost stay visible as a gap, packets that come twice are dropped', () => {
  const { source } = whole(base)
  const at = 20 * PACKET_BYTES
  const twice = Buffer.concat([source.packets.subarray(0, at), source.packets.subarray(at - PACKET_BYTES)])
  const doubled = checkOutput(
    splice([{ source: { ...source, packets: twice, joinOffsets: [2 * PACKET_BYTES] }, join: 0, bytes: ALL }]),
  )
  assert.deepEqual(doubled.faults, [])
  const splicer = new Splicer()
  const missing = Buffer.concat([source.packets.subarray(0, at), source.packets.subarray(at + PACKET_BYTES)])
  const lossy = splice(
    [{ source: { ...source, packets: missing, joinOffsets: [2 * PACKET_BYTES] }, join: 0, bytes: ALL }],
    splicer,
  )
  assert.equal(splicer.facts.continuityErrors, 1)
  assert.equal(checkOutput(lossy).faults.filter((fault) => fault.startsWith('continuity')).length, 1)
})

const shapes = fc.record({
  seed: fc.nat(1_000_000),
  firstDts: fc.oneof(fc.nat(1_000_000), fc.integer({ min: MODULUS - 200_000, max: MODULUS - 1 }), fc.nat(2 ** 31 - 1)),
  pictures: fc.constant(40),
  pictureTicks: fc.constantFrom(1_800, 3_003, 3_600),
  reordered: fc.constantFrom(0, 1, 2, 3),
  groupPictures: fc.constantFrom(5, 12, 13),
  firstPid: fc.constantFrom(0x40, 0x100, 0x1e0, 0x1100),
  hasOwnPcrPid: fc.boolean(),
  leadMs: fc.constantFrom(0, 50, 200, 900),
  audioStreams: fc.constantFrom(0, 1, 2),
  hasVideoLength: fc.boolean(),
  hasNulls: fc.boolean(),
})
const partsOf = fc.record({
  shape: shapes,
  join: fc.nat(2),
  bytes: fc.integer({ min: 5_000, max: 80_000 }),
  chunkPackets: fc.constantFrom(1, 3, 50, 1_000),
})

test('any cut of any sources makes an output without a fault', () => {
  fc.assert(
    fc.property(fc.array(partsOf, { minLength: 2, maxLength: 4 }), (parts) => {
      const output = splice(parts.map(({ shape, ...part }) => ({ ...part, source: makeSource(shape) })))
      const report = checkOutput(output)
      assert.deepEqual(report.faults, [])
      assert.ok(
        report.pcrStepsMs.every((step) => step <= 101),
        `PCR steps up to ${Math.max(...report.pcrStepsMs)} ms`,
      )
      assert.ok(report.tableGapTicks <= 200 * 90, `${report.tableGapTicks} ticks without tables`)
    }),
    { numRuns: 150 },
  )
})

test('no bytes make it throw, stop or grow', () => {
  const { packets, tables } = makeSource({ ...base, reordered: 2, audioStreams: 2 })
  const damage = fc.array(fc.tuple(fc.nat(packets.length - 1), fc.nat(255)), { maxLength: 200 })
  fc.assert(
    fc.property(damage, fc.boolean(), fc.array(fc.nat(300), { maxLength: 5 }), (hits, hasTables, joins) => {
      const bad = Buffer.from(packets)
      for (const [at, value] of hits) bad[at] = value
      const splicer = new Splicer()
      let bytes = 0
      const sink = { packets: (data: Buffer) => void (bytes += data.length) }
      for (let round = 0; round < 2; round += 1) {
        splicer.begin(hasTables ? tables : bad.subarray(0, 500), sink)
        splicer.push(
          bad,
          joins.map((packet) => packet * PACKET_BYTES),
          sink,
        )
        splicer.push(bad, [], sink)
        splicer.cut(sink)
      }
      assert.ok(bytes % PACKET_BYTES === 0 && bytes < 40 * packets.length)
      assert.equal(splicer.facts.heldBytes, 0)
    }),
    { numRuns: 150 },
  )
})
