import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Condition } from './conditions.ts'
import { AUDIO_PID, inBursts, programme, smoothly, VIDEO_PID, watch } from './programme.fixture.ts'
import type { Delivery, Picture, ProgrammeShape, WatchOptions } from './programme.fixture.ts'

const pidOf = (packet: Buffer) => packet.readUInt16BE(1) & 0x1fff
/** The fault strikes at this time. */
const AT_MS = 40_000
const before = ({ mediaMs }: Picture) => mediaMs < AT_MS
const marked = (packet: Buffer, at: number, bits: number) => {
  const copy = Buffer.from(packet)
  copy[at] = (copy[at] ?? 0) | bits
  return copy
}

interface Case {
  readonly name: string
  readonly condition: Condition
  readonly shape: Omit<ProgrammeShape, 'seconds'>
  readonly watching?: WatchOptions
  readonly action?: 'fail' | 'warn'
  /** From the fault to the finding, on a smooth source. */
  readonly withinMs: readonly [min: number, max: number]
  /** How far its beginning may be off: a second of media where seconds are counted. */
  readonly sinceWithinMs?: number
}

const cases: readonly Case[] = [
  {
    name: 'video and the clock that it carries stop',
    condition: 'no_video',
    shape: { has: { video: before } },
    withinMs: [2_000, 3_100],
  },
  {
    name: 'video stops, the clock goes on on its own PID',
    condition: 'no_video',
    shape: { has: { video: before }, pcrPid: 0x1ff },
    withinMs: [2_000, 2_200],
  },
  {
    name: 'audio stops',
    condition: 'no_audio',
    shape: { has: { audio: before } },
    withinMs: [5_000, 5_200],
  },
  {
    name: 'the PCR is not sent any more',
    condition: 'pcr_stalled',
    shape: { has: { pcr: before } },
    withinMs: [1_000, 1_700],
  },
  {
    name: 'the PCR repeats one value',
    condition: 'pcr_stalled',
    shape: { pcrMs: ({ mediaMs }) => Math.min(mediaMs, AT_MS) },
    withinMs: [1_000, 1_700],
  },
  {
    name: 'PCR and timestamps repeat one value',
    condition: 'pcr_stalled',
    shape: {
      pcrMs: ({ mediaMs }) => Math.min(mediaMs, AT_MS),
      stampMs: ({ mediaMs }) => Math.min(mediaMs, AT_MS),
    },
    withinMs: [2_000, 2_200],
  },
  {
    name: 'timestamps repeat one value while the PCR goes on',
    condition: 'pts_stalled',
    shape: { stampMs: ({ mediaMs }) => Math.min(mediaMs, AT_MS) },
    withinMs: [2_000, 2_200],
  },
  {
    name: 'no more keyframes',
    condition: 'no_keyframe',
    shape: { has: { keyframe: before } },
    withinMs: [14_000, 15_200],
  },
  {
    name: 'no more keyframes where groups are 10 s long',
    condition: 'no_keyframe',
    shape: { groupPictures: 250, has: { keyframe: before } },
    withinMs: [0, 20_200],
    sinceWithinMs: 10_100,
  },
  {
    name: 'every 10th packet is lost',
    condition: 'continuity_errors',
    shape: { bytesOf: () => 2_000, spoil: eachOf(10, () => undefined) },
    withinMs: [2_000, 4_200],
  },
  {
    name: 'every 30th packet is lost',
    condition: 'continuity_errors',
    shape: { bytesOf: () => 2_000, spoil: eachOf(30, () => undefined) },
    withinMs: [4_000, 13_000],
  },
  {
    name: 'every 10th packet is marked as damaged',
    condition: 'transport_errors',
    shape: {
      bytesOf: () => 2_000,
      spoil: eachOf(10, (packet) => marked(packet, 1, 0x80)),
    },
    withinMs: [2_000, 4_400],
  },
  {
    name: 'every packet is marked as damaged',
    condition: 'transport_errors',
    shape: { spoil: (packet, picture) => (before(picture) ? packet : marked(packet, 1, 0x80)) },
    withinMs: [1_900, 2_200],
  },
  {
    name: 'the PAT is not sent any more',
    condition: 'tables_missing',
    shape: { has: { pat: before } },
    withinMs: [4_800, 5_200],
  },
  {
    name: 'the PMT is not sent any more',
    condition: 'tables_missing',
    shape: { has: { pmt: before } },
    withinMs: [4_800, 5_200],
  },
  {
    name: 'media becomes scrambled',
    condition: 'scrambled',
    shape: {
      spoil: (packet, picture) =>
        before(picture) || ![VIDEO_PID, AUDIO_PID].includes(pidOf(packet)) ? packet : marked(packet, 3, 0x80),
    },
    withinMs: [3_000, 5_100],
  },
  {
    name: 'media was scrambled from the start',
    condition: 'scrambled',
    action: 'warn',
    shape: { spoil: (packet) => ([VIDEO_PID, AUDIO_PID].includes(pidOf(packet)) ? marked(packet, 3, 0x80) : packet) },
    withinMs: [-AT_MS, 0],
    sinceWithinMs: AT_MS,
  },
  {
    name: 'pictures shrink to almost nothing',
    condition: 'low_bitrate',
    action: 'warn',
    shape: { bytesOf: (picture, random) => Math.round((before(picture) ? 6_000 : 60) * (0.5 + random())) },
    withinMs: [20_000, 22_000],
  },
  {
    name: 'the absolute threshold of the environment is not met',
    condition: 'low_bitrate',
    shape: { bytesOf: (picture, random) => Math.round((before(picture) ? 6_000 : 60) * (0.5 + random())) },
    watching: {
      bitRateFloor: { bytesPerSecondMin: 62_500, checkIntervalMs: 5_000, intervalsMax: 3, gracePeriodMs: 10_000 },
    },
    withinMs: [10_000, 20_200],
    sinceWithinMs: 5_100,
  },
  {
    name: 'the codec changes',
    condition: 'signature_changed',
    action: 'warn',
    shape: { videoStreamType: (picture) => (before(picture) ? 0x1b : 0x24) },
    withinMs: [0, 240],
  },
  {
    name: 'a slate of 4 s comes again and again',
    condition: 'looping',
    action: 'warn',
    // Sizes repeat every 100 pictures; the last four bytes are made the same below.
    shape: {
      bytesOf: ({ index, mediaMs }, random) =>
        mediaMs < AT_MS ? 200 + random() * 900 : 200 + (((index % 100) * 37) % 900),
      spoil: (packet, picture) => {
        if (before(picture) || pidOf(packet) !== VIDEO_PID) return packet
        const copy = Buffer.from(packet)
        copy.writeUInt32BE(picture.index % 100, copy.length - 4)
        return copy
      },
    },
    withinMs: [11_000, 14_200],
    sinceWithinMs: 6_100,
  },
]

