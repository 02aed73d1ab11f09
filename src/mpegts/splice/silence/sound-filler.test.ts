import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createAnalyser } from '../../analyser/analyser.ts'
import { PACKET_BYTES } from '../../packet.ts'
import { checkOutput } from '../output-check.fixture.ts'
import type { OutputReport } from '../output-check.fixture.ts'
import { AUDIO_TICKS, makeSource } from '../source.fixture.ts'
import type { SourceShape } from '../source.fixture.ts'
import type { SeamFacts } from '../splice-facts.ts'
import { Splicer } from '../splicer.ts'
import { PacketWriter } from '../packet-writer.ts'
import { makeTrack } from '../track.ts'
import { SoundFiller } from './sound-filler.ts'

/** Joins at a picture whose sound nobody has. */

const FRAME_MS = AUDIO_TICKS / 90
const AUDIO = 257
const CHUNK_BYTES = 7 * PACKET_BYTES

interface Part {
  readonly shape: SourceShape
  readonly packets: number
}

interface Joined {
  readonly seam: SeamFacts | undefined
  readonly report: OutputReport
  /** Errors that the analyser finds, but for one: generated pictures have no parameter sets. */
  readonly errors: readonly string[]
  readonly output: Buffer
}

/** Each part from its first picture on, without anything before it. */
function join(parts: readonly Part[]): Joined {
  const splicer = new Splicer()
  const parcels: Buffer[] = []
  const sink = { packets: (data: Buffer) => void parcels.push(Buffer.from(data)) }
  for (const { shape, packets } of parts) {
    const source = makeSource(shape)
    const to = Math.min(source.packets.length, packets * PACKET_BYTES)
    splicer.begin(source.tables, sink)
    for (let at = source.joinOffsets[0] ?? 0; at < to; at += CHUNK_BYTES) {
      const end = Math.min(at + CHUNK_BYTES, to)
      const joins = source.joinOffsets.filter((offset) => offset >= at && offset < end).map((offset) => offset - at)
      splicer.push(source.packets.subarray(at, end), joins, sink)
    }
  }
  splicer.cut(sink)
  const output = Buffer.concat(parcels)
  const analyser = createAnalyser()
  analyser.push(output)
  const errors = analyser
    .report()
    .findings.filter(({ severity, code }) => severity === 'error' && code !== 'parameter_sets_missing')
  return {
    seam: splicer.facts.seam,
    report: checkOutput(output),
    errors: errors.map(({ code, pid, places }) => `${code} on ${pid ?? 'all'}: ${places[0]?.detail ?? ''}`),
    output,
  }
}

/** Time without audio between units, and for which there is some twice, ms; units hold whole frames of one length. */
function stepsMsOf({ report }: Joined): readonly number[] {
  const units = report.units.get(AUDIO) ?? []
  return units.slice(1).map(({ pts }, index) => ((pts - (units[index]?.pts ?? NaN) + 2 ** 33) % 2 ** 33) / 90)
}

const first: Part = { shape: { seed: 1, firstDts: 900_000, leadMs: 700 }, packets: 400 }
const second: SourceShape = { seed: 2, firstDts: 70_000, leadMs: 700, firstPid: 0x300 }

test('sound that begins late after a join is preceded by silence in whole frames', () => {
  const joined = join([first, { shape: { ...second, soundFromTicks: 45_000 }, packets: 600 }])
  assert.deepEqual(joined.errors, [])
  assert.deepEqual(joined.report.faults, [])
  const { audioFilledMs = 0, audioHoleMs = Infinity } = joined.seam ?? {}
  assert.ok(audioFilledMs > 400 && audioFilledMs < 600, `${audioFilledMs} ms filled`)
  assert.ok(Math.abs(audioFilledMs % FRAME_MS) < 0.01)
  assert.ok(audioHoleMs >= 0 && audioHoleMs < FRAME_MS, `${audioHoleMs} ms without audio`)
  assert.ok(stepsMsOf(joined).every((step) => step < 2 * FRAME_MS))
})

test('sound that does not come within a second after a join is waited for no longer', () => {
  const joined = join([first, { shape: { ...second, soundFromTicks: 150_000 }, packets: 900 }])
  const { audioFilledMs = 0, audioHoleMs = 0 } = joined.seam ?? {}
  assert.ok(audioFilledMs <= 1_000 + 2 * FRAME_MS, `${audioFilledMs} ms filled`)
  assert.ok(audioHoleMs > 500, `${audioHoleMs} ms without audio`)
  assert.deepEqual(joined.report.faults, [])
})

test('a source that has sound from its first picture on leaves nothing to fill', () => {
  const joined = join([first, { shape: second, packets: 400 }])
  assert.ok((joined.seam?.audioFilledMs ?? Infinity) < 3 * FRAME_MS)
  assert.deepEqual(joined.errors, [])
})

