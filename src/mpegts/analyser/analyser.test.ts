import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PACKET_BYTES, payloadOffset, PID_PAT, pidOf } from '../packet.ts'
import { packet, VIDEO_PROGRAMME } from '../testing.ts'
import { createAnalyser } from './analyser.ts'
import type { AnalyserReport } from './report.ts'
import { AUDIO_PID, buildStream, FRAME_TICKS, PMT_PID, renumber, VIDEO_PID } from './stream-builder.fixture.ts'

const SECOND = 25
const CLEAN = buildStream({ frames: 4 * SECOND })

function check(packets: readonly Buffer[] | Buffer): AnalyserReport {
  const analyser = createAnalyser()
  analyser.push(Buffer.isBuffer(packets) ? packets : Buffer.concat(packets))
  return analyser.report()
}

/** Codes with their counts, `code@pid`. */
function found({ findings }: AnalyserReport): Record<string, number> {
  return Object.fromEntries(
    findings.map(({ code, pid, count }) => [pid === undefined ? code : `${code}@${pid.toString(16)}`, count]),
  )
}

const isOn =
  (...pids: readonly number[]) =>
  (each: Buffer) =>
    pids.includes(pidOf(each, 0))
/** Index of the n-th packet of a PID. */
function nth(pid: number, n: number, packets: readonly Buffer[] = CLEAN): number {
  return packets.flatMap((each, index) => (pidOf(each, 0) === pid ? [index] : []))[n] ?? -1
}
/** A copy in which packet `index` is other. */
function change(index: number, edit: (packet: Buffer) => void): Buffer[] {
  return CLEAN.map((each, at) => {
    if (at !== index) return each
    const own = Buffer.from(each)
    edit(own)
    return own
  })
}

test('a legal stream gives no finding, not even a note, and its facts', () => {
  const report = check(CLEAN)
  assert.deepEqual(found(report), {})
  assert.equal(report.packets, CLEAN.length)
  assert.equal(report.durationMs, 3_960)
  const [programme] = report.programmes
  const [video, audio] = programme?.streams ?? []
  assert.equal(programme?.pcrPid, VIDEO_PID)
  assert.deepEqual(video?.format, {
    kind: 'video',
    profile: 'Constrained Baseline',
    level: '3',
    width: 640,
    height: 360,
    chroma: '4:2:0',
    bitDepth: 8,
    framesPerSecond: 25,
    isInterlaced: false,
  })
  assert.deepEqual(video.dtsStep, { minMs: 40, medianMs: 40, maxMs: 40 })
  assert.deepEqual(video.decodeDelay, { minMs: 500, medianMs: 500, maxMs: 500 })
  assert.equal(video.randomAccess.points, 10)
  assert.equal(video.randomAccess.beginsWithOne, true)
  assert.equal(video.randomAccess.interval?.medianMs, 400)
  assert.deepEqual(audio?.format, { kind: 'audio', profile: 'LC', sampleRateHz: 48_000, channels: 2 })
  assert.equal(audio.audio?.frames, 186)
  assert.ok(Math.abs((report.bitsPerSecond ?? 0) * 3.96 - CLEAN.length * PACKET_BYTES * 8) < 60_000)
})

test('timestamps and PCR that wrap at 2^33 are no jump', () => {
  for (const framesBefore of [1, 13, 30, 60]) {
    const firstDts = 2 ** 33 - framesBefore * FRAME_TICKS
    const report = check(buildStream({ frames: 4 * SECOND, firstDts }))
    assert.deepEqual(found(report), {}, `${framesBefore} frames before the wrap`)
    assert.equal(report.durationMs, 3_960)
  }
})

test('packets of 192 and 204 bytes are read like those of 188', () => {
  const m2ts = Buffer.concat(CLEAN.map((each) => Buffer.concat([Buffer.from([0, 1, 2, 3]), each])))
  const withFec = Buffer.concat(CLEAN.map((each) => Buffer.concat([each, Buffer.alloc(16)])))
  for (const [bytes, packetBytes] of [
    [m2ts, 192],
    [withFec, 204],
  ] as const) {
    const report = check(bytes)
    assert.deepEqual(found(report), {})
    assert.equal(report.packetBytes, packetBytes)
    assert.equal(report.packets, CLEAN.length)
  }
})

interface Fault {
  readonly name: string
  readonly packets: readonly Buffer[] | Buffer
  readonly expected: Readonly<Record<string, number>>
}

const VIDEO = VIDEO_PID.toString(16)
const AUDIO = AUDIO_PID.toString(16)
const PMT = PMT_PID.toString(16)
/** A packet in the middle of a picture, without PES header or PCR. */
const INNER = nth(VIDEO_PID, 41)
/** As many frames as end together with a frame of audio. */
const HALF = 64
const garbage = Buffer.alloc(333, 0x78)

