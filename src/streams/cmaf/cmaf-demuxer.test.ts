import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { writeEventMessage, ID3_SCHEME } from '../../isobmff/event-message.ts'
import { writeFragment } from '../../isobmff/fragment-writer.ts'
import { writeInit } from '../../isobmff/init-writer.ts'
import { IsobmffError } from '../../isobmff/isobmff-error.ts'
import type { WrittenTrack } from '../../isobmff/track.ts'
import { AAC_TRACK, AVC_TRACK } from '../../isobmff/tracks.fixture.ts'
import { createAnalyser } from '../../mpegts/analyser/analyser.ts'
import { PACKET_BYTES, SYNC_BYTE } from '../../mpegts/packet.ts'
import { UnitReader } from '../../mpegts/units/unit-reader.ts'
import { CmafDemuxer } from './cmaf-demuxer.ts'

const BASE = 900_000
const FRAME = 3_600

function nalSample(type: number, fill: number): Buffer {
  const nal = Buffer.alloc(200, fill | 0x80)
  nal.set([type, 0x88, 0x84])
  return Buffer.concat([Buffer.from([0, 0, 0, nal.length]), nal])
}

/** Pictures of 25 a second, a group a second: `shown` gives how many frames later than decoded, negative for signed offsets. */
function videoFragment(
  first: number,
  pictures: number,
  shown: (index: number) => number = () => 0,
  trackId = 1,
): Buffer {
  const samples = Array.from({ length: pictures }, (_, index) => {
    const isSync = (first + index) % 25 === 0
    const data = nalSample(isSync ? 0x65 : 0x41, index)
    return { data, duration: FRAME, compositionOffset: shown(index) * FRAME, isSync }
  })
  return writeFragment(1, [{ trackId, decodeTime: first * FRAME, samples }])
}

function audioFragment(first: number, frames: number): Buffer {
  const samples = Array.from({ length: frames }, (_, index) => ({
    data: Buffer.alloc(50, index),
    duration: 1_024,
    compositionOffset: 0,
    isSync: true,
  }))
  return writeFragment(1, [{ trackId: 2, decodeTime: first * 1_024, samples }])
}

interface Run {
  readonly demuxer: CmafDemuxer
  readonly packets: Buffer[]
}

function demux(groups: number): Run {
  const packets: Buffer[] = []
  return { packets, demuxer: new CmafDemuxer({ groups, onPackets: (data) => void packets.push(Buffer.from(data)) }) }
}

interface Seen {
  readonly codec: string
  readonly pts: number
  readonly dts: number
  readonly data: Buffer
}

function unitsOf(packets: readonly Buffer[]): Seen[] {
  const seen: Seen[] = []
  const reader = new UnitReader({
    onUnit: ({ stream, pts, dts, data }) => void seen.push({ codec: stream.codec, pts, dts, data: Buffer.from(data) }),
  })
  reader.push(Buffer.concat(packets))
  reader.flush()
  return seen
}

test('a picture in one playlist and its sound in another are put into one order', () => {
  const { demuxer, packets } = demux(2)
  demuxer.push(0, writeInit([AVC_TRACK]))
  demuxer.push(0, videoFragment(0, 50))
  assert.equal(packets.length, 0, 'the sound is waited for')
  demuxer.push(1, writeInit([AAC_TRACK]))
  demuxer.push(1, audioFragment(0, 94))
  demuxer.end()
  const ts = Buffer.concat(packets)
  const units = unitsOf(packets)
  assert.equal(units.filter(({ codec }) => codec === 'h264').length, 50)
  assert.equal(units.filter(({ codec }) => codec === 'aac').length, 94)
  assert.equal(units.find(({ codec }) => codec === 'aac')?.pts, BASE)
  const analyser = createAnalyser()
  analyser.push(ts)
  const { findings } = analyser.report()
  assert.deepEqual(
    findings.map(({ code }) => code),
    [],
  )
})

test('sound that never comes holds the picture back for a time only', () => {
  const { demuxer, packets } = demux(1)
  demuxer.push(0, writeInit([AVC_TRACK, AAC_TRACK]))
  for (let second = 0; second < 20; second += 1) demuxer.push(0, videoFragment(second * 25, 25))
  assert.ok(unitsOf(packets).length >= 7 * 25)
})

