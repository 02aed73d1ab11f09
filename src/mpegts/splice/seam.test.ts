import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createAnalyser } from '../analyser/analyser.ts'
import type { AnalyserReport } from '../analyser/report.ts'
import { PACKET_BYTES } from '../packet.ts'
import { checkOutput } from './output-check.fixture.ts'
import { AUDIO_TICKS, makeSource } from './source.fixture.ts'
import type { SourceShape } from './source.fixture.ts'
import { Splicer } from './splicer.ts'

/** Seams as the analyser sees them, which shares nothing with the splice. */

const MODULUS = 2 ** 33
const FRAME_MS = AUDIO_TICKS / 90
/** A second of the generated sources is less. */
const LEAD_IN_PACKETS = 400

interface Part {
  readonly shape: SourceShape
  /** Which join point it begins at. */
  readonly join: number
  /** Packets before that which come with it, and packets from it on. */
  readonly leadInPackets: number
  readonly packets: number
  readonly chunkPackets: number
}

interface Seam {
  readonly report: AnalyserReport
  /** At each join but the first, ms. */
  readonly holesMs: readonly (number | undefined)[]
  readonly filledMs: readonly (number | undefined)[]
  readonly output: Buffer
}

function splice(parts: readonly Part[], splicer = new Splicer()): Seam {
  const output: Buffer[] = []
  const holesMs: (number | undefined)[] = []
  const filledMs: (number | undefined)[] = []
  const sink = { packets: (data: Buffer) => void output.push(Buffer.from(data)) }
  for (const [index, { shape, join, leadInPackets, packets, chunkPackets }] of parts.entries()) {
    const source = makeSource(shape)
    const from = source.joinOffsets[join % source.joinOffsets.length] ?? 0
    const to = Math.min(source.packets.length, from + packets * PACKET_BYTES)
    splicer.begin(source.tables, sink)
    let at = Math.max(0, from - leadInPackets * PACKET_BYTES)
    for (let end = from + chunkPackets * PACKET_BYTES; at < to; end += chunkPackets * PACKET_BYTES) {
      const chunkEnd = Math.min(end, to)
      const isIn = (offset: number) => offset >= Math.max(at, from) && offset < chunkEnd
      const joins = source.joinOffsets.filter(isIn).map((offset) => offset - at)
      splicer.push(source.packets.subarray(at, chunkEnd), joins, sink)
      at = chunkEnd
    }
    if (index === 0) continue
    holesMs.push(splicer.facts.seam?.audioHoleMs)
    filledMs.push(splicer.facts.seam?.audioFilledMs)
  }
  splicer.cut(sink)
  const analyser = createAnalyser()
  for (const data of output) analyser.push(data)
  return { report: analyser.report(), holesMs, filledMs, output: Buffer.concat(output) }
}

/** Errors but for one: generated pictures have no parameter sets. */
function errorsOf({ findings }: AnalyserReport): readonly string[] {
  return findings
    .filter(({ severity, code }) => severity === 'error' && code !== 'parameter_sets_missing')
    .map(({ code, pid, places }) => `${code} on ${pid ?? 'all'}: ${places[0]?.detail ?? ''}`)
}

/** What is found where sources have no sound. */
function isSilence(error: string): boolean {
  return ['audio_hole', 'pts_error', 'pid_error'].some((code) => error.startsWith(code))
}

/** Nothing in generated pictures tells how long they last and that one can begin with them. */
function isOfGeneratedPictures(error: string): boolean {
  return ['dts_step', 'jump_without_random_access'].some((code) => error.startsWith(code))
}

const first: Part = {
  shape: { seed: 1, firstDts: 900_000, framesPerUnit: 15, leadMs: 700 },
  ...{ join: 0, leadInPackets: 0, packets: 600, chunkPackets: 7 },
}
const second: Part = {
  shape: { seed: 2, firstDts: 70_000, framesPerUnit: 15, leadMs: 700, firstPid: 0x300 },
  ...{ join: 2, leadInPackets: LEAD_IN_PACKETS, packets: 400, chunkPackets: 7 },
}

test('of the unit that begins before the old audio ends, the frames after that are kept, wherever the cut is', () => {
  for (let packets = 300; packets < 420; packets += 1) {
    const { report, holesMs } = splice([{ ...first, packets }, second])
    assert.deepEqual(errorsOf(report), [], `cut after ${packets} packets`)
    const holeMs = holesMs[0] ?? Infinity
    assert.ok(holeMs >= -0.1 && holeMs <= FRAME_MS, `cut after ${packets} packets: ${holeMs} ms without audio`)
  }
})

