import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { createAnalyser } from '../../src/mpegts/analyser/analyser.ts'
import { createFramer } from '../../src/streams/framing/framing.ts'
import { createHlsTransport } from '../../src/streams/hls/upstream/hls-transport.ts'
import { createSeamlessSplice } from '../../src/streams/splice.ts'
import type { HlsFault } from '../lab/hls-fault.ts'
import { loadFmp4Media, loadPackedAudioMedia, loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import type { HlsOriginOptions } from '../lab/hls-origin.ts'
import { until } from '../lab/poll.ts'
import { SourceReading } from '../lab/source-reading.ts'

/** HLS sources read as one continuous body, each over a real origin. Segments last 0.8 s, the target duration is 1 s. */

const media = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800 })
const smaller = await loadTsMedia({ programme: 'bravo', source: 'bravo', segmentMs: 800, videoKbps: 300 })
const renditions = [{ name: 'v0', media }]
const transport = createHlsTransport()

const start = (options: Partial<HlsOriginOptions> = {}) => HlsOrigin.start({ renditions, ...options })
const read = (origin: HlsOrigin, by = transport) =>
  new SourceReading(by, { url: origin.url, connectTimeoutMs: 2_000, answerTimeoutMs: 8_000 })

/** Errors that an analyser finds, as code and PID. */
function errorsIn(content: Buffer): readonly string[] {
  const analyser = createAnalyser()
  analyser.push(content)
  const { findings } = analyser.report()
  return findings.filter(({ severity }) => severity === 'error').map(({ code, pid }) => `${code} ${pid ?? ''}`)
}

/** What is wrong with the programme as the lab makes it: its marks, and sound without a decoding delay. */
const ownErrors: ReadonlySet<string> = new Set(
  errorsIn(Buffer.concat(Array.from({ length: 10 }, (_, index) => media.segment(index, 0)))),
)

/** What has been made wrong on the way. */
const findingsOf = (content: Buffer) => errorsIn(content).filter((each) => !ownErrors.has(each))

const origins: Readonly<Record<string, Partial<HlsOriginOptions>>> = {
  'in the clear': {},
  'AES-128 with the number as IV, and keys that change': {
    encryption: { explicitIv: false, rotatesEvery: 3 },
    firstSequence: 77,
  },
  'AES-128 with an IV of its own': { encryption: { explicitIv: true } },
  'byte ranges of larger files': { byteRanges: true },
  'a cookie that the redirected entry sets': { requiresCookie: true, redirectsEntry: true },
  'a master playlist': {
    renditions: [
      { name: 'low', media: smaller, bandwidth: 400_000 },
      { name: 'v0', media, bandwidth: 900_000 },
    ],
  },
}

describe('an HLS source is read without a gap, each segment once', { concurrency: true }, () => {
  for (const [name, options] of Object.entries(origins)) {
    test(name, async () => {
      await using origin = await start(options)
      using reading = read(origin)
      await reading.untilMedia(6_000)
      assert.deepEqual(reading.head?.headers, { 'content-type': 'video/mp2t' })
      assert.deepEqual(reading.record.sources, ['alpha'])
      assert.deepEqual(findingsOf(reading.body), [])
      assert.ok([...origin.segmentCounts().values()].every((count) => count === 1))
      // One segment is handed out at once; the rest takes as long as it plays.
      const tookMs = systemClock.nowMs() - reading.startMs
      assert.ok(tookMs > 4_500, `6 s of media came within ${tookMs} ms`)
      assert.equal(reading.failure, undefined)
    })
  }
})

const alpha = { programme: 'alpha', source: 'alpha', segmentMs: 800 } as const
const pictures = { name: 'v0', media: await loadTsMedia({ ...alpha, streams: 'video' }) }

