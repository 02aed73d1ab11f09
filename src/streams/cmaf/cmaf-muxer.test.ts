import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SegmentReader } from '../../isobmff/segment-reader.ts'
import type { ReadSample } from '../../isobmff/segment-reader.ts'
import { ID3_SCHEME } from '../../isobmff/event-message.ts'
import type { EventMessage } from '../../isobmff/event-message.ts'
import { adtsFrame, H264_SPS_FIELDS, h264Unit } from '../../mpegts/units/elementary.fixture.ts'
import { TsWriter } from '../../mpegts/units/ts-writer.ts'
import { CmafMuxer } from './cmaf-muxer.ts'
import type { CmafFragment } from './fragment.ts'
import { audioOnly, videoOnly } from './stream-selection.ts'

const FRAME = 3_600
const GROUP = 25
const AUDIO_TICKS = 1_920
const START = 900_000

interface Shape {
  readonly pictures: number
  readonly startDts?: number
  readonly sps?: Buffer
  readonly rateIndex?: number
  /** Audio frames for which this holds are left out; by index. */
  readonly isSilent?: (frame: number) => boolean
}

/** A transport stream in pieces; what `write` makes one after the other has counters that go on. */
class Programme {
  readonly writer = new TsWriter()
  readonly packets: Buffer[] = []

  constructor(codecs: readonly ('h264' | 'aac' | 'id3' | 'opus')[] = ['h264', 'aac']) {
    this.writer.setStreams(codecs.map((codec) => ({ codec })))
  }

  /** Pictures shown one frame after they are decoded, and audio of the same presentation times, both from `startDts` on. */
  write({ pictures, startDts = START, sps, rateIndex, isSilent = () => false }: Shape): void {
    const rate = rateIndex === 4 ? 44_100 : 48_000
    const ticks = (1_024 * 90_000) / rate
    let frame = 0
    for (let picture = 0; picture < pictures; picture += 1) {
      const dts = startDts + picture * FRAME
      const isRandomAccess = picture % GROUP === 0
      const data = h264Unit(isRandomAccess, picture & 0x7f, 500, sps)
      this.packets.push(this.writer.write(0, { pts: dts + FRAME, dts, isRandomAccess, data }))
      for (; frame * ticks < (picture + 1) * FRAME; frame += 1) {
        const pts = Math.round(startDts + FRAME + frame * ticks)
        const audio = adtsFrame(frame & 0x7f, 60, rateIndex)
        if (!isSilent(frame))
          this.packets.push(this.writer.write(1, { pts, dts: pts, isRandomAccess: true, data: audio }))
      }
    }
  }
}

function feed(muxer: CmafMuxer, packets: readonly Buffer[]): void {
  for (const each of packets) muxer.push(each)
}

function takeAll(muxer: CmafMuxer): CmafFragment[] {
  const fragments: CmafFragment[] = []
  for (let fragment = muxer.take(); fragment !== undefined; fragment = muxer.take()) fragments.push(fragment)
  return fragments
}

function packed(programme: Programme): CmafFragment[] {
  const muxer = new CmafMuxer()
  feed(muxer, programme.packets)
  muxer.end()
  return takeAll(muxer)
}

function open(fragment: CmafFragment): {
  readonly samples: readonly ReadSample[]
  readonly events: readonly EventMessage[]
} {
  const [samples, events]: [ReadSample[], EventMessage[]] = [[], []]
  const reader = new SegmentReader({
    onTracks: () => undefined,
    onSample: (sample) => void samples.push(sample),
    onEvent: (event) => void events.push(event),
  })
  reader.push(fragment.init.bytes)
  reader.push(fragment.bytes)
  return { samples, events }
}

const audioOf = (fragment: CmafFragment) => open(fragment).samples.filter(({ track }) => track.kind === 'audio')
const videoOf = (fragment: CmafFragment) => open(fragment).samples.filter(({ track }) => track.kind === 'video')

test('all of a stream comes out, once, on its timeline', () => {
  const programme = new Programme()
  programme.write({ pictures: 60 })
  const [fragment, ...more] = packed(programme)
  assert.ok(fragment !== undefined && more.length === 0)
  assert.equal(fragment.startDts90k, START)
  assert.equal(fragment.startPts90k, START + FRAME)
  assert.equal(fragment.durationS, (60 * FRAME) / 90_000)
  assert.deepEqual(
    videoOf(fragment).map(({ decodeTime, isSync }) => [Number(decodeTime), isSync]),
    Array.from({ length: 60 }, (_, index) => [START + index * FRAME, index % GROUP === 0]),
  )
  const audio = audioOf(fragment)
  assert.equal(audio.length, Math.ceil((60 * FRAME) / AUDIO_TICKS))
  assert.equal(Number(audio[0]?.decodeTime), ((START + FRAME) * 48_000) / 90_000)
})

