import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import type { SlateMaker } from '../../src/streams/outage.ts'
import { fixtureSlate } from '../../src/streams/slate/slate.fixture.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { HlsProxyLab, UNHURRIED } from '../lab/hls-proxy-lab.ts'
import { HlsSegmentPlayer } from '../lab/hls-segment-player.ts'
import { until } from '../lab/poll.ts'
import { ScriptedOrigin } from '../lab/scripted-origin.ts'

/** Sources of passed-on HLS that do what playlists allow and few expect, and streams that end in the middle of it. */

const SEGMENT_MS = 1_600
const alpha = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: SEGMENT_MS })
const beta = await loadTsMedia({ programme: 'alpha', source: 'beta', segmentMs: SEGMENT_MS })

interface OddSource {
  /** Lines before each EXTINF. */
  readonly lines?: readonly string[]
  readonly count?: number
  /** Seconds, by the number of the newest segment. */
  readonly targetS?: (newest: number) => number
  /** Answers for a segment; the media of alpha without it. */
  readonly segment?: (index: number, response: ServerResponse) => void
}

/** A source that publishes a segment whenever one is due. */
async function start({
  lines = [],
  count = 6,
  targetS = () => 2,
  segment = whole,
}: OddSource): Promise<ScriptedOrigin> {
  const startMs = systemClock.nowMs()
  const playlist = (): string => {
    const first = Math.floor((systemClock.nowMs() - startMs) / SEGMENT_MS)
    const newest = first + count - 1
    const head = ['#EXTM3U', '#EXT-X-VERSION:4', `#EXT-X-TARGETDURATION:${targetS(newest)}`]
    const media = Array.from({ length: count }, (_, at) => [...lines, '#EXTINF:1.6,', `${first + at}.ts`])
    const numbers = [`#EXT-X-MEDIA-SEQUENCE:${first}`, `#EXT-X-DISCONTINUITY-SEQUENCE:${first}`]
    return [...head, ...numbers, ...media.flat(), ''].join('\n')
  }
  return ScriptedOrigin.start((target, response) => {
    const [, index] = /^\/(\d+)\.ts/.exec(target) ?? []
    if (index === undefined) response.end(playlist())
    else segment(Number(index), response)
  })
}

function whole(index: number, response: ServerResponse): void {
  response.end(alpha.segment(index, systemClock.nowMs()))
}

const live = ({ origin }: ScriptedOrigin): string => `${origin}/live.m3u8`