test('without what came before the join point, the audio that nobody sent becomes silence', () => {
  const { report, holesMs, filledMs } = splice([first, { ...second, leadInPackets: 0 }])
  assert.ok((filledMs[0] ?? 0) > 2 * FRAME_MS, `${filledMs[0]} ms filled`)
  assert.ok((holesMs[0] ?? Infinity) < FRAME_MS, `${holesMs[0]} ms without audio`)
  assert.deepEqual(errorsOf(report), [])
})

test('pictures and clock references from before the join point do not go out', () => {
  const withPictures = splice([first, second])
  const without = splice([first, { ...second, leadInPackets: 0 }])
  const stepsOf = ({ report }: Seam) => report.programmes[0]?.streams[0]?.dtsStep
  assert.deepEqual(stepsOf(withPictures), stepsOf(without))
  const picturesOf = ({ report }: Seam) => report.programmes[0]?.streams[0]?.pesPackets
  assert.equal(picturesOf(withPictures), picturesOf(without))
  assert.deepEqual(errorsOf(withPictures.report), [])
})

test('a source with less time from PCR to DTS than the one before makes the PCR neither wait nor step', () => {
  for (const leadMs of [0, 100, 400]) {
    const { report } = splice([
      { ...first, shape: { ...first.shape, framesPerUnit: 1 } },
      { ...second, shape: { ...second.shape, framesPerUnit: 1, leadMs } },
    ])
    assert.deepEqual(errorsOf(report), [], `${leadMs} ms`)
    const delay = report.programmes[0]?.streams[0]?.decodeDelay
    assert.ok((delay?.minMs ?? 0) >= 600, `${leadMs} ms: only ${delay?.minMs} ms from PCR to DTS`)
  }
})

test('the time from PCR to DTS does not grow with every switch', () => {
  const slow = { ...first, shape: { ...first.shape, framesPerUnit: 1, leadMs: 900 }, packets: 200 }
  const fast = { ...second, shape: { ...second.shape, framesPerUnit: 1, leadMs: 100 }, packets: 200 }
  const { report } = splice(Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? slow : fast)))
  assert.deepEqual(errorsOf(report), [])
  const maxMs = report.programmes[0]?.streams[0]?.decodeDelay?.maxMs ?? Infinity
  assert.ok(maxMs <= 1_000, `${maxMs} ms`)
})

test('audio that lags behind the clock of its own source is not behind that of the output', () => {
  const late = { ...second, shape: { ...second.shape, leadMs: 0 } }
  assert.deepEqual(errorsOf(splice([first, late]).report), [])
})

test('PCRs that come on the audio PID before the join point do not hold back the output', () => {
  // The audio-only programme of the generator has its PCR on the audio.
  const sound = { ...first, shape: { ...first.shape, hasVideo: false, framesPerUnit: 1, pictures: 50 } }
  const { report } = splice([sound, { ...sound, shape: { ...sound.shape, firstDts: 5 }, join: 9, leadInPackets: 50 }])
  assert.deepEqual(errorsOf(report), [])
})

test('more lead-in than there is room for does not keep the join waiting', () => {
  const shape = { ...second.shape, pictures: 600, pictureBytesMax: 60_000, groupPictures: 500 }
  const splicer = new Splicer()
  const { report } = splice([first, { ...second, shape, join: 1, leadInPackets: 100_000, packets: 2_000 }], splicer)
  assert.deepEqual(errorsOf(report), [])
  assert.equal(splicer.facts.joins, 2)
  assert.ok((report.programmes[0]?.streams[0]?.pesPackets ?? 0) > 20)
})

test('sound that a standby brings along from a time that is past by now does not go out', () => {
  // The sound ends 1.7 s before the source is left.
  const mute = { ...first, shape: { ...first.shape, pictures: 70, soundUntilTicks: 90_000 }, packets: 10_000 }
  for (const framesPerUnit of [1, 15]) {
    const standby = { ...second, shape: { ...second.shape, framesPerUnit } }
    const { report, holesMs } = splice([mute, standby])
    assert.deepEqual(
      errorsOf(report).filter((error) => !isSilence(error)),
      [],
    )
    assert.ok((holesMs[0] ?? 0) > 700, `${holesMs[0]} ms without audio`)
    const withoutHistory = splice([mute, { ...standby, leadInPackets: 0 }])
    const audioOf = ({ report: { programmes } }: Seam) => programmes[0]?.streams[1]?.pesPackets ?? 0
    assert.ok(audioOf({ report, holesMs, filledMs: [], output: Buffer.alloc(0) }) >= 10)
    assert.ok(audioOf(withoutHistory) >= 10)
  }
})

