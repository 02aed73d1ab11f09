import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createAnalyser } from './analyser/analyser.ts'
import { PACKET_BYTES, pidOf } from './packet.ts'
import { ProgrammeRelayout, readProgrammeLayout } from './programme-layout.ts'
import type { ProgrammeLayout } from './programme-layout.ts'
import { createMux, h264, STREAM_TYPE_AAC, STREAM_TYPE_H264 } from './testing.ts'
import type { ProgrammeShape } from './testing.ts'

const TARGET: ProgrammeLayout = {
  programmeNumber: 7,
  pmtPid: 0x20,
  streams: [
    { pid: 0x31, codec: 'aac' },
    { pid: 0x30, codec: 'h264' },
  ],
}

const shape = (own: Partial<ProgrammeShape> = {}): ProgrammeShape => ({
  programmeNumber: 1,
  pmtPid: 0x1000,
  pcrPid: 0x100,
  streams: [
    { pid: 0x100, streamType: STREAM_TYPE_H264 },
    { pid: 0x101, streamType: STREAM_TYPE_AAC },
  ],
  ...own,
})

function segment(programme: ProgrammeShape): Buffer {
  const mux = createMux([programme])
  const parts: Buffer[] = []
  for (let index = 0; index < 6; index += 1) {
    const isRandomAccess = index % 3 === 0
    if (isRandomAccess) parts.push(mux.tables())
    const unit = Buffer.concat([h264.aud, isRandomAccess ? h264.idr : h264.predicted, Buffer.alloc(700, 0x55)])
    for (const { pid, streamType } of programme.streams) {
      const isVideo = streamType === STREAM_TYPE_H264
      const clock = pid === programme.pcrPid ? { pcr: 27_000_000 + index * 1_080_000 } : {}
      parts.push(mux.pes(pid, isVideo ? unit : Buffer.alloc(300, 1), { ...clock, streamId: isVideo ? 0xe0 : 0xc0 }))
    }
  }
  return Buffer.concat(parts)
}

function relaid(bytes: Buffer, target: ProgrammeLayout, cuts: readonly number[] = []): Buffer {
  const relayout = new ProgrammeRelayout(target)
  const parts: Buffer[] = []
  let from = 0
  for (const to of [...cuts.toSorted((left, right) => left - right), bytes.length]) {
    parts.push(relayout.push(bytes.subarray(from, to)))
    from = Math.max(from, to)
  }
  return Buffer.concat([...parts, relayout.end()])
}

const pidsIn = (bytes: Buffer) =>
  new Set(Array.from({ length: bytes.length / PACKET_BYTES }, (_, index) => pidOf(bytes, index * PACKET_BYTES)))

test('streams get the PIDs of the next one of their codec, and the tables say so', () => {
  const source = segment(shape())
  const out = relaid(source, TARGET)
  assert.equal(out.length, source.length)
  assert.deepEqual(pidsIn(out), new Set([0, 0x20, 0x30, 0x31]))
  assert.deepEqual(readProgrammeLayout(out), {
    programmeNumber: 7,
    pmtPid: 0x20,
    streams: [
      { pid: 0x30, codec: 'h264' },
      { pid: 0x31, codec: 'aac' },
    ],
  })
  const analyser = createAnalyser()
  analyser.push(out)
  assert.deepEqual(
    analyser.report().signature?.streams.map(({ codec }) => codec),
    ['h264', 'aac'],
  )
})

test('a stream that the other programme has not keeps its PID, or makes room', () => {
  const streams = [
    { pid: 0x100, streamType: STREAM_TYPE_H264 },
    { pid: 0x30, streamType: STREAM_TYPE_AAC },
    { pid: 0x31, streamType: STREAM_TYPE_AAC },
    { pid: 0x99, streamType: 0x06 },
  ]
  const found = readProgrammeLayout(relaid(segment(shape({ streams })), TARGET))
  assert.deepEqual(
    found?.streams.map(({ pid }) => pid),
    [0x30, 0x31, 0x1f00, 0x99],
  )
})

test('a clock on a PID of its own does not fall onto another stream', () => {
  const out = relaid(segment(shape({ pcrPid: 0x30 })), TARGET)
  assert.deepEqual(pidsIn(out), new Set([0, 0x20, 0x30, 0x31]))
})

test('what has the layout already, and what is no transport stream, comes out as it was', () => {
  const source = segment(shape())
  const own = readProgrammeLayout(source)
  assert.ok(own !== undefined)
  assert.ok(relaid(source, own).equals(source))
  const text = Buffer.from('WEBVTT\n\n00:00.000 --> 00:01.000\nG\n')
  assert.ok(relaid(text, TARGET).equals(text))
  const noTables = source.subarray(2 * PACKET_BYTES, 3 * PACKET_BYTES)
  assert.ok(relaid(noTables, TARGET).equals(noTables))
  assert.equal(readProgrammeLayout(text), undefined)
})

test('however the bytes are cut, and over how many packets a table goes, the result is the same', () => {
  const long = { pid: 0x101, streamType: STREAM_TYPE_AAC, descriptors: Buffer.alloc(400, 0xc0) }
  long.descriptors.set([0xc0, 198], 0)
  long.descriptors.set([0xc0, 198], 200)
  const source = segment(shape({ streams: [{ pid: 0x100, streamType: STREAM_TYPE_H264 }, long] }))
  const whole = relaid(source, TARGET)
  assert.deepEqual(
    readProgrammeLayout(whole)?.streams.map(({ pid }) => pid),
    [0x30, 0x31],
  )
  fc.assert(
    fc.property(fc.array(fc.nat(source.length), { maxLength: 12 }), (cuts) => {
      assert.ok(relaid(source, TARGET, cuts).equals(whole))
    }),
  )
})

test('damage never throws, and never changes the length', () => {
  const source = segment(shape())
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(source.length - 1), fc.nat(255)), { maxLength: 40 }), (hits) => {
      const damaged = Buffer.from(source)
      for (const [at, value] of hits) damaged[at] = value
      assert.equal(relaid(damaged, TARGET).length, damaged.length)
    }),
  )
})