test('nothing is filled where the next source has no sound, or the one before had none', () => {
  const mute = { ...second, audioStreams: 0 }
  assert.equal(join([first, { shape: mute, packets: 400 }]).seam?.audioFilledMs, 0)
  const late = { ...second, soundFromTicks: 45_000 }
  const joined = join([
    { shape: { ...first.shape, audioStreams: 0 }, packets: 300 },
    { shape: late, packets: 600 },
  ])
  assert.equal(joined.seam?.audioFilledMs, 0)
})

test('silence goes out while the sound is still missing, before its time has come', () => {
  // The clock of both sources is hardly ahead of what it goes with, so that it would come too late with the sound.
  const shapes = [first.shape, { ...second, soundFromTicks: 72_000 }].map((shape) => ({ ...shape, leadMs: 120 }))
  const joined = join(shapes.map((shape) => ({ shape, packets: 500 })))
  assert.deepEqual(joined.report.faults, [])
  assert.deepEqual(joined.errors, [])
  assert.ok((joined.seam?.audioFilledMs ?? 0) > 700)
})

test('sound that comes hardly before its time is not kept out by silence', () => {
  const stereo = { streamType: 0x0f, kind: 'audio', codec: 'aac', language: undefined } as const
  const track = makeTrack({ pid: AUDIO, ...stereo, descriptors: Buffer.alloc(0), isListed: true })
  const frame = Buffer.from([0xff, 0xf1, 0x4c, 0x80, 0x01, 0x1f, 0xfc, 0x21])
  track.sending.audio.beginUnit()
  track.sending.audio.push('aac', frame, 0, frame.length)
  Object.assign(track.sending, { lastDts: 88_080, end: 90_000, wasOnAir: true })
  const filler = new SoundFiller(new PacketWriter())
  filler.begin([track], 90_000, 80_000)
  const filledAfter = (fromMs: number) => {
    filler.keepUp(fromMs * 27_000, (fromMs + 40) * 27_000)
    return filler.filledTicks
  }
  const first = filledAfter(1_000)
  assert.ok(first >= 2 * AUDIO_TICKS)
  // Sound from before the silence begins is not what it stands for.
  filler.yieldTo(track, 80_000)
  const second = filledAfter(1_040)
  assert.ok(second > first)
  filler.yieldTo(track, 90_900)
  assert.equal(filledAfter(1_080), second)
})

test('where the sound before had stopped, silence begins when it can still be in time, and what is missing before is told', () => {
  const stopped = { ...first.shape, pictures: 100, soundUntilTicks: 90_000 }
  const joined = join([
    { shape: stopped, packets: 2_000 },
    { shape: { ...second, soundFromTicks: 45_000 }, packets: 600 },
  ])
  assert.deepEqual(joined.report.faults, [])
  const { audioFilledMs = 0, audioHoleMs = 0 } = joined.seam ?? {}
  assert.ok(audioFilledMs > 400 && audioFilledMs < 1_300, `${audioFilledMs} ms filled`)
  const units = joined.report.units.get(AUDIO) ?? []
  const longest = Math.max(...stepsMsOf(joined))
  assert.ok(
    longest > 2_000 && Math.abs(audioHoleMs + FRAME_MS - longest) < 2 * FRAME_MS,
    `${audioHoleMs}, ${longest} ms`,
  )
  assert.ok(units.length > 50)
})

const anySource = fc
  .record({
    seed: fc.nat(1_000_000),
    firstDts: fc.oneof(fc.nat(1_000_000), fc.integer({ min: 2 ** 33 - 200_000, max: 2 ** 33 - 1 })),
    pictureTicks: fc.constantFrom(1_800, 3_003, 3_600),
    reordered: fc.constantFrom(0, 2),
    groupPictures: fc.constantFrom(12, 25),
    hasOwnPcrPid: fc.boolean(),
    leadMs: fc.constantFrom(200, 400, 900),
    framesPerUnit: fc.constantFrom(1, 4, 15),
    soundFromTicks: fc.nat(90_000 - 15 * AUDIO_TICKS),
    audioStreams: fc.constantFrom(1, 2),
    firstPid: fc.constantFrom(0x40, 0x300),
  })
  .map((shape) => ({ ...shape, pictures: 80, leadMs: shape.leadMs + 22 * (shape.framesPerUnit - 1) }))

test('however late the sound of a source begins, up to a second, less than a frame is missing and nothing is late', () => {
  fc.assert(
    fc.property(anySource, anySource, fc.integer({ min: 250, max: 400 }), (before, after, packets) => {
      const parts = [
        { shape: { ...before, soundFromTicks: 0, audioStreams: after.audioStreams }, packets },
        { shape: after, packets: 900 },
      ]
      const joined = join(parts)
      assert.deepEqual(joined.report.faults, [])
      assert.deepEqual(
        joined.errors.filter((error) => !error.startsWith('dts_step')),
        [],
      )
      const { audioHoleMs = Infinity } = joined.seam ?? {}
      assert.ok(audioHoleMs < FRAME_MS && audioHoleMs > -1.1, `${audioHoleMs} ms without audio`)
    }),
    { numRuns: 200 },
  )
})