const formats: Readonly<Record<string, HlsOriginOptions['renditions']>> = {
  'fragmented MP4': [{ name: 'v0', media: await loadFmp4Media(alpha) }],
  'fragmented MP4 with its sound in another playlist': [
    { name: 'v0', media: await loadFmp4Media({ ...alpha, streams: 'video' }) },
    { name: 'sound', media: await loadFmp4Media({ ...alpha, streams: 'audio' }), isAudio: true },
  ],
  'pictures and sound in two transport streams': [
    pictures,
    { name: 'sound', media: await loadTsMedia({ ...alpha, streams: 'audio' }), isAudio: true },
  ],
  'pictures and packed audio': [pictures, { name: 'sound', media: await loadPackedAudioMedia(alpha), isAudio: true }],
}

describe('whatever it is made of, one legal transport stream comes of it', { concurrency: true }, () => {
  for (const [name, formatRenditions] of Object.entries(formats)) {
    test(name, async () => {
      await using origin = await HlsOrigin.start({ renditions: formatRenditions })
      using reading = read(origin)
      await until(() => reading.bytes > 250_000, { what: 'media' })
      // The timeline does not really break here: what is said of it must not harm.
      origin.addDiscontinuity()
      await until(() => reading.bytes > 800_000, { what: 'more media' })
      const analyser = createAnalyser()
      analyser.push(reading.body)
      const { findings, programmes, durationMs = 0 } = analyser.report()
      assert.deepEqual(
        findings.filter(({ severity }) => severity === 'error').map(({ code, pid }) => `${code} ${pid}`),
        [],
      )
      assert.deepEqual(
        programmes.map(({ streams }) => streams.map(({ codec }) => codec)),
        [['h264', 'aac']],
      )
      const [, sound] = programmes[0]?.streams ?? []
      assert.ok((sound?.audio?.frames ?? 0) > (durationMs - 1_200) / 21.34, 'sound is missing')
      assert.equal(sound?.audio?.holes, 0)
      assert.equal(reading.failure, undefined)
    })
  }

  test('packed audio alone stays as it is', async () => {
    await using origin = await HlsOrigin.start({
      renditions: [{ name: 'sound', media: await loadPackedAudioMedia(alpha) }],
    })
    using reading = read(origin)
    await until(() => reading.bytes > 40_000, { what: 'audio' })
    assert.equal(reading.head?.headers['content-type'], 'audio/aac')
    assert.equal(reading.body.toString('latin1', 0, 3), 'ID3')
  })
})

test('where the timeline of a source breaks, the splice behind it goes on as if nothing had been', async () => {
  const mediaAfterBreak = await loadTsMedia({ ...alpha, source: 'later', offsetTicks: 123_456_789 })
  await using origin = await HlsOrigin.start({ renditions: [{ name: 'v0', media, mediaAfterBreak }] })
  using reading = read(origin)
  await reading.untilMedia(1_000)
  origin.breakTimeline()
  await until(() => reading.record.sources.includes('later'), { what: 'the other timeline' })
  const { bytes } = reading
  await until(() => reading.bytes > bytes + 300_000, { what: 'three seconds of it' })
  assert.deepEqual(reading.record.sources, ['alpha', 'later'])
  const out: Buffer[] = []
  const framer = createFramer('mpegts')
  const splice = createSeamlessSplice()
  let hasBegun = false
  framer.push(reading.body, {
    packets: (data, joinOffsets) => {
      if (!hasBegun) splice.begin(framer, (bytes) => void out.push(Buffer.from(bytes)))
      hasBegun = true
      splice.push(data, joinOffsets, (bytes) => void out.push(Buffer.from(bytes)))
    },
  })
  const analyser = createAnalyser()
  analyser.push(Buffer.concat(out))
  const { findings, programmes, durationMs = 0 } = analyser.report()
  const streams = programmes[0]?.streams.filter(({ kind }) => kind === 'video' || kind === 'audio') ?? []
  assert.deepEqual(
    streams.map(({ codec }) => codec),
    ['h264', 'aac'],
  )
  // The lab's marks are a stream of their own, whose timestamps are not its point.
  const pids = streams.map(({ pid }) => pid)
  const errors = findings.filter(({ severity, pid = 0 }) => severity === 'error' && (pid < 32 || pids.includes(pid)))
  assert.deepEqual(errors, [])
  assert.ok(durationMs > 4_000 && durationMs < 20_000, `${durationMs} ms`)
  assert.equal(splice.facts?.jumpsClosed, 1)
})

