import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PACKET_BYTES, pidOf } from '../packet.ts'
import { makeEncode, mux, unitsOf } from '../twin/twin.fixture.ts'
import type { Encode, EncodeShape, MuxShape, TwinSource } from '../twin/twin.fixture.ts'
import { checkOutput } from './output-check.fixture.ts'
import type { OutputReport } from './output-check.fixture.ts'
import type { SpliceSink } from './splice-sink.ts'
import { Splicer } from './splicer.ts'
import { wrapTimestamp } from './timestamp.ts'

const VIDEO = 0x100
const AUDIO = 0x101
const SECTIONS = 0x110
const MODULUS = 2 ** 33

/** Where a source is left and, for the next one, from where it is pushed: shares of its bytes. */
interface Cut {
  readonly at: number
  readonly back: number
}

interface Outcome {
  readonly output: Buffer
  readonly splicer: Splicer
  readonly kinds: readonly (string | undefined)[]
  /** Offsets at which a viewer can begin. */
  readonly joins: readonly number[]
}

/** Changes from one multiplex of the encode to the next at each cut, each time by the known offset. */
function change(encode: Encode, shapes: readonly MuxShape[], cuts: readonly Cut[], chunkPackets = 50): Outcome {
  const splicer = new Splicer()
  const parts: Buffer[] = []
  const sink = {
    packets: (data: Buffer, joinOffsets: readonly number[]) => {
      if (joinOffsets.length > 0) joins.push(parts.reduce((sum, { length }) => sum + length, 0))
      parts.push(Buffer.from(data))
    },
  }
  const joins: number[] = []
  const kinds: (string | undefined)[] = []
  const sources = shapes.map((shape) => mux(encode, shape))
  for (const [index, cut] of [...cuts, { at: 1, back: 0 }].entries()) {
    const source = sources[index % sources.length]
    const shape = shapes[index % sources.length]
    const before = shapes[(index - 1 + sources.length) % sources.length]
    if (source === undefined || shape === undefined) continue
    const sourceOffset = wrapTimestamp((shape.offset ?? 0) - (before?.offset ?? 0))
    splicer.begin(source.tables, sink, index === 0 ? undefined : { sourceOffset })
    const begin = index === 0 ? 0 : Math.max(0, (cuts[index - 1]?.at ?? 0) - (cuts[index - 1]?.back ?? 0))
    pushRange(splicer, source, packetAt(source, begin), packetAt(source, cut.at), chunkPackets, sink)
    kinds.push(splicer.facts.seam?.kind)
  }
  splicer.cut(sink)
  return { output: Buffer.concat(parts), splicer, kinds, joins }
}

function packetAt({ packets }: TwinSource, share: number): number {
  return Math.floor((packets.length * share) / PACKET_BYTES) * PACKET_BYTES
}

function pushRange(
  splicer: Splicer,
  { packets, joinOffsets }: TwinSource,
  from: number,
  to: number,
  chunkPackets: number,
  sink: SpliceSink,
): void {
  for (let at = from; at < to; at += chunkPackets * PACKET_BYTES) {
    const end = Math.min(to, at + chunkPackets * PACKET_BYTES)
    const joins = joinOffsets.filter((offset) => offset >= at && offset < end).map((offset) => offset - at)
    splicer.push(packets.subarray(at, end), joins, sink)
  }
}