/** Every so many packets one is `spoilt`. */
function eachOf(every: number, spoilt: (packet: Buffer) => Buffer | undefined) {
  let count = 0
  return (packet: Buffer, picture: Picture) => {
    count += 1
    return before(picture) || count % every !== 0 ? packet : spoilt(packet)
  }
}

describe('the condition is found, and only it', () => {
  for (const { name, condition, shape, watching, action = 'fail', withinMs, sinceWithinMs = 1_100 } of cases) {
    test(`${condition}: ${name}`, () => {
      const { findings } = watch(programme({ seconds: 75, ...shape }), watching)
      assert.deepEqual(
        findings.map((finding) => [finding.condition, finding.action]),
        [[condition, action]],
      )
      const sinceMs = findings[0]?.sinceMs ?? Number.NaN
      assert.ok(Math.abs(sinceMs - AT_MS) <= sinceWithinMs, `since ${sinceMs}`)
      const afterMs = (findings[0]?.detectedMs ?? Number.NaN) - AT_MS
      assert.ok(afterMs >= withinMs[0] && afterMs <= withinMs[1], `after ${afterMs} ms`)
    })
  }
})

test('pcr_stalled: clocks that stand still before the bit rate is known are found later, and found', () => {
  for (const atMs of [500, 1_500, 2_300, 2_900]) {
    const still = ({ mediaMs }: Picture) => Math.min(mediaMs, atMs)
    const { findings } = watch(programme({ seconds: 30, pcrMs: still, stampMs: still }))
    assert.deepEqual(
      findings.map(({ condition }) => condition),
      ['pcr_stalled'],
      `from ${atMs} ms on`,
    )
    const afterMs = (findings[0]?.detectedMs ?? Number.NaN) - atMs
    assert.ok(afterMs >= 10_000 && afterMs <= 10_200, `after ${afterMs} ms`)
  }
})

const slowed =
  (factor: number): Delivery =>
  (pieces) =>
    pieces.map((piece) => ({
      ...piece,
      atMs: piece.mediaMs < AT_MS ? piece.mediaMs : AT_MS + (piece.mediaMs - AT_MS) / factor,
    }))

test('slower_than_real_time: found at nine tenths of real time, in smooth delivery and in bursts of 5 s', () => {
  const inSlowBursts: Delivery = (pieces) =>
    inBursts(5_000)(pieces).map((piece) => ({
      ...piece,
      atMs: piece.atMs < AT_MS ? piece.atMs : AT_MS + (piece.atMs - AT_MS) / 0.9,
    }))
  for (const delivery of [slowed(0.9), inSlowBursts]) {
    const { findings } = watch(programme({ seconds: 140 }), { delivery })
    assert.deepEqual(
      findings.map(({ condition }) => condition),
      ['slower_than_real_time'],
    )
    const { detectedMs = Number.NaN, evidence } = findings[0] ?? {}
    assert.ok(detectedMs - AT_MS > 15_000 && detectedMs - AT_MS < 85_000, `after ${detectedMs - AT_MS} ms`)
    assert.ok(Math.abs(Number(evidence?.['real_time_factor']) - 0.9) < 0.03)
  }
})

