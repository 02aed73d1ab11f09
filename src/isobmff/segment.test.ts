import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { boxesIn, numbers, writeBox, writeFullBox } from './box.ts'
import { ID3_SCHEME, writeEventMessage } from './event-message.ts'
import type { EventMessage } from './event-message.ts'
import { writeFragment } from './fragment-writer.ts'
import type { TrackRun } from './fragment-writer.ts'
import { writeInit } from './init-writer.ts'
import { IsobmffError } from './isobmff-error.ts'
import { SegmentReader } from './segment-reader.ts'
import type { ReadSample } from './segment-reader.ts'
import { AAC_TRACK, AVC_TRACK } from './tracks.fixture.ts'

const INIT = writeInit([AVC_TRACK, AAC_TRACK])
const video = (fill: number, duration: number, compositionOffset: number, isSync: boolean) => ({
  data: Buffer.alloc(fill * 10, fill),
  duration,
  compositionOffset,
  isSync,
})
const sound = (fill: number) => ({ data: Buffer.alloc(30, fill), duration: 1_024, compositionOffset: 0, isSync: true })
const FAR = 2 ** 40 + 5
const RUNS: readonly TrackRun[] = [
  { trackId: 1, decodeTime: FAR, samples: [video(1, 3_600, 7_200, true), video(2, 3_601, -3_600, false)] },
  { trackId: 2, decodeTime: 48_000, samples: [sound(3), sound(4), sound(5)] },
]
const FRAGMENT = writeFragment(7, RUNS)

interface Collected {
  readonly samples: ReadSample[]
  readonly events: EventMessage[]
  tracks: number
}

function collect(pieces: readonly Buffer[], beforeEach: (reader: SegmentReader) => void = () => undefined): Collected {
  const collected: Collected = { samples: [], events: [], tracks: 0 }
  const reader = new SegmentReader({
    onTracks: () => void (collected.tracks += 1),
    onSample: (sample) => void collected.samples.push(sample),
    onEvent: (event) => void collected.events.push(event),
  })
  for (const piece of pieces) {
    beforeEach(reader)
    reader.push(piece)
  }
  return collected
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1
    pieces.push(bytes.subarray(at, at + size))
    at += size
  }
  return pieces
}

const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 })

test('samples of a fragment are read as they were written, in whatever pieces it comes', () => {
  const expected = RUNS.flatMap(({ trackId, decodeTime, samples }) => {
    let time = decodeTime
    return samples.map((sample) => {
      const decodeTime64 = BigInt(time)
      time += sample.duration
      return { trackId, decodeTime: decodeTime64, ...sample }
    })
  })
  fc.assert(
    fc.property(sizes, (pieces) => {
      const { samples, tracks } = collect(cut(Buffer.concat([INIT, FRAGMENT]), pieces))
      assert.equal(tracks, 1)
      assert.deepEqual(
        samples.map(({ track, ...sample }) => ({ trackId: track.id, ...sample })),
        expected,
      )
    }),
    { numRuns: 40 },
  )
})

test('what all samples of a run share is written once', () => {
  const apart = writeFragment(1, [{ trackId: 2, decodeTime: 0, samples: [sound(1), { ...sound(2), duration: 1_000 }] }])
  const alike = writeFragment(1, [{ trackId: 2, decodeTime: 0, samples: [sound(1), sound(2)] }])
  assert.equal(apart.length - alike.length, 2 * 4 - 4)
})

test('a fragment without tfdt goes on where the one before ended', () => {
  const first = writeFragment(1, [{ trackId: 2, decodeTime: 5_000, samples: [sound(1), sound(2)] }])
  const traf = (samples: number) => {
    const header = writeFullBox('tfhd', 0, 0x02_0038, numbers([4, 2], [4, 1_024], [4, 30], [4, 0]))
    const trun = writeFullBox('trun', 0, 1, numbers([4, samples], [4, 8 + 16 + 8 + 28 + 20 + 8]))
    return writeBox('traf', header, trun)
  }
  const second = writeBox('moof', writeFullBox('mfhd', 0, 0, numbers([4, 2])), traf(2))
  const { samples } = collect([INIT, first, second, writeBox('mdat', Buffer.alloc(60, 9))])
  assert.deepEqual(
    samples.map(({ decodeTime }) => Number(decodeTime)),
    [5_000, 6_024, 7_048, 8_072],
  )
  assert.deepEqual(samples[3]?.data, Buffer.alloc(30, 9))
})

test('data offsets may count from the file that a segment is', () => {
  const header = writeFullBox('tfhd', 0, 0x39, numbers([4, 2], [6, 0], [2, 200], [4, 1_024], [4, 30], [4, 0]))
  const traf = writeBox(
    'traf',
    header,
    writeFullBox('tfdt', 0, 0, numbers([4, 11])),
    writeFullBox('trun', 0, 0, numbers([4, 1])),
  )
  const moof = writeBox('moof', writeFullBox('mfhd', 0, 0, numbers([4, 1])), traf)
  const padding = writeBox('free', Buffer.alloc(200 - moof.length - 8 - 8))
  const segment = Buffer.concat([moof, padding, writeBox('mdat', Buffer.alloc(30, 6))])
  const { samples } = collect([INIT, segment], (reader) => reader.beginSegment())
  assert.equal(samples.length, 1)
  assert.deepEqual(samples[0]?.data, Buffer.alloc(30, 6))
})