/** The output is a row of the encode's pictures and an unbroken piece of its audio. */
function assertHitless(encode: Encode, { output, joins }: Outcome, lateMs = 400): void {
  assertLegal(output)
  const keys = encode.pictures.filter(({ isKey }) => isKey).map(({ slice }) => slice)
  for (const join of joins) {
    const first = unitsOf(output.subarray(join), VIDEO)[0]
    assert.ok(
      keys.some((key) => first?.includes(key)),
      'a viewer can begin where there is no key picture',
    )
  }
  const shown = unitsOf(output, VIDEO)
  const expected = encode.pictures.map(({ slice }) => slice)
  assert.ok(shown.length >= expected.length - 4, `${shown.length} pictures of ${expected.length}`)
  for (const [index, data] of shown.entries()) {
    const slice = expected[index]
    assert.ok(slice !== undefined && data.includes(slice), `picture ${index} is another one`)
  }
  const heard = Buffer.concat(unitsOf(output, AUDIO))
  const audio = Buffer.concat(encode.frames.map(({ data }) => data))
  // The first source begins with the sound of its first picture.
  const begin = audio.indexOf(heard)
  assert.ok(begin >= 0 && begin < 2_000, `audio differs or begins at ${begin}`)
  assert.ok(heard.length > audio.length * (1 - lateMs / 4_000), `${heard.length} of ${audio.length} bytes of audio`)
}

function assertLegal(output: Buffer): OutputReport {
  const report = checkOutput(output)
  // Frames of this audio have no marks that this reader knows, and it takes sections for PES packets.
  const isMeant = (fault: string) => !fault.endsWith('is not whole') && !fault.includes(` ${SECTIONS}`)
  assert.deepEqual(report.faults.filter(isMeant), [])
  assert.equal(report.discontinuities, 0)
  assert.ok(Math.max(...report.pcrStepsMs) <= 101, `PCR steps up to ${Math.max(...report.pcrStepsMs)} ms`)
  return report
}

const plain: EncodeShape = { seed: 1 }

test('the twin goes on with the very next picture and audio frame, in the middle of a group', () => {
  const encode = makeEncode(plain)
  const remux = { firstPid: 0x300, offset: 123_456_789, firstCounter: 9, framesPerUnit: 3, hasDelimiters: true }
  const outcome = change(encode, [{}, remux], [{ at: 0.37, back: 0.2 }])
  assertHitless(encode, outcome)
  assert.deepEqual(outcome.kinds, ['first', 'hitless'])
})

test('what the twin repeats leaves no trace: neither in clock references nor in data without a time', () => {
  const encode = makeEncode(plain)
  const shapes = [{ hasSections: true }, { firstPid: 0x300, offset: 900_000, hasSections: true }]
  const { output } = change(encode, shapes, [{ at: 0.5, back: 0.4 }])
  const { pcrStepsMs } = assertLegal(output)
  assert.ok(
    pcrStepsMs.every((step) => step > 10),
    `PCR steps from ${Math.min(...pcrStepsMs)} ms`,
  )
  const sections: number[] = []
  for (let at = 0; at < output.length; at += PACKET_BYTES) {
    if (pidOf(output, at) === SECTIONS) sections.push(output.readUInt32BE(at + 8))
  }
  assert.ok(sections.length >= encode.pictures.length - 2)
  assert.equal(new Set(sections).size, sections.length, 'a section came twice')
})

test('timestamps rounded to milliseconds do not let a picture come twice', () => {
  const encode = makeEncode({ ...plain, pictureTicks: 3_003 })
  const rounded = { firstPid: 0x300, offset: 100_017, isRounded: true }
  for (const shapes of [
    [{}, rounded],
    [rounded, {}],
  ]) {
    const outcome = change(encode, shapes, [
      { at: 0.3, back: 0.2 },
      { at: 0.61, back: 0.2 },
      { at: 0.83, back: 0.2 },
    ])
    assertHitless(encode, outcome)
    assert.deepEqual(outcome.kinds, ['first', 'hitless', 'hitless', 'hitless'])
  }
})

test('switches to and fro lose and repeat nothing, with reordered pictures and frames that straddle units', () => {
  const encode = makeEncode({ ...plain, reordered: 2 })
  const shapes = [{ audioUnitBytes: 700 }, { firstPid: 0x300, offset: -4_000_000, audioUnitBytes: 700 }]
  const cuts = [0.2, 0.4, 0.6, 0.8].map((at) => ({ at, back: 0.15 }))
  const outcome = change(encode, shapes, cuts)
  assertHitless(encode, outcome)
  assert.deepEqual(outcome.kinds, ['first', 'hitless', 'hitless', 'hitless', 'hitless'])
})