interface FaultCase {
  readonly name: string
  readonly break: (origin: HlsOrigin) => void
  readonly kind: string
  /** On a calm machine. */
  readonly withinMs: number
}

const segment = (fault: HlsFault) => (origin: HlsOrigin) => {
  origin.segmentFault = fault
}
const playlist = (fault: HlsFault) => (origin: HlsOrigin) => {
  origin.playlistFault = fault
}

const faults: readonly FaultCase[] = [
  { name: 'playlist: 500', break: playlist({ kind: 'status', status: 500 }), kind: 'http_status', withinMs: 3_500 },
  { name: 'playlist: web page', break: playlist({ kind: 'html' }), kind: 'playlist_invalid', withinMs: 3_500 },
  { name: 'playlist: reset', break: playlist({ kind: 'reset' }), kind: 'reset', withinMs: 3_500 },
  { name: 'playlist: garbage', break: playlist({ kind: 'garbage' }), kind: 'playlist_invalid', withinMs: 3_500 },
  { name: 'playlist: silence', break: playlist({ kind: 'never_answer' }), kind: 'answer_timeout', withinMs: 5_000 },
  {
    name: 'playlist: stands still',
    break: (origin) => origin.setFrozen(true),
    kind: 'playlist_frozen',
    withinMs: 5_000,
  },
  { name: 'playlist: ends', break: (origin) => void (origin.isEnded = true), kind: 'playlist_ended', withinMs: 3_500 },
  { name: 'segment: 404', break: segment({ kind: 'status', status: 404 }), kind: 'segment_missing', withinMs: 5_000 },
  { name: 'segment: 503', break: segment({ kind: 'status', status: 503 }), kind: 'http_status', withinMs: 5_000 },
  { name: 'segment: web page', break: segment({ kind: 'html' }), kind: 'segment_invalid', withinMs: 5_000 },
  { name: 'segment: garbage', break: segment({ kind: 'garbage' }), kind: 'segment_invalid', withinMs: 5_000 },
  { name: 'segment: empty', break: segment({ kind: 'empty' }), kind: 'segment_invalid', withinMs: 5_000 },
  {
    name: 'segment: cut off',
    break: segment({ kind: 'truncated', share: 0.5 }),
    kind: 'incomplete_body',
    withinMs: 6_000,
  },
  {
    name: 'segment: silence',
    break: segment({ kind: 'stall', afterBytes: 5_000 }),
    kind: 'answer_timeout',
    withinMs: 14_000,
  },
  {
    name: 'segment: slower than it plays',
    break: segment({ kind: 'slow', bytesPerSecond: 10_000 }),
    kind: 'answer_timeout',
    withinMs: 8_000,
  },
]