test('slower_than_real_time: 0.97 of real time is none', () => {
  assert.deepEqual(watch(programme({ seconds: 140 }), { delivery: slowed(0.97) }).findings, [])
})

test('a programme map that loses its video is told at once, and fails the source when none came for 2 s', () => {
  const videoStreamType = (picture: Picture) => (before(picture) ? 0x1b : 0)
  const { findings, verdict } = watch(
    programme({ seconds: 60, has: { video: before }, pcrPid: 0x1ff, videoStreamType }),
  )
  assert.deepEqual(
    findings.map(({ condition }) => condition),
    ['signature_changed', 'no_video'],
  )
  assert.equal(verdict?.condition, 'no_video')
})

test('a programme that lists video and sends none is found after 5 s', () => {
  const { verdict } = watch(programme({ seconds: 20, has: { video: () => false }, pcrPid: 0x1ff }))
  assert.equal(verdict?.condition, 'no_video')
  assert.ok((verdict?.detectedMs ?? 0) < 5_500)
})

test('padding and tables are no sign of life', () => {
  const empty = { video: () => false, audio: () => false, pcr: () => false }
  const warm = programme({ seconds: 1 })
  assert.equal(watch(warm).wasAlive, true)
  const { monitor } = watch(warm)
  const padding = Buffer.alloc(188, 0xff)
  Buffer.from([0x47, 0x1f, 0xff, 0x10]).copy(padding)
  assert.equal(monitor.observe(padding, 2_000), false)
  for (const { packets } of programme({ seconds: 2, has: empty })) assert.equal(monitor.observe(packets, 3_000), false)
})

describe('without an alternative', () => {
  const alone = { hasAlternative: false }

  test('a condition that is no loss of media is told, and the source stays', () => {
    const { findings, verdict } = watch(programme({ seconds: 60, has: { audio: before } }), alone)
    assert.deepEqual(
      findings.map(({ condition, action }) => [condition, action]),
      [['no_audio', 'warn']],
    )
    assert.equal(verdict, undefined)
  })

  test('a loss of media fails the source: opening it again is all that is left', () => {
    assert.equal(watch(programme({ seconds: 60, has: { video: before } }), alone).verdict?.condition, 'no_video')
  })

  test('video that never was is told only, so that the source is not opened again for ever', () => {
    const shape = { seconds: 60, has: { video: () => false }, pcrPid: 0x1ff }
    assert.equal(watch(programme(shape), alone).verdict, undefined)
    assert.deepEqual(
      watch(programme(shape), alone).findings.map(({ condition }) => condition),
      ['no_video'],
    )
  })
})

describe('the chosen action', () => {
  const stopped = programme({ seconds: 60, has: { audio: before } })

  test('off: nothing is found', () => {
    assert.deepEqual(watch(stopped, { choice: { no_audio: 'off' } }).findings, [])
  })

  test('warn: told once, although it holds for long, and again only a minute after it came back', () => {
    const { monitor, verdict } = watch(stopped, { choice: { no_audio: 'warn' } })
    assert.equal(verdict, undefined)
    assert.deepEqual(
      monitor.takeWarnings(60_000).map(({ condition }) => condition),
      ['no_audio'],
    )
    assert.deepEqual(monitor.takeWarnings(60_001), [])
  })

  test('fail: what warns by default ends the session', () => {
    const changed = programme({ seconds: 45, videoStreamType: (picture) => (before(picture) ? 0x1b : 0x24) })
    assert.equal(watch(changed, { choice: { signature_changed: 'fail' } }).verdict?.condition, 'signature_changed')
  })
})

test('a condition that is over is no finding any more', () => {
  const hole = ({ mediaMs }: Picture) => mediaMs < AT_MS || mediaMs > AT_MS + 7_000
  const { monitor, findings } = watch(programme({ seconds: 60, has: { audio: hole } }), { untilTheEnd: true })
  assert.deepEqual(
    findings.map(({ condition }) => condition),
    ['no_audio'],
  )
  assert.deepEqual(monitor.findings(), [])
})

test('evidence and times say what happened', () => {
  const [finding] = watch(programme({ seconds: 60, has: { audio: before } }), { delivery: smoothly }).findings
  assert.equal(finding?.sinceMs, AT_MS)
  assert.match(finding?.message ?? '', /stopped sending audio/)
  assert.equal(finding?.evidence['limit_media_ms'], 5_000)
})