describe('odd sources', { concurrency: 3 }, () => {
  test('ten thousand segments in a playlist are passed on, and it goes on', async () => {
    await using origin = await start({ count: 10_000 })
    await using lab = await HlsProxyLab.start({ urls: [live(origin)], limits: UNHURRIED })
    const { mediaSequence, segments } = await lab.playlist()
    assert.equal(segments.length, 10_000)
    await until(async () => (await lab.playlist()).mediaSequence > mediaSequence, { what: 'going on' })
    assert.equal((await lab.get(segments.at(-1)?.uri ?? '')).status, 200)
    assert.deepEqual([lab.failures, lab.violations], [[], []])
  })

  test('a discontinuity at each segment is no fault', async () => {
    await using origin = await start({ lines: ['#EXT-X-DISCONTINUITY'] })
    await using other = await start({})
    await using lab = await HlsProxyLab.start({ urls: [live(origin), live(other)], limits: UNHURRIED })
    await using player = new HlsSegmentPlayer(lab)
    await until(() => player.segments.length > 6, { what: 'playing', deadlineMs: 20_000 })
    assert.ok(player.segments.every(({ startsDiscontinuity }) => startsDiscontinuity))
    assert.deepEqual([lab.failures, lab.warnings, lab.violations, player.refusals], [[], [], [], []])
  })

  test('a target duration that changes does not change for players', async () => {
    await using origin = await start({ targetS: (newest) => (newest > 6 ? 6 : 2) })
    await using lab = await HlsProxyLab.start({ urls: [live(origin)], limits: UNHURRIED })
    await using player = new HlsSegmentPlayer(lab)
    await until(() => player.segments.length > 7, { what: 'playing', deadlineMs: 25_000 })
    assert.equal((await lab.playlist()).targetDurationS, 2)
    assert.deepEqual([lab.failures, lab.violations], [[], []])
  })

  for (const [what, bytes] of [
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from([0x47])],
    ['noise', Buffer.alloc(200_000, 0xa5)],
  ] as const) {
    test(`${what} for a segment: players have the other source, and never see it`, async () => {
      await using origin = await start({ segment: (_index, response) => response.end(bytes) })
      await using other = await HlsOrigin.start({ renditions: [{ name: 'v0', media: beta }] })
      await using lab = await HlsProxyLab.start({ urls: [live(origin), other.url], limits: UNHURRIED })
      await using player = new HlsSegmentPlayer(lab)
      await until(() => player.segments.length > 2, { what: 'playing', deadlineMs: 20_000 })
      assert.deepEqual(player.sources, ['beta'])
      assert.equal(lab.failures[0]?.reason, 'segment_invalid')
      assert.deepEqual(lab.violations, [])
    })
  }

  test('a segment too long to be looked into passes', async () => {
    const long = Buffer.concat(Array.from({ length: 200_000 }, () => nullPacket()))
    const segment = (index: number, response: ServerResponse): void => {
      response.end(Buffer.concat([alpha.segment(index, systemClock.nowMs()), long]))
    }
    await using origin = await start({ segment })
    await using other = await start({})
    await using lab = await HlsProxyLab.start({ urls: [live(origin), live(other)], limits: UNHURRIED })
    const { segments } = await lab.playlist()
    const { status, body } = await lab.get(segments.at(-1)?.uri ?? '')
    assert.equal(status, 200)
    assert.ok(body.length > 33_554_432)
    assert.deepEqual(lab.failures, [])
  })

  test('a failed switch by hand brings no slate: the source before it never failed', async () => {
    const slates: SlateMaker = {
      render: async () => fixtureSlate(),
      prepare: () => Promise.reject(new Error('nobody asks for it')),
    }
    await using origin = await HlsOrigin.start({ renditions: [{ name: 'v0', media: alpha }] })
    await using other = await HlsOrigin.start({ renditions: [{ name: 'v0', media: beta }] })
    other.playlistFault = { kind: 'status', status: 503 }
    await using lab = await HlsProxyLab.start({ urls: [origin.url, other.url], slates, delayMs: 1_500 })
    await using player = new HlsSegmentPlayer(lab)
    await until(() => player.segments.length > 3, { what: 'playing', deadlineMs: 20_000 })
    lab.putOnAir(1)
    await until(() => lab.onAir === 0, { what: 'back', deadlineMs: 10_000 })
    const before = player.segments.length
    await until(() => player.segments.length > before + 2, { what: 'going on', deadlineMs: 20_000 })
    assert.deepEqual([player.sources, lab.slatesShown], [['alpha'], 0])
    assert.equal(player.segments.filter(({ startsDiscontinuity }) => startsDiscontinuity).length, 0)
  })
})

function nullPacket(): Buffer {
  const packet = Buffer.alloc(188, 0xff)
  packet.writeUInt32BE(0x471fff10)
  return packet
}

describe('a stream that ends', { concurrency: 3 }, () => {
  const ends: readonly (readonly [string, OddSource['segment'], isHot: boolean])[] = [
    ['a segment that never answers', () => {}, false],
    ['a segment that never ends', (index, response) => response.write(alpha.segment(index, 0)), false],
    ['a segment that is asked for again', (_index, response) => response.writeHead(503).end(), false],
    ['a segment that is no media', (_index, response) => response.end(Buffer.alloc(100_000, 0xa5)), false],
    ['a standby that is being fetched', () => {}, true],
  ]
  for (const [what, segment, isHot] of ends) {
    test(`in the middle of ${what} asks for nothing any more`, async () => {
      await using odd = await start(segment === undefined ? {} : { segment })
      await using other = await start({})
      const urls = isHot ? [live(other), live(odd)] : [live(odd)]
      await using lab = await HlsProxyLab.start({ urls, isHot, limits: UNHURRIED })
      const answer = lab.get('playlist.m3u8').catch(() => undefined)
      await until(() => odd.requests.some((target) => target.endsWith('.ts')), {
        what: 'its segments',
        deadlineMs: 20_000,
      })
      lab.proxy[Symbol.dispose]()
      await answer
      // What was on the wire already arrives; what would come of a pause of ours comes within a second.
      await systemClock.sleep(100)
      const before = odd.requests.length + other.requests.length
      await systemClock.sleep(1_200)
      assert.equal(odd.requests.length + other.requests.length, before)
      assert.equal(lab.proxy.upstreamConnections, 0)
    })
  }
})