describe('a source that fails is told with the reason', { concurrency: 7 }, () => {
  for (const { name, break: breakIt, kind, withinMs } of faults) {
    test(`${name} is ${kind}`, async () => {
      await using origin = await start()
      using reading = read(origin)
      await reading.untilMedia(1_000)
      breakIt(origin)
      const failure = await reading.untilFailed(withinMs)
      assert.equal(failure.kind, kind, failure.message)
      assert.deepEqual(
        findingsOf(reading.body).filter((each) => each.startsWith('continuity')),
        [],
      )
    })
  }

  for (const [fault, kind] of [
    [{ kind: 'status', status: 404 }, 'http_status'],
    [{ kind: 'html' }, 'segment_invalid'],
  ] as const) {
    test(`a key that is answered with ${fault.kind} is ${kind}`, async () => {
      await using origin = await start({ encryption: { explicitIv: false, rotatesEvery: 2 } })
      using reading = read(origin)
      await reading.untilMedia(500)
      origin.keyFault = fault
      const failure = await reading.untilFailed()
      assert.equal(failure.kind, kind)
      assert.match(failure.message, /key/)
    })
  }

  test('segments that only a player can decrypt are told, and not asked for', async () => {
    const line = '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple.streamingkeydelivery"'
    await using origin = await start({ extraLines: [line] })
    using reading = read(origin)
    const failure = await reading.untilFailed()
    assert.deepEqual([failure.kind, origin.countOf('segment')], ['segment_invalid', 0])
    assert.match(failure.message, /SAMPLE-AES/)
  })

  test('an address of a private host that only the playlist names is not asked', async () => {
    await using inside = await start()
    await using origin = await start()
    origin.playlistFault = { kind: 'redirect', location: inside.url.replace('127.0.0.1', 'localhost') }
    using reading = read(origin)
    const failure = await reading.untilFailed()
    assert.equal(failure.kind, 'address_forbidden')
    assert.equal(inside.requests.length, 0)
  })
})

describe('what a source does now and then is not a failure', { concurrency: true }, () => {
  test('a request that fails once', async () => {
    await using origin = await start()
    using reading = read(origin)
    await reading.untilMedia(1_000)
    for (const kind of ['segment', 'playlist'] as const) {
      const fault: HlsFault = kind === 'segment' ? { kind: 'truncated', share: 0.3 } : { kind: 'status', status: 503 }
      origin.nextFaults.set(kind, fault)
      await until(() => !origin.nextFaults.has(kind), { what: `a request for a ${kind}` })
    }
    await reading.untilMedia(8_000)
    assert.equal(reading.failure, undefined)
    assert.deepEqual(findingsOf(reading.body), [])
  })

  test('a media sequence that begins anew, and a discontinuity', async () => {
    await using origin = await start()
    using reading = read(origin)
    await reading.untilMedia(1_000)
    origin.resetSequence()
    await reading.untilMedia(4_000)
    origin.addDiscontinuity()
    await reading.untilMedia(8_000)
    assert.equal(reading.failure, undefined)
    assert.equal(reading.record.misalignedBytes, 0)
  })

  test('a segment that is not there is left out where no other source could take over', async () => {
    await using origin = await start()
    using reading = read(origin, createHlsTransport({ hasAlternative: () => false }))
    await reading.untilMedia(500)
    origin.faultySegments = new Set([origin.edge + 1])
    origin.segmentFault = { kind: 'status', status: 404 }
    await reading.untilMedia(6_000)
    assert.equal(reading.failure, undefined)
    assert.ok(origin.countOf('segment') > 6)
  })

  test('a reader that pauses gets nothing meanwhile, and goes on near where the programme is', async () => {
    await using origin = await start()
    using reading = read(origin)
    await reading.untilMedia(1_500)
    reading.reader.pause()
    const { bytes } = reading
    const edge = origin.edge
    await until(() => origin.edge >= edge + 4, { what: 'four more segments' })
    assert.equal(reading.bytes, bytes)
    reading.reader.resume()
    await reading.untilMedia(6_000)
    assert.equal(reading.failure, undefined)
  })
})

test('a finished programme is played to its end, at its pace', async () => {
  await using origin = await start({ vodSegments: 4 })
  using reading = read(origin)
  await until(() => reading.isEnded, { what: 'the end' })
  assert.deepEqual(findingsOf(reading.body), [])
  const tookMs = systemClock.nowMs() - reading.startMs
  assert.ok(tookMs > 1_800, `3.2 s of media, the first 0.8 s at once, took ${tookMs} ms`)
  assert.equal(origin.countOf('playlist'), 1)
})