test('a twin that lags is waited for', () => {
  const encode = makeEncode(plain)
  const outcome = change(encode, [{}, { firstPid: 0x300, offset: 77 }], [{ at: 0.8, back: 0.7 }])
  assertHitless(encode, outcome)
  assert.equal(outcome.kinds[1], 'hitless')
})

test('a twin that does not reach back far enough is joined at its next key picture', () => {
  const encode = makeEncode(plain)
  const { output, kinds, splicer } = change(encode, [{}, { firstPid: 0x300, offset: 5_000 }], [{ at: 0.3, back: -0.1 }])
  assertLegal(output)
  assert.deepEqual(kinds, ['first', 'seamless'])
  assert.equal(splicer.facts.joins, 2)
  const shown = unitsOf(output, VIDEO)
  const places = shown.map((data) => encode.pictures.findIndex(({ slice }) => data.includes(slice)))
  const jump = places.findIndex((place, index) => index > 0 && place !== (places[index - 1] ?? 0) + 1)
  assert.ok(jump > 0 && encode.pictures[places[jump] ?? -1]?.isKey === true, 'goes on with a key picture')
  assert.deepEqual(
    places.slice(jump),
    places.slice(jump).map((_, index) => (places[jump] ?? 0) + index),
  )
})

test('a twin that lacks the next pictures is joined at its next key picture, and repeats nothing', () => {
  const encode = makeEncode({ ...plain, pictures: 200 })
  const first = mux(encode)
  const second = mux(encode, { firstPid: 0x300, offset: 5_000 })
  const cut = packetAt(first, 0.52)
  const [holeFrom, holeTo] = [packetAt(second, 0.515), packetAt(second, 0.54)]
  const packets = Buffer.concat([second.packets.subarray(0, holeFrom), second.packets.subarray(holeTo)])
  const joinOffsets = second.joinOffsets
    .filter((offset) => offset < holeFrom || offset >= holeTo)
    .map((offset) => (offset < holeFrom ? offset : offset - (holeTo - holeFrom)))
  const splicer = new Splicer()
  const parts: Buffer[] = []
  const sink = { packets: (data: Buffer) => void parts.push(Buffer.from(data)) }
  splicer.begin(first.tables, sink)
  pushRange(splicer, first, 0, cut, 50, sink)
  splicer.begin(second.tables, sink, { sourceOffset: 5_000 })
  // In one piece: key pictures from before the hole are told together with those behind it.
  splicer.push(packets, joinOffsets, sink)
  splicer.cut(sink)
  const output = Buffer.concat(parts)
  assertLegal(output)
  const places = unitsOf(output, VIDEO).map((data) => encode.pictures.findIndex(({ slice }) => data.includes(slice)))
  const jump = places.findIndex((place, index) => index > 0 && place !== (places[index - 1] ?? 0) + 1)
  assert.ok((places[jump] ?? 0) > (places[jump - 1] ?? 0), 'pictures come twice')
  assert.equal(encode.pictures[places[jump] ?? -1]?.isKey, true)
  assert.deepEqual(
    places.slice(jump),
    places.slice(jump).map((_, index) => (places[jump] ?? 0) + index),
  )
  assert.equal(splicer.facts.seam?.kind, 'seamless')
})

test('a wrong offset does no worse than an ordinary join', () => {
  const encode = makeEncode(plain)
  const splicer = new Splicer()
  const parts: Buffer[] = []
  const sink = { packets: (data: Buffer) => void parts.push(Buffer.from(data)) }
  const source = mux(encode)
  splicer.begin(source.tables, sink)
  pushRange(splicer, source, 0, packetAt(source, 0.5), 20, sink)
  splicer.begin(source.tables, sink, { sourceOffset: MODULUS - 900_000 })
  pushRange(splicer, source, packetAt(source, 0.4), source.packets.length, 20, sink)
  splicer.cut(sink)
  assertLegal(Buffer.concat(parts))
  assert.equal(splicer.facts.seam?.kind, 'seamless')
})

