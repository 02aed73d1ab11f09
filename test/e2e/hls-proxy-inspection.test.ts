import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HlsFault } from '../lab/hls-fault.ts'
import { loadFmp4Media, loadPackedAudioMedia, loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import type { HlsOriginOptions } from '../lab/hls-origin.ts'
import { HlsProxyLab } from '../lab/hls-proxy-lab.ts'
import { HlsSegmentPlayer } from '../lab/hls-segment-player.ts'
import { until } from '../lab/poll.ts'

/** Segments that HTTP takes for whole and that are not worth playing: what is found, and what players get of it. */

const alpha = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 1_600 })
const bravo = await loadTsMedia({ programme: 'bravo', source: 'bravo', segmentMs: 1_600, offsetTicks: 8_000_000 })
const alphaFmp4 = await loadFmp4Media({ programme: 'alpha', source: 'alpha', segmentMs: 1_600 })
const bravoFmp4 = await loadFmp4Media({ programme: 'bravo', source: 'bravo', segmentMs: 1_600, offsetTicks: 8_000_000 })

const startAlpha = (media = alpha) => HlsOrigin.start({ renditions: [{ name: 'v0', media }] })
const startBravo = (media = bravo) => HlsOrigin.start({ renditions: [{ name: 'v0', media }], firstSequence: 7_000 })
const HALF: HlsFault = { kind: 'truncated', share: 0.5003, isTold: true }

interface Failing {
  readonly fault: HlsFault
  readonly reason: string
  /** Segments of this source that the player has without a failure before it is found, at most. */
  readonly passed: number
}

const failing: readonly Failing[] = [
  { fault: HALF, reason: 'incomplete_segment', passed: 0 },
  { fault: { kind: 'garbage' }, reason: 'segment_invalid', passed: 0 },
  { fault: { kind: 'without', stream: 'video' }, reason: 'no_video', passed: 1 },
  { fault: { kind: 'without', stream: 'audio' }, reason: 'no_audio', passed: 6 },
  { fault: { kind: 'scrambled' }, reason: 'scrambled', passed: 1 },
]

for (const { fault, reason, passed } of failing) {
  const what = fault.kind === 'without' ? `${fault.kind} ${fault.stream}` : fault.kind
  test(`${what}: the source is left for ${reason}, and players go on`, async () => {
    await using first = await startAlpha()
    await using second = await startBravo()
    await using lab = await HlsProxyLab.start({ urls: [first.url, second.url] })
    await using player = new HlsSegmentPlayer(lab)
    await until(() => player.segments.length > 3, { what: 'the first source playing', deadlineMs: 15_000 })
    const from = first.edge
    first.faultySegments = new Set(Array.from({ length: 40 }, (_, index) => from + index))
    first.segmentFault = fault
    await until(() => player.segments.filter(({ source }) => source === 'bravo').length > 3, {
      ...{ what: 'the second source playing', deadlineMs: 30_000 },
      evidence: () => [lab.failures, lab.warnings, player.refusals],
    })
    assert.equal(lab.failures[0]?.reason, reason)
    const faulty = player.segments.filter(({ source, sequence }) => source !== 'bravo' && sequence >= from)
    assert.ok(faulty.length <= passed, `${faulty.length} faulty segments were passed on`)
    assert.deepEqual(lab.violations, [])
    assert.equal(player.broken, 0)
  })
}

test('the same segment again under new names: the source is left', async () => {
  await using first = await startAlpha()
  await using second = await startBravo()
  await using lab = await HlsProxyLab.start({ urls: [first.url, second.url] })
  await using player = new HlsSegmentPlayer(lab)
  await until(() => player.segments.length > 3, { what: 'the first source playing', deadlineMs: 15_000 })
  const from = first.edge
  first.faultySegments = new Set(Array.from({ length: 40 }, (_, index) => from + index))
  first.segmentFault = { kind: 'repeat', number: from - 1 }
  await until(() => lab.failures.length > 0, { what: 'the failure', deadlineMs: 20_000 })
  assert.equal(lab.failures[0]?.reason, 'pts_stalled')
  assert.equal(lab.failures[0].evidence['segments'], 3)
  assert.deepEqual(lab.violations, [])
})

test('fragmented MP4: half of a file, and none of it reaches a player', async () => {
  await using first = await startAlpha(alphaFmp4)
  await using second = await startBravo(bravoFmp4)
  await using lab = await HlsProxyLab.start({ urls: [first.url, second.url] })
  await using player = new HlsSegmentPlayer(lab)
  await until(() => player.segments.length > 3, { what: 'the first source playing', deadlineMs: 15_000 })
  const from = first.edge
  first.faultySegments = new Set(Array.from({ length: 40 }, (_, index) => from + index))
  first.segmentFault = HALF
  await until(() => lab.failures.length > 0 && player.segments.length > 9, {
    ...{ what: 'the second source playing', deadlineMs: 25_000 },
    evidence: () => [lab.failures, lab.warnings, player.refusals],
  })
  assert.equal(lab.failures[0]?.reason, 'incomplete_segment')
  for (const { body } of player.segments) assert.ok(endsWithABox(body), 'a segment that was cut off was passed on')
  assert.deepEqual(lab.violations, [])
})

function endsWithABox(bytes: Buffer): boolean {
  let at = 0
  while (at + 8 <= bytes.length) at += bytes.readUInt32BE(at)
  return at === bytes.length
}