const faults: readonly Fault[] = [
  {
    name: 'bytes between packets',
    packets: Buffer.concat([...CLEAN.slice(0, 99), garbage, ...CLEAN.slice(99)]),
    expected: { ts_sync_loss: 1 },
  },
  {
    name: 'one wrong sync byte',
    packets: change(INNER, (own) => own.fill(0, 0, 1)),
    expected: { sync_byte_error: 1 },
  },
  {
    name: 'no PAT for a second',
    packets: renumber(CLEAN.filter((each, index) => !isOn(PID_PAT)(each) || index < 80 || index > 300)),
    expected: { 'pat_error@0': 1 },
  },
  {
    name: 'another table on the PAT’s PID',
    packets: change(nth(PID_PAT, 4), (own) => copySection(own, CLEAN[nth(PMT_PID, 4)])),
    expected: { 'pat_error@0': 1 },
  },
  {
    name: 'a lost packet',
    packets: CLEAN.toSpliced(INNER, 1),
    expected: { [`continuity_count_error@${VIDEO}`]: 1 },
  },
  {
    name: 'a packet three times',
    packets: CLEAN.toSpliced(INNER, 0, ...[CLEAN[INNER], CLEAN[INNER]].filter((each) => each !== undefined)),
    expected: { [`continuity_count_error@${VIDEO}`]: 1 },
  },
  {
    name: 'a counter that goes on without payload',
    packets: CLEAN.toSpliced(INNER + 1, 0, packet({ pid: VIDEO_PID, counter: counterOf(INNER) + 1 })),
    // And the next one does not follow it.
    expected: { [`continuity_count_error@${VIDEO}`]: 2 },
  },
  {
    name: 'no PMT for a second',
    packets: renumber(CLEAN.filter((each, index) => !isOn(PMT_PID)(each) || index < 80 || index > 300)),
    expected: { [`pmt_error@${PMT}`]: 1 },
  },
  {
    name: 'transport_error_indicator',
    packets: change(INNER, (own) => own.writeUInt8((own[1] ?? 0) | 0x80, 1)),
    expected: { [`transport_error@${VIDEO}`]: 1 },
  },
  {
    name: 'a PMT with a wrong CRC_32',
    packets: change(nth(PMT_PID, 3), (own) => own.writeUInt8(9, 20)),
    expected: { [`crc_error@${PMT}`]: 1 },
  },
  {
    name: 'scrambled audio without CAT',
    packets: CLEAN.map((each) => (isOn(AUDIO_PID)(each) ? scramble(each) : each)),
    expected: { 'cat_error@1': 1, [`scrambled@${AUDIO}`]: 1 },
  },
  {
    name: 'audio that stops',
    packets: CLEAN.filter((each, index) => !isOn(AUDIO_PID)(each) || index < 200),
    expected: { [`pts_error@${AUDIO}`]: 1 },
  },
  {
    name: 'a PID that no table names',
    packets: CLEAN.toSpliced(INNER, 0, packet({ pid: 0x1abc, payload: Buffer.alloc(184) })),
    expected: { 'unreferenced_pid@1abc': 1 },
  },
  {
    name: 'an audio PES packet that is cut short',
    packets: renumber(CLEAN.toSpliced(nth(AUDIO_PID, 10), 1, shortPes(CLEAN[nth(AUDIO_PID, 10)]))),
    expected: { [`pes_length_error@${AUDIO}`]: 1, [`audio_frame_broken@${AUDIO}`]: 1 },
  },
]

describe('each fault is found, and nothing else:', () => {
  for (const { name, packets, expected } of faults) {
    test(name, () => assert.deepEqual(found(check(packets)), expected))
  }
})

test('a PID that stays away for more than five seconds is a PID_error', () => {
  const packets = buildStream({ frames: 8 * SECOND }).filter((each, index) => !isOn(AUDIO_PID)(each) || index < 100)
  const report = check(packets)
  assert.equal(found(report)[`pid_error@${AUDIO}`], 1)
  const worst = report.findings.find(({ code }) => code === 'pid_error')?.worst ?? 0
  assert.ok(worst > 6_000 && worst < 8_000, `${worst} ms`)
})

test('when the PID with the clock stops, time goes on by the other streams', () => {
  const packets = buildStream({ frames: 10 * SECOND }).filter((each, index) => !isOn(VIDEO_PID)(each) || index < 300)
  const codes = found(check(packets))
  assert.equal(codes[`pcr_repetition_error@${VIDEO}`], 1)
  assert.equal(codes[`pts_error@${VIDEO}`], 1)
  assert.equal(codes[`pid_error@${VIDEO}`], 1)
})

