import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAnalyser } from '../../../mpegts/analyser/analyser.ts'
import { adtsFrame, H264_SPS } from '../../../mpegts/units/elementary.fixture.ts'
import { UnreadableSegment } from '../upstream/unreadable-segment.ts'
import { PICTURES, samplesOf, SEGMENT_TICKS, SOUNDS, tsSegment, unitsOf } from './media.fixture.ts'
import { ToFmp4 } from './to-fmp4.ts'
import { ToMpegts } from './to-mpegts.ts'

const WRAP = 2 ** 33

/** Samples of each kind of one segment. */
function made(maker: ToFmp4, segment: Buffer, sequence: number) {
  const bytes = maker.make(segment, sequence)
  const samples = samplesOf(maker.map ?? assert.fail('no section'), bytes)
  const of = (wanted: 'video' | 'audio') => samples.filter(({ track }) => track.kind === wanted)
  return { bytes, video: of('video'), audio: of('audio') }
}

test('each segment has all of its pictures and sound, at the times that they had', () => {
  const maker = new ToFmp4('all', undefined)
  for (const index of [0, 1, 2]) {
    const { video, audio } = made(maker, tsSegment(index), index)
    assert.deepEqual([video.length, audio.length], [PICTURES, SOUNDS])
    assert.equal(Number(video[0]?.decodeTime) - WRAP, 900_000 + index * SEGMENT_TICKS)
    // Sound is often a little ahead of the pictures that it is sent with; 48 kHz.
    assert.equal(Number(audio[0]?.decodeTime), Math.round(((WRAP + 892_320 + index * SEGMENT_TICKS) * 48) / 90))
    assert.ok(video.every(({ compositionOffset }) => compositionOffset === 7_200))
    assert.deepEqual(video.map(({ isSync }) => isSync).indexOf(true), 0)
  }
})

test('time goes on where timestamps of 33 bits wrap, whichever segment is made first', () => {
  const base = WRAP - SEGMENT_TICKS * 1.5
  for (const order of [
    [0, 1, 2, 3],
    [2, 1, 3],
  ]) {
    const maker = new ToFmp4('all', undefined)
    const times = new Map(
      order.map((index) => [index, Number(made(maker, tsSegment(index, base), index).video[0]?.decodeTime)]),
    )
    for (const [index, time] of times) {
      const next = times.get(index + 1)
      if (next !== undefined) assert.equal(next - time, SEGMENT_TICKS)
    }
  }
})

test('parameter sets are in the section and in the samples, which is told', () => {
  const maker = new ToFmp4('all', undefined)
  const { video } = made(maker, tsSegment(0), 0)
  assert.ok(video[0]?.data.includes(H264_SPS))
  assert.ok(maker.map?.includes('avc3'))
  assert.equal(video[1]?.data.includes(H264_SPS), false)
})

test('tracks get the numbers and ticks that players have', () => {
  const tracks = { video: { id: 7, timescale: 12_800 }, audio: { id: 3, timescale: 90_000 } }
  const { video, audio } = made(new ToFmp4('all', tracks), tsSegment(1), 1)
  assert.deepEqual([video[0]?.track.id, video[0]?.track.timescale], [7, 12_800])
  assert.deepEqual([audio[0]?.track.id, audio[0]?.track.timescale], [3, 90_000])
  assert.equal(Number(video[0]?.decodeTime), Math.round(((WRAP + 900_000 + SEGMENT_TICKS) * 12_800) / 90_000))
  assert.ok(audio.every(({ duration }) => duration === 1_920))
})

test('one kind alone where the other has a playlist of its own, also out of packed audio', () => {
  assert.deepEqual(
    [made(new ToFmp4('video', undefined), tsSegment(0), 0)].map(({ audio }) => audio.length),
    [0],
  )
  assert.equal(made(new ToFmp4('audio', undefined), tsSegment(0), 0).video.length, 0)
  const owner = Buffer.from('com.apple.streaming.transportStreamTimestamp\0', 'latin1')
  const time = Buffer.from([0, 0, 0, 0, 0, 1, 0x5f, 0x90])
  const tag = Buffer.concat([Buffer.from('ID3\x04\0\0\0\0\0\x3fPRIV\0\0\0\x35\0\0', 'latin1'), owner, time])
  const packed = Buffer.concat([tag, ...Array.from({ length: 5 }, (_, index) => adtsFrame(index))])
  const { audio } = made(new ToFmp4('audio', undefined), packed, 0)
  assert.equal(audio.length, 5)
  assert.equal(Number(audio[0]?.decodeTime), Math.round(((WRAP + 90_000) * 48) / 90))
})

test('sound that becomes another under the same section, and what is no media, is refused', () => {
  const maker = new ToFmp4('all', undefined)
  maker.make(tsSegment(0), 0)
  assert.throws(() => maker.make(tsSegment(1, 900_000, 4), 1), UnreadableSegment)
  assert.throws(() => maker.make(Buffer.from('WEBVTT\n'), 2), UnreadableSegment)
  assert.throws(() => new ToMpegts().make(Buffer.alloc(0), tsSegment(0), 0), UnreadableSegment)
})

test('to MPEG-TS: tables come first, and segments in a row are one stream without a fault', () => {
  const maker = new ToFmp4('all', undefined)
  const segments = [0, 1, 2, 3].map((index) => maker.make(tsSegment(index), index))
  const toTs = new ToMpegts()
  const out = segments.map((segment, index) => toTs.make(maker.map ?? assert.fail(), segment, index))
  for (const bytes of out) assert.equal(bytes.readUInt16BE(1) & 0x1fff, 0, 'the PAT comes first')
  const analyser = createAnalyser()
  for (const bytes of out) analyser.push(bytes)
  assert.deepEqual(analyser.report().findings, [])
  const units = out.flatMap((bytes) => unitsOf(bytes))
  const video = units.filter(({ stream }) => stream.kind === 'video')
  assert.equal(video.length, 4 * PICTURES)
  assert.equal(units.length - video.length, 4 * SOUNDS)
  assert.ok(video.every(({ dts }, index) => index === 0 || dts - (video[index - 1]?.dts ?? 0) === 3_600))
})

test('to MPEG-TS: one out of order stands by itself', () => {
  const maker = new ToFmp4('all', undefined)
  const [first, , third] = [0, 1, 2].map((index) => maker.make(tsSegment(index), index))
  const toTs = new ToMpegts()
  const map = maker.map ?? assert.fail()
  toTs.make(map, third ?? assert.fail(), 2)
  const units = unitsOf(toTs.make(map, first ?? assert.fail(), 0))
  assert.equal(units.length, PICTURES + SOUNDS)
})
