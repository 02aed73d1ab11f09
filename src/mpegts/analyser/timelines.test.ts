import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PACKET_BYTES, payloadOffset, pidOf, writePcr } from '../packet.ts'
import { VIDEO_PROGRAMME } from '../testing.ts'
import { createAnalyser } from './analyser.ts'
import { AUDIO_PID, buildStream, FRAME_TICKS, renumber, VIDEO_PID } from './stream-builder.fixture.ts'
import type { StreamShape } from './stream-builder.fixture.ts'

const SECOND = 25
const VIDEO = VIDEO_PID.toString(16)
const AUDIO = AUDIO_PID.toString(16)

/** Codes with their counts, `code@pid`. */
function found(packets: readonly Buffer[]): Record<string, number> {
  const analyser = createAnalyser()
  analyser.push(Buffer.concat(packets))
  const { findings } = analyser.report()
  return Object.fromEntries(findings.map(({ code, pid, count }) => [`${code}@${pid?.toString(16) ?? ''}`, count]))
}

/** A copy in which the n-th PES packet of a PID begins otherwise; `edit` gets the packet and where its PES begins. */
function changePes(
  packets: readonly Buffer[],
  pid: number,
  n: number,
  edit: (own: Buffer, pes: number) => void,
): Buffer[] {
  const starts = packets.filter((each) => pidOf(each, 0) === pid && ((each[1] ?? 0) & 0x40) !== 0)
  return packets.map((each) => {
    if (each !== starts[n]) return each
    const own = Buffer.from(each)
    edit(own, payloadOffset(own, 0))
    return own
  })
}

interface Case {
  readonly name: string
  readonly shape: Omit<StreamShape, 'frames'>
  readonly seconds?: number
  readonly expected: Readonly<Record<string, number>>
}

const FRAMES = 2 * SECOND
const cases: readonly Case[] = [
  {
    name: 'pictures that arrive after they were to be decoded',
    shape: { decodeDelayTicks: -1_000 },
    expected: { [`dts_before_pcr@${VIDEO}`]: FRAMES, [`dts_before_pcr@${AUDIO}`]: 46 },
  },
  {
    name: 'timestamps that are on another timeline than the clock',
    shape: { decodeDelayTicks: 11 * 90_000 },
    expected: { [`dts_far_from_pcr@${VIDEO}`]: FRAMES, [`dts_far_from_pcr@${AUDIO}`]: 46 },
  },
  {
    name: 'pictures that are to be shown before they are decoded',
    shape: { shownAfterTicks: -900 },
    expected: { [`pts_before_dts@${VIDEO}`]: FRAMES },
  },
  {
    name: 'audio that arrives three seconds before its picture',
    shape: { audioAheadTicks: 3 * 90_000 },
    expected: { [`av_skew@${AUDIO}`]: 1 },
  },
  {
    name: 'keyframes twelve seconds apart',
    shape: { gopFrames: 12 * SECOND },
    seconds: 13,
    // frame_num of the fixture counts to 16, as the pictures' numbers do.
    expected: { [`random_access_rare@${VIDEO}`]: 1 },
  },
  {
    name: 'pictures without a parameter set',
    shape: { lacksParameterSets: true },
    expected: { [`parameter_sets_missing@${VIDEO}`]: 1 },
  },
  {
    name: 'a recording that begins in the middle of a group of pictures',
    shape: { firstPicture: 4 },
    expected: { [`starts_without_random_access@${VIDEO}`]: 1 },
  },
  {
    name: 'one picture that is two frames late',
    shape: { jitterTicks: (frame) => (frame >= 30 ? FRAME_TICKS : 0) },
    expected: { [`dts_step@${VIDEO}`]: 1 },
  },
  {
    name: 'a late picture among the first ones, before the frame rate is known',
    shape: { jitterTicks: (frame) => (frame >= 3 ? FRAME_TICKS : 0) },
    expected: { [`dts_step@${VIDEO}`]: 1 },
  },
  {
    name: 'a frame rate that varies is a note',
    shape: { jitterTicks: (frame) => Math.floor(frame / 8) * FRAME_TICKS },
    seconds: 6,
    expected: { [`variable_frame_rate@${VIDEO}`]: 1 },
  },
]

describe('of a timeline it reports', () => {
  for (const { name, shape, seconds = 2, expected } of cases) {
    test(name, () => {
      const codes = found(buildStream({ frames: seconds * SECOND, ...shape }))
      // The clock of the fixture goes with the pictures: where they step, so does the PCR.
      const kept = Object.entries(codes).filter(([code]) => !code.startsWith('pcr_repetition_dvb'))
      if (expected[`variable_frame_rate@${VIDEO}`] === undefined) assert.deepEqual(Object.fromEntries(kept), expected)
      else
        assert.deepEqual(
          kept.map(([code]) => code),
          Object.keys(expected),
        )
    })
  }
})

