import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TsIndexer, UNDECIDED_BYTES_MAX } from './indexer.ts'
import { PACKET_BYTES, PID_NULL } from './packet.ts'
import { writePmt } from './psi.ts'
import {
  AUDIO_PID,
  createMux,
  h264,
  packet,
  PMT_PID,
  STREAM_TYPE_AAC,
  STREAM_TYPE_H264,
  VIDEO_PID,
  VIDEO_PROGRAMME,
} from './testing.ts'

const { aud, sps, idr, intra, predicted } = h264
const KEYFRAME = Buffer.concat([aud, sps, idr])
const FRAME = Buffer.concat([aud, predicted])
/** A keyframe whose picture comes only in the third packet. */
const SLOW_KEYFRAME = Buffer.concat([aud, sps, Buffer.alloc(400, 0), idr])
const AUDIO_FRAME = Buffer.alloc(300, 0x55)
const MS = 27_000

interface Indexed {
  readonly indexer: TsIndexer
  /** Join points as offsets in the whole stream. */
  readonly joins: readonly number[]
  readonly preambles: readonly Buffer[]
}

/** Indexes a stream in runs of so many packets and collects what was found. */
function indexIn(stream: Buffer, packetsPerRun: number, indexer = new TsIndexer()): Indexed {
  const joins: number[] = []
  const preambles: Buffer[] = []
  let consumed = 0
  while (consumed < stream.length) {
    let rest = stream.subarray(consumed, consumed + packetsPerRun * PACKET_BYTES)
    while (rest.length > 0) {
      const read = indexer.index(rest)
      for (const point of indexer.joinPoints) {
        joins.push(consumed + point)
        preambles.push(indexer.preamble())
      }
      assert.ok(indexer.undecidedBytes <= UNDECIDED_BYTES_MAX)
      consumed += read
      rest = rest.subarray(read)
    }
  }
  return { indexer, joins, preambles }
}

/** Joins the parts and says where each begins. */
function layOut(parts: readonly Buffer[]): { readonly stream: Buffer; readonly at: readonly number[] } {
  let length = 0
  const at = parts.map((part) => (length += part.length) - part.length)
  return { stream: Buffer.concat(parts), at }
}

test('a viewer can begin at keyframes and nowhere else, behind the tables that came last before', () => {
  const mux = createMux()
  const first = mux.tables()
  const parts = [first, mux.pes(VIDEO_PID, KEYFRAME), mux.pes(VIDEO_PID, FRAME), mux.pes(AUDIO_PID, AUDIO_FRAME)]
  const second = mux.tables()
  parts.push(second, mux.pes(VIDEO_PID, KEYFRAME), mux.pes(VIDEO_PID, FRAME))
  const { stream, at } = layOut(parts)
  for (let packetsPerRun = 1; packetsPerRun <= stream.length / PACKET_BYTES; packetsPerRun += 1) {
    const { indexer, joins, preambles } = indexIn(stream, packetsPerRun)
    assert.deepEqual(joins, [at[1], at[5]], `${packetsPerRun} packets at a time`)
    assert.ok(preambles[0]?.equals(first) && preambles[1]?.equals(second))
    assert.equal(indexer.counters.continuityErrors, 0)
    assert.equal(indexer.counters.packets, stream.length / PACKET_BYTES)
    assert.ok(indexer.mediaSeen && indexer.programmeSeen)
    assert.equal(indexer.programme?.video?.codec, 'h264')
  }
})

test('a keyframe that shows itself only packets later is found at the packet that begins it', () => {
  const mux = createMux()
  const { stream, at } = layOut([mux.tables(), mux.pes(VIDEO_PID, FRAME), mux.pes(VIDEO_PID, SLOW_KEYFRAME)])
  for (let packetsPerRun = 1; packetsPerRun <= 8; packetsPerRun += 1) {
    assert.deepEqual(indexIn(stream, packetsPerRun).joins, [at[2]])
  }
})