test('a packet that comes twice is legal', () => {
  const twice = CLEAN.flatMap((each, index) => (index % 7 === 3 ? [each, each] : [each]))
  assert.deepEqual(found(check(twice)), {})
})

describe('two sources one behind the other:', () => {
  const first = buildStream({ frames: HALF })
  const laterDts = 900_000 + 4_990 * 90_000
  const seams: readonly Fault[] = [
    {
      name: 'numbered and timed as one stream is clean',
      packets: renumber([...first, ...buildStream({ frames: HALF, firstDts: 900_000 + HALF * FRAME_TICKS })]),
      expected: {},
    },
    {
      name: 'timed as one, numbered as two',
      packets: [...first, ...buildStream({ frames: HALF, firstDts: 900_000 + HALF * FRAME_TICKS })],
      expected: {
        'continuity_count_error@0': 1,
        [`continuity_count_error@${VIDEO}`]: 1,
        [`continuity_count_error@${AUDIO}`]: 1,
        [`continuity_count_error@${PMT}`]: 1,
      },
    },
    {
      name: 'numbered as one, timed as two',
      packets: renumber([...first, ...buildStream({ frames: HALF, firstDts: laterDts })]),
      expected: {
        [`pcr_discontinuity_error@${VIDEO}`]: 1,
        [`dts_step@${VIDEO}`]: 1,
        [`audio_hole@${AUDIO}`]: 1,
      },
    },
    {
      name: 'the second one earlier',
      packets: renumber([...buildStream({ frames: HALF, firstDts: laterDts }), ...first]),
      expected: {
        [`pcr_discontinuity_error@${VIDEO}`]: 1,
        [`dts_not_increasing@${VIDEO}`]: 1,
        [`dts_not_increasing@${AUDIO}`]: 1,
        [`audio_overlap@${AUDIO}`]: 1,
      },
    },
    {
      name: 'a jump that is announced is only a note',
      packets: renumber([...first, ...buildStream({ frames: HALF, firstDts: laterDts, announces: true })]),
      expected: { [`announced_discontinuity@${VIDEO}`]: 1 },
    },
    {
      name: 'joined in the middle of a group of pictures',
      packets: renumber([
        ...first,
        ...buildStream({ frames: HALF, firstDts: 900_000 + HALF * FRAME_TICKS, firstPicture: 7 }),
      ]),
      expected: { [`picture_reference_missing@${VIDEO}`]: 1 },
    },
    {
      name: 'another picture size',
      packets: renumber([
        ...first,
        ...buildStream({ frames: HALF, firstDts: 900_000 + HALF * FRAME_TICKS, width: 320 }),
      ]),
      expected: { [`signature_changed@${VIDEO}`]: 1 },
    },
  ]
  for (const { name, packets, expected } of seams) {
    test(name, () => {
      assert.deepEqual(found(check(packets)), expected)
    })
  }

  test('other PIDs under the same version of the tables', () => {
    const programme = {
      ...VIDEO_PROGRAMME,
      pcrPid: 0x200,
      streams: VIDEO_PROGRAMME.streams.map((stream) => ({ ...stream, pid: stream.pid + 0x100 })),
    }
    const second = buildStream({ frames: HALF, firstDts: 900_000 + HALF * FRAME_TICKS, programme })
    assert.deepEqual(found(check(renumber([...first, ...second]))), {
      [`table_version_error@${PMT}`]: 1,
      [`programme_changed@${PMT}`]: 1,
    })
  })

  test('a place says packet, byte and media time', () => {
    const packets = renumber([...first, ...buildStream({ frames: HALF, firstDts: laterDts })])
    const step = check(packets).findings.find(({ code }) => code === 'dts_step')
    const at = first.length + 2
    const [place] = step?.places ?? []
    assert.deepEqual(
      { packet: place?.packet, byteOffset: place?.byteOffset, mediaTimeMs: place?.mediaTimeMs },
      { packet: at, byteOffset: at * PACKET_BYTES, mediaTimeMs: (HALF - 1) * 40 },
    )
  })
})

function counterOf(index: number): number {
  return (CLEAN[index]?.[3] ?? 0) & 0x0f
}

function scramble(each: Buffer): Buffer {
  const own = Buffer.from(each)
  own.writeUInt8((own[3] ?? 0) | 0x80, 3)
  return own
}

/** Puts the section of one packet into another. */
function copySection(own: Buffer, from: Buffer | undefined): void {
  from?.copy(own, 4, 4)
}

/** The packet with less of its payload. */
function shortPes(each: Buffer | undefined): Buffer {
  const own = each ?? Buffer.alloc(PACKET_BYTES)
  return packet({ pid: pidOf(own, 0), isStart: true, payload: own.subarray(payloadOffset(own, 0), PACKET_BYTES - 20) })
}
