import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readH264Sequence } from '../analyser/h264.ts'
import { PACKET_BYTES } from '../packet.ts'
import { AUDIO_PID, createMux, VIDEO_PID } from '../testing.ts'
import type { AccessUnit } from './access-unit.ts'
import { packetisePes } from './pes-packets.ts'
import { annexB, adtsFrame, H264_PPS, H264_SPS_FIELDS, h264Field, h264Slice, h264Unit } from './elementary.fixture.ts'
import { TsWriter } from './ts-writer.ts'
import type { WrittenUnit } from './ts-writer.ts'
import { UnitReader } from './unit-reader.ts'

interface Seen extends Omit<AccessUnit, 'stream' | 'nals'> {
  readonly codec: string
  readonly nals: readonly Buffer[]
}

function read(packets: Buffer, pieceBytes = packets.length): Seen[] {
  const seen: Seen[] = []
  const reader = new UnitReader({
    onUnit: ({ stream, data, nals, ...unit }) => {
      const copy = Buffer.from(data)
      const cut = nals.flatMap((start, index) => (index % 2 === 0 ? [copy.subarray(start, nals[index + 1])] : []))
      seen.push({ ...unit, codec: stream.codec, data: copy, nals: cut })
    },
  })
  for (let at = 0; at < packets.length; at += pieceBytes) reader.push(packets.subarray(at, at + pieceBytes))
  reader.flush()
  return seen
}

const NO_FLAGS = { isRandomAccess: false, isDiscontinuity: false, pcr: undefined }

/** PES packets of the test programme's video, in turn, with counters that go on. */
function videoPes(parts: readonly { readonly data: Buffer; readonly pts?: number; readonly dts?: number }[]): Buffer {
  const mux = createMux()
  const out = [mux.tables()]
  let counter = 0
  for (const { data, pts = 0, dts = pts } of parts) {
    const packets = packetisePes({ streamId: 0xe0, pts, dts, data, isUnbounded: true }, VIDEO_PID, counter, NO_FLAGS)
    counter = (counter + packets.length / PACKET_BYTES) & 0x0f
    out.push(packets)
  }
  return Buffer.concat(out)
}

function writeAll(units: readonly (readonly [stream: number, unit: WrittenUnit])[]): Buffer {
  const writer = new TsWriter()
  writer.setStreams([{ codec: 'h264' }, { codec: 'aac', language: 'deu' }])
  return Buffer.concat(units.map(([stream, unit]) => writer.write(stream, unit)))
}

function programme(frames: number, startDts: number): (readonly [number, WrittenUnit])[] {
  return Array.from({ length: frames }, (_, index) => {
    const dts = startDts + index * 1_800
    if (index % 2 === 1) return [1, { pts: dts, dts, isRandomAccess: true, data: adtsFrame(index & 0xff) }] as const
    const isRandomAccess = index % 20 === 0
    const data = h264Unit(isRandomAccess, index & 0xff, 10 + ((index * 97) % 2_000))
    return [0, { pts: dts + 3_600, dts, isRandomAccess, data }] as const
  })
}

test('what was written is read, also over the wrap of the timestamps, in whatever pieces', () => {
  const written = programme(200, 2 ** 33 - 100_000)
  const packets = writeAll(written)
  for (const pieceBytes of [PACKET_BYTES, PACKET_BYTES * 7, packets.length]) {
    const seen = read(packets, pieceBytes).toSorted((left, right) => left.dts - right.dts)
    assert.equal(seen.length, written.length)
    for (const [index, { pts, dts, isRandomAccess, data }] of seen.entries()) {
      const expected = written[index]?.[1]
      assert.deepEqual({ pts, dts, isRandomAccess, data }, expected)
    }
  }
})

test('two fields in PES packets of their own are one picture', () => {
  const bits = readH264Sequence(H264_SPS_FIELDS, 0, H264_SPS_FIELDS.length)?.frameNumBits ?? 0
  const sets = [H264_SPS_FIELDS, H264_PPS]
  const seen = read(
    videoPes([
      { data: annexB(...sets, h264Field(0, false, bits, true)), pts: 3_600 },
      { data: annexB(h264Field(0, true, bits)), pts: 5_400 },
      { data: annexB(h264Field(1, false, bits)), pts: 7_200 },
      { data: annexB(h264Field(1, true, bits)), pts: 9_000 },
      // The second field of this one never came.
      { data: annexB(h264Field(2, false, bits)), pts: 10_800 },
      { data: annexB(h264Field(3, false, bits)), pts: 14_400 },
    ]),
  )
  assert.deepEqual(
    seen.map(({ pts, nals }) => [pts, nals.length]),
    [
      [3_600, 4],
      [7_200, 2],
      [10_800, 1],
      [14_400, 1],
    ],
  )
  assert.deepEqual(seen[1]?.nals, [h264Field(1, false, bits), h264Field(1, true, bits)])
})