test('tables that come between the start of a keyframe and its picture are not in its preamble', () => {
  const mux = createMux()
  const before = mux.tables()
  const slow = mux.pes(VIDEO_PID, SLOW_KEYFRAME)
  const between = mux.tables()
  const stream = Buffer.concat([before, slow.subarray(0, PACKET_BYTES), between, slow.subarray(PACKET_BYTES)])
  for (const packetsPerRun of [1, 2, 100]) {
    const { joins, preambles } = indexIn(stream, packetsPerRun)
    assert.deepEqual(joins, [before.length])
    assert.ok(preambles[0]?.equals(before))
  }
})

test('a random access flag counts only at an intra picture', () => {
  const mux = createMux()
  const flagged = { isRandomAccess: true }
  const { stream, at } = layOut([
    mux.tables(),
    mux.pes(VIDEO_PID, FRAME, flagged),
    mux.pes(VIDEO_PID, Buffer.concat([aud, intra]), flagged),
    mux.pes(VIDEO_PID, Buffer.concat([aud, intra])),
  ])
  assert.deepEqual(indexIn(stream, 100).joins, [at[2]])
})

test('of a scrambled stream and of a codec that is not parsed the flag alone decides', () => {
  const mux = createMux()
  const { stream, at } = layOut([
    mux.tables(),
    mux.pes(VIDEO_PID, KEYFRAME, { isScrambled: true }),
    mux.pes(VIDEO_PID, FRAME, { isScrambled: true, isRandomAccess: true }),
  ])
  const scrambled = indexIn(stream, 100)
  assert.deepEqual(scrambled.joins, [at[2]])
  assert.equal(scrambled.indexer.counters.scrambledPackets, 2)
  assert.ok(scrambled.indexer.mediaSeen)
  const cavs = createMux([{ ...VIDEO_PROGRAMME, streams: [{ pid: VIDEO_PID, streamType: 0x42 }] }])
  const other = layOut([
    cavs.tables(),
    cavs.pes(VIDEO_PID, FRAME),
    cavs.pes(VIDEO_PID, FRAME, { isRandomAccess: true }),
  ])
  assert.deepEqual(indexIn(other.stream, 100).joins, [other.at[2]])
})

test('an audio-only programme can be joined at any of its PES packets', () => {
  const programme = {
    ...VIDEO_PROGRAMME,
    pcrPid: AUDIO_PID,
    streams: [{ pid: AUDIO_PID, streamType: STREAM_TYPE_AAC }],
  }
  const mux = createMux([programme])
  const { stream, at } = layOut([mux.tables(), mux.pes(AUDIO_PID, AUDIO_FRAME), mux.pes(AUDIO_PID, AUDIO_FRAME)])
  const { indexer, joins } = indexIn(stream, 100)
  assert.deepEqual(joins, [at[1], at[2]])
  assert.equal(indexer.programme?.video, undefined)
})

test('audio of a programme with video is no join point', () => {
  const mux = createMux()
  const stream = Buffer.concat([mux.tables(), mux.pes(AUDIO_PID, AUDIO_FRAME, { isRandomAccess: true })])
  assert.deepEqual(indexIn(stream, 100).joins, [])
})

test('of several programmes the first with video decides, and the preamble has the tables of all', () => {
  const radio = {
    programmeNumber: 5,
    pmtPid: 0x50,
    pcrPid: 0x51,
    streams: [{ pid: 0x51, streamType: STREAM_TYPE_AAC }],
  }
  const second = {
    programmeNumber: 6,
    pmtPid: 0x60,
    pcrPid: 0x61,
    streams: [{ pid: 0x61, streamType: STREAM_TYPE_H264 }],
  }
  const mux = createMux([radio, VIDEO_PROGRAMME, second])
  const tables = mux.tables()
  const { stream, at } = layOut([
    tables,
    mux.pes(0x51, AUDIO_FRAME, { pcr: 90 * MS }),
    mux.pes(0x61, KEYFRAME, { pcr: 5 * MS }),
    mux.pes(VIDEO_PID, KEYFRAME, { pcr: 70 * MS }),
  ])
  const { indexer, joins } = indexIn(stream, 2)
  assert.deepEqual(joins, [at[3]])
  assert.ok(indexer.preamble().equals(tables))
  assert.equal(indexer.pcr, 70 * MS)
})