describe('of PES packets it reports', () => {
  const clean = buildStream({ frames: FRAMES })

  test('marker bits that are wrong', () => {
    const broken = changePes(clean, VIDEO_PID, 20, (own, pes) => own.writeUInt8((own[pes + 9] ?? 0) & 0xfe, pes + 9))
    assert.equal(found(broken)[`pes_header_error@${VIDEO}`], 1)
  })

  test('flags that announce a DTS without a PTS', () => {
    const broken = changePes(clean, VIDEO_PID, 20, (own, pes) => own.writeUInt8(0x40, pes + 7))
    assert.equal(found(broken)[`pes_header_error@${VIDEO}`], 1)
  })

  test('a start code that is none', () => {
    const broken = changePes(clean, AUDIO_PID, 20, (own, pes) => own.writeUInt8(7, pes + 2))
    assert.equal(found(broken)[`pes_header_error@${AUDIO}`], 1)
  })
})

describe('of the clock it reports', () => {
  const clean = buildStream({ frames: FRAMES })

  test('a PCR that stands still', () => {
    const pcrs = clean.filter((each) => pidOf(each, 0) === VIDEO_PID && ((each[1] ?? 0) & 0x40) !== 0)
    const [still, next] = [pcrs[20], pcrs[21]]
    const stopped = clean.map((each) => {
      if (each !== next || still === undefined) return each
      const own = Buffer.from(each)
      still.copy(own, 6, 6, 12)
      return own
    })
    assert.equal(found(stopped)[`pcr_discontinuity_error@${VIDEO}`], 1)
  })

  test('a PCR that comes late, and one that goes back', () => {
    const late = buildStream({ frames: FRAMES, jitterTicks: (frame) => (frame >= 25 ? 3 * FRAME_TICKS : 0) })
    assert.equal(found(late)[`pcr_repetition_error@${VIDEO}`], 1)
    const back = changePes(clean, VIDEO_PID, 20, (own) => writePcr(own, 0, 1_000_000))
    // There and back again.
    assert.equal(found(back)[`pcr_discontinuity_error@${VIDEO}`], 2)
  })
})

test('a packet that is cut short is not taken for a whole one: nothing else is lost with it', () => {
  const clean = buildStream({ frames: FRAMES })
  // The packet before a new access unit: only its own bytes are damaged.
  const at = clean.findIndex((each, index) => index > 100 && pidOf(each, 0) === AUDIO_PID)
  const cut = clean.map((each, index) => (index === at ? each.subarray(0, 100) : each))
  const codes = found(cut)
  assert.equal(codes['ts_sync_loss@'], 1)
  assert.equal(codes[`continuity_count_error@${AUDIO}`], 1)
  assert.equal(codes[`continuity_count_error@${VIDEO}`], undefined)
  assert.equal(clean[at]?.length, PACKET_BYTES)
})

test('audio that overlaps by half a frame, or misses two frames, is told; up to one frame may be missing', () => {
  const first = buildStream({ frames: 64 })
  const seamAt = 900_000 + 64 * FRAME_TICKS
  const after = (ticks: number) =>
    found(renumber([...first, ...buildStream({ frames: 64, firstDts: seamAt, audioAheadTicks: ticks })]))
  assert.equal(after(-960)[`audio_overlap@${AUDIO}`], 1)
  assert.equal(after(2 * 1_920)[`audio_hole@${AUDIO}`], 1)
  assert.deepEqual(after(1_920), {})
})

test('one moment may have several packets of subtitles or metadata, and has one of audio', () => {
  const second = (streamType: number, descriptors = Buffer.alloc(0)) => {
    const [video] = VIDEO_PROGRAMME.streams
    const streams = [...(video === undefined ? [] : [video]), { pid: AUDIO_PID, streamType, descriptors }]
    const packets = buildStream({ frames: 2 * SECOND, programme: { ...VIDEO_PROGRAMME, streams } })
    const starts = packets.filter((each) => pidOf(each, 0) === AUDIO_PID && ((each[1] ?? 0) & 0x40) !== 0)
    // PTS_DTS_flags say that there is a PTS only, which is five bytes from the tenth of the header on.
    const pts = (packet: Buffer, pes: number) => packet.subarray(pes + 9, pes + 14)
    const [first = Buffer.alloc(0)] = starts
    return found(
      changePes(packets, AUDIO_PID, 1, (own, pes) => pts(first, payloadOffset(first, 0)).copy(pts(own, pes))),
    )
  }
  const subtitles = Buffer.from([0x59, 8, 0x65, 0x6e, 0x67, 0x10, 0, 1, 0, 1])
  assert.deepEqual(second(0x06, subtitles), {})
  assert.equal(second(0x0f)[`dts_not_increasing@${AUDIO}`], 1)
})