test('a fragment ends where it is asked to, sound with the picture, and the next goes on there', () => {
  const programme = new Programme()
  programme.write({ pictures: 60 })
  const muxer = new CmafMuxer()
  feed(muxer, programme.packets)
  const cut = muxer.randomAccessDts(START + 1)
  assert.equal(cut, START + GROUP * FRAME)
  const [first, second] = [muxer.take({ untilDts: cut }), muxer.take()]
  assert.ok(first !== undefined && second !== undefined)
  assert.equal(second.startDts90k, cut)
  assert.equal(second.isIndependent, true)
  const boundary = ((cut + FRAME) * 48_000) / 90_000
  assert.ok(audioOf(first).every(({ decodeTime }) => Number(decodeTime) < boundary))
  assert.ok(audioOf(second).every(({ decodeTime }) => Number(decodeTime) >= boundary))
})

test('nothing is ready before the sound of it is there', () => {
  const programme = new Programme()
  programme.write({ pictures: 38, isSilent: (frame) => frame >= 30 })
  const muxer = new CmafMuxer()
  feed(muxer, programme.packets)
  const heardS = (30 * AUDIO_TICKS) / 90_000
  assert.ok(muxer.bufferedS > heardS - 0.1 && muxer.bufferedS <= heardS, `${muxer.bufferedS} s of ${heardS} s`)
})

test('sound that stays away is not waited for, and is not in the next initialisation segment', () => {
  const programme = new Programme()
  programme.write({ pictures: 250, isSilent: (frame) => frame >= 30 && frame < 300 })
  const fragments = packed(programme)
  assert.deepEqual(
    fragments.map(({ init }) => init.codecs),
    ['avc1.42c00c,mp4a.40.2', 'avc1.42c00c', 'avc1.42c00c,mp4a.40.2'],
  )
  assert.equal(
    fragments.reduce((sum, { durationS }) => sum + durationS, 0),
    10,
  )
})

test('a hole in the sound stays a hole, and what overlaps is left out', () => {
  const programme = new Programme()
  programme.write({ pictures: 50, isSilent: (frame) => frame === 20 || frame === 21 })
  const again = START + FRAME + 10 * AUDIO_TICKS
  const before = programme.packets.length
  programme.packets.push(
    programme.writer.write(1, { pts: again, dts: again, isRandomAccess: true, data: adtsFrame(1) }),
  )
  assert.ok(before > 0)
  const audio = packed(programme).flatMap(audioOf)
  const steps = audio.slice(1).map(({ decodeTime }, index) => Number(decodeTime - (audio[index]?.decodeTime ?? 0n)))
  assert.deepEqual(
    [...new Set(steps)].toSorted((left, right) => left - right),
    [1_024, 3 * 1_024],
  )
})

test('other parameter sets make another initialisation segment, with the sound cut at the picture', () => {
  const programme = new Programme()
  programme.write({ pictures: 50 })
  programme.write({ pictures: 50, startDts: START + 50 * FRAME, sps: H264_SPS_FIELDS })
  const [first, second, ...more] = packed(programme)
  assert.ok(first !== undefined && second !== undefined && more.length === 0)
  assert.ok(second.init.id > first.init.id)
  assert.deepEqual([first.init.codecs, second.init.codecs], ['avc1.42c00c,mp4a.40.2', 'avc1.640015,mp4a.40.2'])
  const boundary = ((START + 51 * FRAME) * 48_000) / 90_000
  assert.ok(audioOf(first).every(({ decodeTime }) => Number(decodeTime) < boundary))
  assert.ok(audioOf(second).every(({ decodeTime }) => Number(decodeTime) >= boundary))
})

test('sound of another rate takes the picture with it that it came with', () => {
  const programme = new Programme()
  programme.write({ pictures: 50 })
  programme.write({ pictures: 50, startDts: START + 50 * FRAME, rateIndex: 4 })
  const [first, second, ...more] = packed(programme)
  assert.ok(first !== undefined && second !== undefined && more.length === 0)
  assert.deepEqual([first.init.tracks[1]?.sampleRateHz, second.init.tracks[1]?.sampleRateHz], [48_000, 44_100])
  assert.equal(second.startDts90k, START + 50 * FRAME)
  assert.equal(videoOf(first).length + videoOf(second).length, 100)
})

test('a timeline that jumps is another initialisation segment, and the old one ends complete', () => {
  const programme = new Programme()
  programme.write({ pictures: 50 })
  programme.writer.startTimeline()
  programme.write({ pictures: 50, startDts: START + 3_600 * 90_000 })
  const muxer = new CmafMuxer()
  feed(muxer, programme.packets)
  assert.equal(muxer.isLastOfInit, true)
  const [first, second] = takeAll(muxer)
  assert.ok(first !== undefined && second !== undefined)
  assert.equal(first.durationS, 2)
  assert.equal(second.startDts90k, START + 3_600 * 90_000)
  assert.ok(second.init.id > first.init.id)
})