test('a new PMT moves the video to another PID and the preamble with it', () => {
  const mux = createMux()
  const moved = createMux([
    { ...VIDEO_PROGRAMME, pcrPid: 0x200, streams: [{ pid: 0x200, streamType: STREAM_TYPE_H264 }] },
  ])
  const tables = moved.tables(1)
  const { stream, at } = layOut([
    mux.tables(),
    mux.pes(VIDEO_PID, KEYFRAME),
    tables,
    mux.pes(VIDEO_PID, KEYFRAME),
    moved.pes(0x200, KEYFRAME),
  ])
  const { joins, preambles } = indexIn(stream, 100)
  assert.deepEqual(joins, [at[1], at[4]])
  assert.ok(preambles[1]?.equals(tables))
})

test('two PMTs that share a packet are both whole in the preamble', () => {
  const languages = Buffer.from('0a04656e6700'.repeat(20), 'hex')
  const streams = (pid: number) => [{ pid, streamType: STREAM_TYPE_H264, descriptors: languages }]
  const programmes = [1, 2].map((number) => ({
    programmeNumber: number,
    pmtPid: PMT_PID,
    pcrPid: 0x100 + number,
    streams: streams(0x100 + number),
  }))
  const pat = createMux(programmes).tables().subarray(0, PACKET_BYTES)
  const [first, second] = programmes.map(({ programmeNumber, pcrPid }) => {
    const described = streams(pcrPid).map((stream) => ({
      ...stream,
      descriptors: Buffer.concat([languages, languages]),
    }))
    return writePmt({
      programmeNumber,
      pcrPid,
      version: 0,
      isCurrent: true,
      descriptors: Buffer.alloc(0),
      streams: described,
    })
  })
  assert.ok(first !== undefined && second !== undefined)
  const rest = first.length - 183
  const payloads = [
    Buffer.concat([Buffer.from([0]), first.subarray(0, 183)]),
    Buffer.concat([Buffer.from([rest]), first.subarray(183), second.subarray(0, 183 - rest)]),
    Buffer.concat([second.subarray(183 - rest), Buffer.alloc(184)]).subarray(0, 184),
  ]
  const shared = payloads.map((payload, counter) => packet({ pid: PMT_PID, counter, isStart: counter < 2, payload }))
  const { indexer } = indexIn(Buffer.concat([pat, ...shared]), 2)
  const joined = indexIn(indexer.preamble(), 100).indexer
  assert.equal(joined.programme?.pmt.programmeNumber, 1)
  const onlySecond = Buffer.concat([pat, indexer.preamble().subarray(-2 * PACKET_BYTES)])
  assert.equal(indexIn(onlySecond, 100).indexer.programme?.pmt.programmeNumber, 2)
})

test('tables, null packets and padding alone are not media', () => {
  const mux = createMux()
  const nulls = Array.from({ length: 5 }, () => packet({ pid: PID_NULL, payload: Buffer.alloc(184) }))
  const empty = mux.packet({ pid: VIDEO_PID, pcr: 1 * MS })
  const { indexer } = indexIn(Buffer.concat([mux.tables(), ...nulls, empty, mux.tables()]), 100)
  assert.equal(indexer.programmeSeen, true)
  assert.equal(indexer.mediaSeen, false)
  assert.equal(indexer.counters.continuityErrors, 0)
})