test('a PES packet without a timestamp goes on with the picture before it', () => {
  const mux = createMux()
  const unit = h264Unit(true, 7, 900)
  const header = Buffer.from([0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0])
  const first = packetisePes(
    { streamId: 0xe0, pts: 9_000, dts: 9_000, data: unit.subarray(0, 400), isUnbounded: true },
    VIDEO_PID,
    0,
    NO_FLAGS,
  )
  let counter = first.length / PACKET_BYTES
  const rest: Buffer[] = []
  for (let at = 0, bytes = Buffer.concat([header, unit.subarray(400)]); at < bytes.length; at += 150) {
    rest.push(mux.packet({ pid: VIDEO_PID, isStart: at === 0, payload: bytes.subarray(at, at + 150) }))
    rest.at(-1)?.fill(0x30 | (counter & 0x0f), 3, 4)
    counter += 1
  }
  const seen = read(Buffer.concat([mux.tables(), first, ...rest]))
  assert.equal(seen.length, 1)
  assert.deepEqual(seen[0]?.data, unit)
})

test('several pictures in one PES packet are told apart, by delimiters or without', () => {
  const plain = annexB(h264Slice(false, 1), Buffer.from('410a84ff', 'hex'), h264Slice(false, 2))
  const data = Buffer.concat([h264Unit(true, 3), h264Unit(false, 4), plain])
  const seen = read(
    videoPes([
      { data: h264Unit(true, 9), pts: 0 },
      { data, pts: 3_600 },
      { data: h264Unit(false, 5), pts: 18_000 },
    ]),
  )
  assert.deepEqual(
    seen.map(({ dts, nals }) => [dts, nals.length]),
    [
      [0, 4],
      [3_600, 4],
      [4_500, 2],
      [5_400, 2],
      [6_300, 1],
      [18_000, 2],
    ],
  )
})

test('a lost packet takes its picture away and no other', () => {
  const packets = videoPes(
    Array.from({ length: 5 }, (_, index) => ({ data: h264Unit(index === 0, index + 1, 1_000), pts: index * 3_600 })),
  )
  const starts = Array.from({ length: packets.length / PACKET_BYTES }, (_, index) => index * PACKET_BYTES)
  const isStart = (at: number) => ((packets[at + 1] ?? 0) & 0x40) !== 0
  const third = starts.filter(isStart)[4] ?? 0
  const lossy = Buffer.concat([packets.subarray(0, third + PACKET_BYTES), packets.subarray(third + 2 * PACKET_BYTES)])
  assert.deepEqual(
    read(lossy).map(({ dts }) => dts),
    [0, 3_600, 10_800, 14_400],
  )
  const doubled = Buffer.concat([packets.subarray(0, third + PACKET_BYTES), packets.subarray(third, packets.length)])
  assert.equal(read(doubled).length, 5, 'a packet that came twice')
})

test('audio frames that lie across PES packets have the time of their begin', () => {
  const mux = createMux()
  const frames = Array.from({ length: 6 }, (_, index) => adtsFrame(index, 120))
  const bytes = Buffer.concat(frames)
  const out = [mux.tables()]
  let counter = 0
  // 120-byte frames in PES packets of 200 bytes: the time is of the first frame that begins in the packet.
  const times = [0, 3_840, 7_680, 9_600]
  for (const [index, at] of [0, 200, 400, 600].entries()) {
    const pes = {
      streamId: 0xc0,
      pts: times[index] ?? 0,
      dts: times[index] ?? 0,
      data: bytes.subarray(at, at + 200),
      isUnbounded: false,
    }
    const packets = packetisePes(pes, AUDIO_PID, counter, NO_FLAGS)
    counter += packets.length / PACKET_BYTES
    out.push(packets)
  }
  const seen = read(Buffer.concat(out))
  assert.deepEqual(
    seen.map(({ pts, data }) => [pts, data]),
    frames.map((frame, index) => [index * 1_920, frame]),
  )
})

test('no damage makes it throw or stop', () => {
  const packets = writeAll(programme(120, 0))
  const damage = fc.array(
    fc.record({
      at: fc.nat(packets.length - 1),
      kind: fc.constantFrom('flip', 'drop', 'zero'),
      amount: fc.integer({ min: 1, max: 400 }),
    }),
    { minLength: 1, maxLength: 10 },
  )
  fc.assert(
    fc.property(damage, (wounds) => {
      let bytes = Buffer.from(packets)
      for (const { at, kind, amount } of wounds) {
        const here = Math.min(at, bytes.length - 1)
        if (kind === 'flip') bytes[here] = (bytes[here] ?? 0) ^ (amount & 0xff)
        else if (kind === 'zero') bytes.fill(0, here, Math.min(bytes.length, here + amount))
        else {
          const start = here - (here % PACKET_BYTES)
          bytes = Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + PACKET_BYTES)])
        }
      }
      const seen = read(Buffer.concat([bytes, packets]))
      assert.ok(seen.length >= 100, `${seen.length} units of the half that is whole`)
    }),
    { numRuns: 150 },
  )
})