test('a rendition of sound alone and one of pictures alone have the same timeline', () => {
  const programme = new Programme()
  programme.write({ pictures: 50 })
  const [pictures, sound] = [videoOnly, audioOnly(0)].map((select) => {
    const muxer = new CmafMuxer({ select })
    feed(muxer, programme.packets)
    muxer.end()
    return muxer.take()
  })
  assert.deepEqual([pictures?.init.codecs, sound?.init.codecs], ['avc1.42c00c', 'mp4a.40.2'])
  assert.deepEqual([pictures?.startPts90k, sound?.startPts90k], [START + FRAME, START + FRAME])
  assert.equal(sound?.isIndependent, true)
  const second = new CmafMuxer({ select: audioOnly(1) })
  feed(second, programme.packets)
  second.end()
  assert.equal(second.take(), undefined)
})

test('a stream whose codec has no place in the file is told', () => {
  const programme = new Programme(['h264', 'opus'])
  programme.write({ pictures: 30 })
  const muxer = new CmafMuxer()
  feed(muxer, programme.packets)
  muxer.end()
  assert.deepEqual(
    muxer.leftOut.map(({ codec }) => codec),
    ['opus'],
  )
  assert.equal(muxer.take()?.init.codecs, 'avc1.42c00c')
})

test('timed metadata goes out as events with the fragment of its time', () => {
  const programme = new Programme(['h264', 'aac', 'id3'])
  programme.write({ pictures: 20 })
  const pts = START + 20 * FRAME
  programme.packets.push(
    programme.writer.write(2, { pts, dts: pts, isRandomAccess: true, data: Buffer.from('ID3 tag') }),
  )
  programme.write({ pictures: 40, startDts: pts })
  const muxer = new CmafMuxer()
  feed(muxer, programme.packets)
  const [first, second] = [muxer.take({ untilDts: START + 10 * FRAME }), muxer.take()]
  assert.ok(first !== undefined && second !== undefined)
  assert.deepEqual(open(first).events, [])
  const [event] = open(second).events
  assert.equal(event?.schemeIdUri, ID3_SCHEME)
  assert.equal(Number(event.time), pts)
  assert.deepEqual(event.data, Buffer.from('ID3 tag'))
})

test('pictures that the tables tell of and that never come do not hold the sound back for ever', () => {
  const programme = new Programme()
  const frames = Array.from({ length: 1_000 }, (_, frame) => {
    const pts = START + frame * AUDIO_TICKS
    return programme.writer.write(1, { pts, dts: pts, isRandomAccess: true, data: adtsFrame(1) })
  })
  const muxer = new CmafMuxer()
  feed(muxer, frames)
  const fragments = takeAll(muxer)
  assert.equal(fragments[0]?.init.codecs, 'mp4a.40.2')
  assert.ok(fragments.reduce((sum, { durationS }) => sum + durationS, 0) > 20)
})

test('no damage makes it throw, and fragments stay readable and in order', () => {
  const programme = new Programme()
  programme.write({ pictures: 100 })
  const whole = Buffer.concat(programme.packets)
  const wounds = fc.array(fc.record({ at: fc.nat(whole.length - 1), xor: fc.integer({ min: 1, max: 255 }) }), {
    maxLength: 20,
  })
  fc.assert(
    fc.property(wounds, fc.integer({ min: 1, max: 30 }), (places, packets) => {
      const bytes = Buffer.from(whole)
      for (const { at, xor } of places) bytes[at] = (bytes[at] ?? 0) ^ xor
      const muxer = new CmafMuxer()
      const fragments: CmafFragment[] = []
      for (let at = 0; at < bytes.length; at += packets * 188) {
        muxer.push(bytes.subarray(at, at + packets * 188))
        fragments.push(...takeAll(muxer))
      }
      muxer.end()
      fragments.push(...takeAll(muxer))
      let [id, endDts] = [0, -Infinity]
      for (const fragment of fragments) {
        open(fragment)
        assert.ok(fragment.init.id >= id)
        if (fragment.init.id === id) assert.ok(fragment.startDts90k >= endDts - 1)
        id = fragment.init.id
        endDts = fragment.startDts90k + fragment.durationS * 90_000
      }
    }),
    // Timestamps that were once damaged so that they lay hours off.
    {
      numRuns: 100,
      examples: [
        [[{ at: 61_121, xor: 4 }], 1],
        [[{ at: 67_239, xor: 40 }], 1],
      ],
    },
  )
})