test('half of a segment that is whole when it is asked for again is passed on whole, and nobody is left', async () => {
  await using first = await startAlpha()
  await using second = await startBravo()
  await using lab = await HlsProxyLab.start({ urls: [first.url, second.url] })
  await using player = new HlsSegmentPlayer(lab)
  await until(() => player.segments.length > 3, { what: 'playing', deadlineMs: 15_000 })
  const bad = first.edge
  first.nextFaults.set('segment', HALF)
  const asked = () => first.requests.filter(({ target }) => target.endsWith(`${bad}.ts`)).length
  await until(() => player.segments.length > 7, { what: 'going on', deadlineMs: 15_000 })
  assert.equal(asked(), 2)
  assert.deepEqual(lab.failures, [])
  assert.deepEqual(player.gaps, [])
  const lengths = player.segments.map(({ body }) => body.length)
  assert.ok(Math.min(...lengths) > 0.7 * Math.max(...lengths), lengths.join(', '))
})

test('half segments of the only source are told, and passed on: half is better than nothing', async () => {
  await using first = await startAlpha()
  await using lab = await HlsProxyLab.start({ urls: [first.url] })
  await using player = new HlsSegmentPlayer(lab)
  await until(() => player.segments.length > 3, { what: 'playing', deadlineMs: 15_000 })
  const bad = first.edge
  first.faultySegments = new Set([bad, bad + 1])
  first.segmentFault = HALF
  await until(() => (player.segments.at(-1)?.sequence ?? 0) > bad + 2, { what: 'going on', deadlineMs: 20_000 })
  assert.deepEqual(lab.failures, [])
  assert.deepEqual(player.gaps, [])
  assert.deepEqual(
    lab.warnings.map(({ condition }) => condition),
    ['incomplete_segment'],
  )
  assert.equal([...first.segmentCounts().values()].filter((count) => count > 1).length, 0)
})

test('what a stream chose counts: a condition that is off is not looked at, one that warns is told', async () => {
  for (const action of ['off', 'warn'] as const) {
    await using first = await startAlpha()
    await using second = await startBravo()
    await using lab = await HlsProxyLab.start({
      urls: [first.url, second.url],
      detect: { incomplete_segment: action },
    })
    await using player = new HlsSegmentPlayer(lab)
    first.segmentFault = HALF
    await until(() => player.segments.length > 4, { what: 'playing', deadlineMs: 15_000 })
    assert.deepEqual(lab.failures, [])
    assert.equal(lab.warnings.length, action === 'warn' ? 1 : 0)
  }
})

test('calm sources of every format are left alone, and each segment is fetched once', async () => {
  const audio = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 1_600, streams: 'audio' })
  const video = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 1_600, streams: 'video' })
  const fmp4Audio = await loadFmp4Media({ programme: 'alpha', source: 'alpha', segmentMs: 1_600, streams: 'audio' })
  const packed = await loadPackedAudioMedia({ programme: 'alpha', source: 'alpha', segmentMs: 1_600 })
  const short = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800 })
  const long = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 4_000 })
  const renditions = [{ name: 'v0', media: alpha }]
  const origins: readonly HlsOriginOptions[] = [
    { renditions },
    { renditions: [{ name: 'v0', media: short }] },
    { renditions: [{ name: 'v0', media: long }] },
    { renditions: [{ name: 'v0', media: alphaFmp4 }] },
    { renditions, byteRanges: true },
    { renditions, encryption: { explicitIv: false } },
    { renditions: [{ name: 'v0', media: packed }] },
    { renditions: [{ name: 'v0', media: audio }] },
    {
      renditions: [
        { name: 'v0', media: video, bandwidth: 900_000, resolution: '640x360' },
        { name: 'en', media: audio, isAudio: true },
      ],
    },
    {
      renditions: [
        { name: 'v0', media: alphaFmp4, bandwidth: 900_000, resolution: '640x360' },
        { name: 'en', media: fmp4Audio, isAudio: true },
      ],
    },
  ]
  await Promise.all(origins.map((options, index) => calm(options, `origin ${index}`)))
})

/** The programmes of the lab come round every eight seconds, which is what looping is. */
async function calm(options: HlsOriginOptions, what: string): Promise<void> {
  await using origin = await HlsOrigin.start({ ...options, preroll: 12 })
  await using other = await startBravo()
  await using lab = await HlsProxyLab.start({ urls: [origin.url, other.url], detect: { looping: 'off' } })
  const isMaster = (await lab.get('playlist.m3u8')).body.includes('#EXT-X-STREAM-INF')
  await using player = new HlsSegmentPlayer(lab, isMaster ? 'v/0/playlist.m3u8' : 'playlist.m3u8')
  await using sound = isMaster ? new HlsSegmentPlayer(lab, 'v/1/playlist.m3u8') : undefined
  await until(() => player.segments.length > 8 && (sound === undefined || sound.segments.length > 8), {
    ...{ what, deadlineMs: 60_000, evidence: () => [lab.failures, lab.warnings, player.refusals] },
  })
  origin.breakTimeline()
  const before = player.segments.length
  await until(() => player.segments.length > before + 2, { what: `${what} behind a break`, deadlineMs: 30_000 })
  assert.deepEqual(lab.failures, [], what)
  assert.deepEqual(lab.warnings, [], what)
  assert.deepEqual(lab.violations, [], what)
  assert.deepEqual(
    [...origin.segmentCounts().values()].filter((count) => count > 1),
    [],
    what,
  )
}