test('signed composition offsets never show a picture before it is decoded', () => {
  const { demuxer, packets } = demux(1)
  demuxer.push(0, writeInit([AVC_TRACK]))
  // I, P, B, B: shown at 0, 3, 1, 2.
  demuxer.push(
    0,
    videoFragment(0, 20, (index) => (index === 0 ? 0 : ([-1, 2, -1][index % 3] ?? 0))),
  )
  demuxer.end()
  const units = unitsOf(packets)
  assert.equal(units.length, 20)
  assert.ok(units.every(({ pts, dts }) => pts >= dts))
  const steps = new Set(units.slice(1).map(({ dts }, index) => dts - (units[index]?.dts ?? 0)))
  assert.deepEqual([...steps], [FRAME])
  assert.equal(units[0]?.pts, BASE)
})

test('parameter sets stand in front of pictures where a decoder can begin', () => {
  const { demuxer, packets } = demux(1)
  demuxer.push(0, writeInit([AVC_TRACK]))
  demuxer.push(0, videoFragment(0, 2))
  demuxer.end()
  const [first, second] = unitsOf(packets)
  const avc = AVC_TRACK.codec.kind === 'avc' ? AVC_TRACK.codec.avc : undefined
  for (const set of [...(avc?.sequenceSets ?? []), ...(avc?.pictureSets ?? [])]) {
    assert.ok(first?.data.includes(set))
    assert.ok(second?.data.includes(set) === false)
  }
  assert.deepEqual(second?.data.subarray(0, 6), Buffer.from([0, 0, 0, 1, 9, 0xf0]))
})

test('what has no place in MPEG-TS is told', () => {
  const { demuxer } = demux(1)
  const xheAac: WrittenTrack = {
    ...AAC_TRACK,
    codec: { kind: 'mpeg4-audio', descriptor: { objectType: 0x40, specific: Buffer.from([0xf9, 0x46, 0x40]) } },
  }
  demuxer.push(0, writeInit([AVC_TRACK, xheAac]))
  assert.deepEqual(demuxer.leftOut, [{ group: 0, trackId: 2, codec: 'mp4a.40.42', reason: 'codec' }])
})

test('timed metadata is carried', () => {
  const { demuxer, packets } = demux(1)
  demuxer.push(0, writeInit([AVC_TRACK]))
  demuxer.push(0, videoFragment(0, 25))
  const data = Buffer.from('ID3 tag')
  const event = { schemeIdUri: ID3_SCHEME, value: '', timescale: 1_000, time: 1_000n, duration: 0, id: 1, data }
  demuxer.push(0, writeEventMessage(event))
  demuxer.push(0, videoFragment(25, 25))
  demuxer.end()
  const [id3] = unitsOf(packets).filter(({ codec }) => codec === 'id3')
  assert.deepEqual([id3?.pts, id3?.data], [BASE + 90_000, data])
})

test('damaged files give an IsobmffError, whole packets and nothing else', () => {
  const whole = Buffer.concat([writeInit([AVC_TRACK, AAC_TRACK]), videoFragment(0, 50), audioFragment(0, 94)])
  const wounds = fc.array(fc.record({ at: fc.nat(whole.length - 1), value: fc.nat(255) }), { maxLength: 10 })
  let refused = 0
  fc.assert(
    fc.property(wounds, (places) => {
      const bytes = Buffer.from(whole)
      for (const { at, value } of places) bytes[at] = value
      const { demuxer, packets } = demux(1)
      try {
        for (let at = 0; at < bytes.length; at += 777) demuxer.push(0, bytes.subarray(at, at + 777))
      } catch (error) {
        assert.ok(error instanceof IsobmffError, String(error))
        refused += 1
      }
      demuxer.end()
      const ts = Buffer.concat(packets)
      assert.equal(ts.length % PACKET_BYTES, 0)
      for (let at = 0; at < ts.length; at += PACKET_BYTES) assert.equal(ts[at], SYNC_BYTE)
    }),
    { numRuns: 300 },
  )
  assert.ok(refused > 0)
})