const shapes = fc
  .record({
    seed: fc.nat(1_000_000),
    firstDts: fc.oneof(
      fc.nat(1_000_000),
      fc.integer({ min: MODULUS - 200_000, max: MODULUS - 1 }),
      fc.nat(2 ** 31 - 1),
    ),
    pictures: fc.constant(60),
    pictureTicks: fc.constantFrom(1_800, 3_003, 3_600),
    reordered: fc.constantFrom(0, 1, 2, 3),
    groupPictures: fc.constantFrom(5, 12, 13),
    firstPid: fc.constantFrom(0x40, 0x100, 0x1e0, 0x1100),
    hasOwnPcrPid: fc.boolean(),
    leadMs: fc.constantFrom(0, 50, 200, 900),
    framesPerUnit: fc.constantFrom(1, 4, 15),
    hasVideoLength: fc.boolean(),
    hasNulls: fc.boolean(),
  })
  // A source whose audio is late by its own clock is one of the tests above.
  .map((shape) => ({ ...shape, leadMs: shape.leadMs + 22 * (shape.framesPerUnit - 1) }))
const partsOf = fc.record({
  shape: shapes,
  join: fc.nat(4),
  leadInPackets: fc.constantFrom(0, 50, LEAD_IN_PACKETS),
  packets: fc.integer({ min: 200, max: 500 }),
  chunkPackets: fc.constantFrom(1, 3, 50, 1_000),
})

/** Sources whose sound begins and ends anywhere, and some that have no sound or no pictures. */
const partsWithAnySound = fc
  .record({
    part: partsOf,
    soundFromTicks: fc.constantFrom(0, 30_000, 90_000),
    soundUntilTicks: fc.constantFrom(Infinity, 0, 20_000, 80_000),
    medium: fc.constantFrom('both', 'both', 'pictures', 'sound'),
  })
  .map(({ part, soundFromTicks, soundUntilTicks, medium }) => {
    const sound = medium === 'sound' ? {} : { soundFromTicks, soundUntilTicks }
    const streams = { hasVideo: medium !== 'sound', audioStreams: medium === 'pictures' ? 0 : 1 }
    // Of silence that is sent a second ahead of its time the analyser thinks that the clock is lost.
    const leadMs = Math.min(part.shape.leadMs, 700)
    return { ...part, shape: { ...part.shape, ...sound, ...streams, leadMs } }
  })

test('wherever the sound of sources begins and ends, nothing is late and the clock goes on', () => {
  fc.assert(
    fc.property(fc.array(partsWithAnySound, { minLength: 2, maxLength: 4 }), (parts) => {
      const { report, output } = splice(parts)
      assert.deepEqual(
        errorsOf(report).filter((error) => !isSilence(error) && !isOfGeneratedPictures(error)),
        [],
      )
      const { faults, pcrStepsMs } = checkOutput(output)
      assert.deepEqual(faults, [])
      assert.ok(
        pcrStepsMs.every((step) => step <= 101),
        `PCR steps up to ${Math.max(...pcrStepsMs)} ms`,
      )
    }),
    { numRuns: 300 },
  )
})

test('any cut of any sources leaves the analyser nothing to find, not even where no source had audio', () => {
  fc.assert(
    fc.property(fc.array(partsOf, { minLength: 2, maxLength: 4 }), fc.constantFrom(1, 2), (parts, audioStreams) => {
      // A stream that only some sources have is missing in the others, which the analyser says.
      const { report } = splice(parts.map((part) => ({ ...part, shape: { ...part.shape, audioStreams } })))
      const isLegal = (error: string) => error.startsWith('dts_step')
      assert.deepEqual(
        errorsOf(report).filter((error) => !isLegal(error)),
        [],
      )
      // The analyser learns what a frame lasts from parameter sets; without them it takes the median of both sources.
      const frameMs = Math.max(...parts.map(({ shape }) => shape.pictureTicks ?? 3_600)) / 90
      const stepMs = report.findings.find(({ code }) => code === 'dts_step')?.worst ?? 0
      assert.ok(stepMs <= 1.5 * frameMs, `a step of ${stepMs} ms`)
    }),
    { numRuns: 200 },
  )
})
