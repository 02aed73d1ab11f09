import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createAnalyser } from './analyser/analyser.ts'
import { continuityCounterOf, hasPayload, hasPcr, PACKET_BYTES, pcrOf, pidOf } from './packet.ts'
import { parsePmt } from './psi.ts'
import { RenditionFilter } from './rendition-filter.ts'
import { SectionAssembler } from './section-assembler.ts'
import { createMux, h264, STREAM_TYPE_AAC, STREAM_TYPE_H264 } from './testing.ts'
import type { TestMux } from './testing.ts'

const PROGRAMME = {
  programmeNumber: 1,
  pmtPid: 0x1000,
  pcrPid: 0x100,
  streams: [
    { pid: 0x100, streamType: STREAM_TYPE_H264 },
    { pid: 0x101, streamType: STREAM_TYPE_AAC },
    { pid: 0x102, streamType: STREAM_TYPE_AAC },
    { pid: 0x110, streamType: STREAM_TYPE_H264 },
    { pid: 0x111, streamType: STREAM_TYPE_H264 },
  ],
}

/** Pictures of three sizes with two sounds; the clock is on the first picture. */
function programme(mux: TestMux, pictures: number): Buffer {
  const parts: Buffer[] = []
  for (let index = 0; index < pictures; index += 1) {
    const isRandomAccess = index % 5 === 0
    if (isRandomAccess) parts.push(mux.tables())
    const unit = (bytes: number) =>
      Buffer.concat([h264.aud, isRandomAccess ? h264.idr : h264.predicted, Buffer.alloc(bytes, 0x55)])
    parts.push(mux.pes(0x100, unit(900), { isRandomAccess, pcr: 27_000_000 + index * 1_080_000 }))
    parts.push(mux.pes(0x110, unit(500), { isRandomAccess }), mux.pes(0x111, unit(200), { isRandomAccess }))
    parts.push(mux.pes(0x101, Buffer.alloc(300, 1), { streamId: 0xc0 }))
    parts.push(mux.pes(0x102, Buffer.alloc(200, 2), { streamId: 0xc0 }))
  }
  return Buffer.concat(parts)
}

const packetsOf = (bytes: Buffer) =>
  Array.from({ length: bytes.length / PACKET_BYTES }, (_, index) =>
    bytes.subarray(index * PACKET_BYTES, (index + 1) * PACKET_BYTES),
  )

function payloadsOf(bytes: Buffer, pid: number): Buffer {
  return Buffer.concat(
    packetsOf(bytes)
      .filter((packet) => pidOf(packet, 0) === pid && hasPayload(packet, 0))
      .map((packet) => packet.subarray(4 + ((packet[3] ?? 0) & 0x20 ? 1 + (packet[4] ?? 0) : 0))),
  )
}

function continuityProblems(bytes: Buffer): number {
  const last = new Map<number, number>()
  let problems = 0
  for (const packet of packetsOf(bytes)) {
    const [pid, counter] = [pidOf(packet, 0), continuityCounterOf(packet, 0)]
    const before = last.get(pid)
    last.set(pid, counter)
    if (before !== undefined && counter !== (hasPayload(packet, 0) ? (before + 1) & 0x0f : before)) problems += 1
  }
  return problems
}

const pcrsOf = (bytes: Buffer) =>
  packetsOf(bytes)
    .filter((packet) => hasPcr(packet, 0))
    .map((packet) => pcrOf(packet, 0))

for (const [video, audio, videoPid, audioPid] of [
  [0, 0, 0x100, 0x101],
  [1, 1, 0x110, 0x102],
  [2, 0, 0x111, 0x101],
  // Where there are fewer, the last.
  [7, 5, 0x111, 0x102],
] as const) {
  test(`picture ${video} and sound ${audio} come out whole, under the PIDs that every rendition has`, () => {
    const input = programme(createMux([PROGRAMME]), 20)
    const output = new RenditionFilter({ video, audio }).push(input)
    assert.ok(payloadsOf(output, 0x100).equals(payloadsOf(input, videoPid)))
    assert.ok(payloadsOf(output, 0x101).equals(payloadsOf(input, audioPid)))
    assert.deepEqual(
      [...new Set(packetsOf(output).map((packet) => pidOf(packet, 0)))].toSorted((a, b) => a - b),
      [0, 0x100, 0x101, 0x1000],
    )
    assert.equal(continuityProblems(output), 0)
    assert.deepEqual(pcrsOf(output), pcrsOf(input), 'the clock of the programme')
    const report = createAnalyser()
    report.push(output)
    assert.deepEqual(
      report.report().signature?.streams.map(({ kind }) => kind),
      ['video', 'audio'],
    )
  })
}

test('the tables name what there is, and the clock on the picture', () => {
  const output = new RenditionFilter({ video: 2, audio: 1 }).push(programme(createMux([PROGRAMME]), 1))
  const assembler = new SectionAssembler()
  let pmt: ReturnType<typeof parsePmt>
  for (let at = 0; at < output.length; at += PACKET_BYTES) {
    if (pidOf(output, at) === 0x1000) assembler.push(output, at, (section) => (pmt = parsePmt(section)))
  }
  assert.deepEqual([pmt?.pcrPid, pmt?.streams.map(({ pid }) => pid)], [0x100, [0x100, 0x101]])
})

test('wherever the stream is cut into pieces, the same comes out', () => {
  const input = programme(createMux([PROGRAMME]), 12)
  const whole = new RenditionFilter({ video: 1, audio: 0 }).push(input)
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 200 }), (lengths) => {
      const filter = new RenditionFilter({ video: 1, audio: 0 })
      const pieces: Buffer[] = []
      let at = 0
      for (let index = 0; at < input.length; index += 1) {
        const end = Math.min(input.length, at + (lengths[index % lengths.length] ?? 1) * PACKET_BYTES)
        pieces.push(filter.push(input.subarray(at, end)))
        at = end
      }
      assert.ok(Buffer.concat(pieces).equals(whole))
    }),
    { numRuns: 40 },
  )
})

test('of a programme without pictures the sound comes out, with the clock on it', () => {
  const sound = { ...PROGRAMME, pcrPid: 0x101, streams: PROGRAMME.streams.slice(1, 2) }
  const mux = createMux([sound])
  const input = Buffer.concat([mux.tables(), mux.pes(0x101, Buffer.alloc(500), { streamId: 0xc0, pcr: 1_000 })])
  const output = new RenditionFilter({ video: 3, audio: 0 }).push(input)
  assert.ok(payloadsOf(output, 0x101).equals(payloadsOf(input, 0x101)))
  assert.deepEqual(pcrsOf(output), [1_000])
})

test('before the tables nothing comes out, and damage is no reason to throw', () => {
  const mux = createMux([PROGRAMME])
  mux.tables()
  assert.equal(new RenditionFilter({ video: 0, audio: 0 }).push(mux.pes(0x100, Buffer.alloc(900))).length, 0)
  const input = programme(createMux([PROGRAMME]), 6)
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(input.length - 1), fc.nat(255)), { maxLength: 60 }), (damage) => {
      const damaged = Buffer.from(input)
      for (const [at, value] of damage) damaged[at] = value
      const output = new RenditionFilter({ video: 1, audio: 1 }).push(damaged)
      assert.equal(output.length % PACKET_BYTES, 0)
    }),
    { numRuns: 200 },
  )
})