test('a twin of another codec is no twin', () => {
  const encode = makeEncode(plain)
  const splicer = new Splicer()
  const parts: Buffer[] = []
  const sink = { packets: (data: Buffer) => void parts.push(Buffer.from(data)) }
  const first = mux(encode)
  const audioOnly = mux(makeEncode({ ...plain, hasVideo: false }))
  splicer.begin(first.tables, sink)
  pushRange(splicer, first, 0, packetAt(first, 0.5), 20, sink)
  splicer.begin(audioOnly.tables, sink, { sourceOffset: 0 })
  pushRange(splicer, audioOnly, 0, audioOnly.packets.length, 20, sink)
  splicer.cut(sink)
  assertLegal(Buffer.concat(parts))
  assert.notEqual(splicer.facts.seam?.kind, 'hitless')
})

test('audio alone goes on with the next frame', () => {
  const encode = makeEncode({ ...plain, hasVideo: false })
  const shapes = [{}, { firstPid: 0x300, offset: 4_567, framesPerUnit: 4 }]
  const { output, kinds } = change(encode, shapes, [
    { at: 0.3, back: 0.1 },
    { at: 0.61, back: 0.2 },
  ])
  const heard = Buffer.concat(unitsOf(output, AUDIO))
  const audio = Buffer.concat(encode.frames.map(({ data }) => data))
  assert.ok(heard.equals(audio.subarray(0, heard.length)) && heard.length > 0.9 * audio.length)
  assert.deepEqual(kinds.slice(1), ['hitless', 'hitless'])
})

const muxes = fc.record({
  firstPid: fc.constantFrom(0x40, 0x100, 0x300, 0x1100),
  offset: fc.oneof(fc.nat(1_000_000), fc.integer({ min: MODULUS - 1_300_000, max: MODULUS - 1 }), fc.nat(2 ** 31 - 1)),
  framesPerUnit: fc.constantFrom(1, 2, 5),
  hasDelimiters: fc.boolean(),
  hasFiller: fc.boolean(),
  hasShortStartCodes: fc.boolean(),
  firstCounter: fc.nat(15),
  leadMs: fc.constantFrom(150, 300, 700),
})
/** Frames that straddle units do so alike in both, as they do where only the transport differs. */
const straddling = fc.constantFrom({}, { audioUnitBytes: 400 }, { audioUnitBytes: 1_000 })
const pairs = fc.tuple(muxes, muxes, straddling).map(([first, second, audio]) => [
  { ...first, ...audio },
  { ...second, ...audio },
])

test('any cuts between any multiplexes of one encode give the encode, each unit once', () => {
  const encodes = fc.record({
    seed: fc.nat(1_000_000),
    pictureTicks: fc.constantFrom(1_800, 3_003, 3_600),
    reordered: fc.constantFrom(0, 1, 2, 3),
    groupPictures: fc.constantFrom(12, 25, 100),
    pictureBytesMax: fc.constantFrom(300, 4_000),
  })
  const cuts = fc.array(
    fc.record({
      at: fc.double({ min: 0.1, max: 0.9, noNaN: true }),
      back: fc.double({ min: 0.1, max: 0.3, noNaN: true }),
    }),
    { minLength: 1, maxLength: 4 },
  )
  fc.assert(
    fc.property(encodes, pairs, cuts, fc.constantFrom(1, 7, 500), (shape, twins, marks, chunk) => {
      const encode = makeEncode(shape)
      const sorted = marks.toSorted((left, right) => left.at - right.at)
      // A cut before its source has come behind the one before it would give nothing of it.
      const apart = sorted.filter(({ at }, index) => index === 0 || at - (sorted[index - 1]?.at ?? 0) > 0.15)
      const outcome = change(encode, twins, apart, chunk)
      assertHitless(encode, outcome, 1_000)
      for (const kind of outcome.kinds.slice(1)) assert.equal(kind, 'hitless')
    }),
    { numRuns: 60 },
  )
})