test('events are told', () => {
  const message = { schemeIdUri: ID3_SCHEME, value: '', timescale: 90_000, time: 12n, duration: 3, id: 1 }
  const data = Buffer.from('ID3')
  const { events } = collect([writeEventMessage({ ...message, data })])
  assert.deepEqual(events, [{ ...message, data, isRelative: false }])
})

test('a box larger than the limit is refused before it is gathered', () => {
  const claim = Buffer.from('7fffffff6d646174', 'hex')
  assert.throws(
    () => collect([INIT, claim]),
    new IsobmffError('too-large', 'a box mdat of 2147483647 bytes, 134217728 at most'),
  )
})

test('a fragment that claims thousands of samples without bytes is damaged', () => {
  const claiming = (count: number, bytes: number): Buffer => {
    const header = writeFullBox('tfhd', 0, 0x02_0010, numbers([4, 2], [4, bytes]))
    // What it claims lies behind its own head, that of the run included.
    const traf = writeBox('traf', header, writeFullBox('trun', 0, 0x01, numbers([4, count], [4, 64])))
    return Buffer.concat([writeBox('moof', traf), writeBox('mdat', Buffer.alloc(bytes * count))])
  }
  assert.throws(() => collect([INIT, claiming(5_000, 0)]), IsobmffError)
  assert.equal(collect([INIT, claiming(5_000, 2)]).samples.length, 5_000)
  assert.equal(collect([INIT, claiming(3, 0)]).samples.length, 3)
})

test('after an error the next segment counts again', () => {
  const samples: ReadSample[] = []
  const reader = new SegmentReader({ onTracks: () => undefined, onSample: (sample) => void samples.push(sample) })
  reader.push(INIT)
  assert.throws(() => reader.push(Buffer.from('0000000366726565', 'hex')), IsobmffError)
  reader.push(FRAGMENT)
  assert.equal(samples.length, 0)
  reader.beginSegment()
  reader.push(FRAGMENT)
  assert.equal(samples.length, 5)
})

test('damaged files give an IsobmffError or samples, never anything else', () => {
  const whole = Buffer.concat([
    INIT,
    FRAGMENT,
    writeEventMessage({
      schemeIdUri: ID3_SCHEME,
      value: 'x',
      timescale: 1,
      time: 1n,
      duration: 1,
      id: 1,
      data: Buffer.alloc(9),
    }),
    FRAGMENT,
  ])
  const damage = fc.array(
    fc.record({
      at: fc.nat(whole.length - 1),
      kind: fc.constantFrom('flip', 'cut', 'insert', 'number'),
      amount: fc.integer({ min: 1, max: 255 }),
    }),
    { minLength: 1, maxLength: 8 },
  )
  let outcomes = 0
  fc.assert(
    fc.property(damage, sizes, (wounds, pieces) => {
      let bytes = Buffer.from(whole)
      for (const { at, kind, amount } of wounds) {
        const here = Math.min(at, bytes.length - 4)
        const [head, tail] = [bytes.subarray(0, here), bytes.subarray(here)]
        if (kind === 'flip') bytes[here] = (bytes[here] ?? 0) ^ amount
        else if (kind === 'number') bytes.writeInt32BE([0, 1, -1, 0x7fff_ffff, amount][amount % 5] ?? 0, here)
        else if (kind === 'cut') bytes = Buffer.concat([head, tail.subarray(amount)])
        else bytes = Buffer.concat([head, Buffer.alloc(amount, amount), tail])
      }
      try {
        const { samples } = collect(cut(bytes, pieces))
        for (const { data } of samples) assert.ok(data.length <= bytes.length)
        outcomes |= 1
      } catch (error) {
        assert.ok(error instanceof IsobmffError, String(error))
        outcomes |= 2
      }
    }),
    { numRuns: 1_500 },
  )
  assert.equal(outcomes, 3, 'both happen')
})

test('boxes of 64-bit sizes and to the end of the file are found', () => {
  const large = Buffer.concat([numbers([4, 1]), Buffer.from('free'), numbers([4, 0], [4, 20]), Buffer.alloc(4)])
  const last = Buffer.concat([numbers([4, 0]), Buffer.from('mdat'), Buffer.alloc(5)])
  const found = [...boxesIn(Buffer.concat([large, last]))]
  assert.deepEqual(
    found.map(({ type, contentStart, end }) => [type, contentStart, end]),
    [
      ['free', 16, 20],
      ['mdat', 28, 33],
    ],
  )
})