test('a lost packet, a third repetition and a wrong order are continuity errors; one repetition is not', () => {
  const count = (counters: readonly number[], isDiscontinuity = false) => {
    const packets = counters.map((counter, index) =>
      packet({ pid: 0x300, counter, payload: Buffer.alloc(20), isDiscontinuity: isDiscontinuity && index > 0 }),
    )
    return indexIn(Buffer.concat(packets), 3).indexer.counters.continuityErrors
  }
  assert.equal(count([0, 1, 2, 15]), 1)
  assert.equal(count([14, 15, 0, 1]), 0)
  assert.equal(count([4, 4, 5]), 0)
  assert.equal(count([4, 4, 4, 5]), 1)
  assert.equal(count([4, 3, 4, 5]), 1)
  assert.equal(count([4, 9], true), 0)
})

test('packets marked as damaged are counted and not read', () => {
  const mux = createMux()
  const tables = mux.tables()
  const damaged = Buffer.from(tables)
  for (let at = 0; at < damaged.length; at += PACKET_BYTES) damaged[at + 1] = (damaged[at + 1] ?? 0) | 0x80
  const { indexer } = indexIn(damaged, 100)
  assert.equal(indexer.counters.transportErrors, damaged.length / PACKET_BYTES)
  assert.equal(indexer.programmeSeen, false)
})

test('media time follows the PCR of the programme', () => {
  const mux = createMux()
  const parts = [mux.tables()]
  for (let frame = 0; frame < 50; frame += 1) parts.push(mux.pes(VIDEO_PID, FRAME, { pcr: (1_000 + frame * 40) * MS }))
  assert.equal(indexIn(Buffer.concat(parts), 7).indexer.mediaMs, 49 * 40)
})

test('a picture that never comes holds nothing back for longer than the limit', () => {
  const mux = createMux()
  const endless = mux.pes(VIDEO_PID, aud)
  const other = Array.from({ length: 600 }, () => mux.packet({ pid: AUDIO_PID, payload: Buffer.alloc(184) }))
  const { indexer, joins } = indexIn(Buffer.concat([mux.tables(), endless, ...other]), 10)
  assert.equal(indexer.undecidedBytes, 0)
  assert.deepEqual(joins, [])
})

test('however a damaged stream is cut into runs, the same join points and counts come out, in order', () => {
  const mux = createMux()
  const parts: Buffer[] = []
  for (let group = 0; group < 4; group += 1) {
    parts.push(
      mux.tables(group % 2),
      mux.pes(VIDEO_PID, group % 2 === 0 ? KEYFRAME : SLOW_KEYFRAME, { pcr: group * 40 * MS }),
    )
    parts.push(mux.pes(AUDIO_PID, AUDIO_FRAME), mux.pes(VIDEO_PID, FRAME))
  }
  const clean = Buffer.concat(parts)
  const damage = fc.array(fc.tuple(fc.integer({ min: 0, max: clean.length - 1 }), fc.integer({ min: 0, max: 255 })), {
    maxLength: 30,
  })
  fc.assert(
    fc.property(damage, fc.integer({ min: 1, max: 20 }), (changes, packetsPerRun) => {
      const stream = Buffer.from(clean)
      for (const [at, value] of changes) stream[at] = value
      const whole = indexIn(stream, 1_000)
      const cut = indexIn(stream, packetsPerRun)
      assert.deepEqual(cut.joins, whole.joins)
      assert.deepEqual(cut.preambles, whole.preambles)
      assert.deepEqual(cut.indexer.counters, whole.indexer.counters)
      assert.equal(cut.indexer.mediaMs, whole.indexer.mediaMs)
      assert.deepEqual(
        cut.joins,
        cut.joins.toSorted((left, right) => left - right),
      )
    }),
    { numRuns: 300 },
  )
})

test('tables for thousands of programmes and PIDs stay within bounds', () => {
  const indexer = new TsIndexer()
  for (let round = 0; round < 100; round += 1) {
    const programmes = Array.from({ length: 200 }, (_, index) => ({
      programmeNumber: round * 200 + index + 1,
      pmtPid: 0x20 + ((round * 37 + index) % 8_000),
      pcrPid: 0x100,
      streams: [],
    }))
    indexIn(createMux(programmes).tables(round % 32), 50, indexer)
    assert.ok(indexer.preamble().length <= 65 * 8 * PACKET_BYTES)
  }
})
