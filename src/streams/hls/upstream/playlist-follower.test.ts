import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { parseMediaPlaylist } from '../../../hls/parse-playlist.ts'
import { createSimulatedClock } from '../../../lib/simulated-clock.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { PlaylistSession } from './hls-session.ts'
import { PlaylistEdge } from './playlist-edge.ts'
import { PlaylistFollower } from './playlist-follower.ts'
import type { FollowerListener, FollowerOptions } from './playlist-follower.ts'

const TARGET_S = 6
const WINDOW = 5
const CUT_OFF: SourceFailure = { kind: 'refused', message: 'the connection was refused' }

interface Edge {
  /** The number of the next segment. */
  readonly next: number
  readonly prefix?: string
  readonly tail?: readonly string[]
  readonly head?: readonly string[]
}

function text({ next, prefix = 's', head = [], tail = [] }: Edge): string {
  const first = Math.max(0, next - WINDOW)
  const segments = Array.from({ length: next - first }, (_, index) => `#EXTINF:6,\n${prefix}${first + index}.ts`)
  const lines = ['#EXTM3U', `#EXT-X-TARGETDURATION:${TARGET_S}`, `#EXT-X-MEDIA-SEQUENCE:${first}`, ...head]
  return [...lines, ...segments, ...tail].join('\n')
}

/** Undefined: none comes. */
type Answer = string | Buffer | SourceFailure | undefined

/** Follows an origin whose answers depend on the second in which they are asked for. */
function follow(origin: (second: number, url: string) => Answer, options: Partial<FollowerOptions> = {}) {
  const clock = createSimulatedClock()
  const startMs = clock.nowMs()
  const asked: { readonly atS: number; readonly url: string }[] = []
  const told: string[] = []
  const failures: SourceFailure[] = []
  const session: PlaylistSession = {
    entryUrl: 'http://a.test/live.m3u8',
    entryAnswered: () => {},
    entryFailed: () => false,
    timeouts: { connectMs: 1_000, answerMs: 4_000, silenceMs: 1_000, totalMs: 5_000 },
    fetch: async (url, { timeouts }) => {
      const atS = (clock.nowMs() - startMs) / 1_000
      asked.push({ atS, url })
      const answer = origin(atS, url)
      if (answer === undefined) {
        await clock.sleep(timeouts?.answerMs ?? 4_000)
        return { kind: 'failed', failure: { kind: 'answer_timeout', message: 'no answer' } }
      }
      if (typeof answer !== 'string' && !Buffer.isBuffer(answer)) return { kind: 'failed', failure: answer }
      const head = { status: 200, headers: {}, finalUrl: url, elapsedMs: 1 }
      return { kind: 'answered', resource: { ...head, body: Buffer.isBuffer(answer) ? answer : Buffer.from(answer) } }
    },
  }
  const listener: FollowerListener = {
    onPlaylist: ({ playlist }) => void told.push(`${playlist.mediaSequence}+${playlist.segments.length}`),
    onReset: () => 'go_on',
    onFailed: (failure) => {
      told.push(failure.kind)
      failures.push(failure)
    },
    onComplete: () => void told.push('complete'),
    ...options.listener,
  }
  const follower = new PlaylistFollower({
    ...{ session, url: undefined, usesBlockingReload: false, clock },
    ...options,
    listener,
  })
  follower.start()
  return { clock, follower, asked, told, failures, run: (seconds: number) => clock.advance(seconds * 1_000) }
}

/** The number of the next segment when one is published every target duration. */
const steady = (second: number, from = 10) => from + Math.floor(second / TARGET_S)

test('asks again a target duration after something new, and half of it after nothing new', async () => {
  const { asked, told, run, follower } = follow((second) => text({ next: 10 + Math.floor(second / 7) }))
  await run(31)
  follower.stop()
  const times = asked.map(({ atS }) => Math.round(atS * 10) / 10)
  assert.deepEqual(times, [0, 6, 9, 15, 21, 27, 30])
  assert.deepEqual(told, ['5+5', '6+5', '7+5', '8+5', '9+5'])
})

test('a playlist that stands still is frozen after two and a half target durations', async () => {
  const { failures, asked, run } = follow((second) => text({ next: steady(Math.min(second, 20)) }))
  await run(60)
  const [failure] = failures
  assert.equal(failure?.kind, 'playlist_frozen')
  assert.equal(failure?.evidence?.['media_sequence'], 8)
  // The last segment came with the request of second 18 or 21.
  const lastS = asked.at(-1)?.atS ?? 0
  assert.ok(lastS > 18 && lastS <= 36, `${lastS}`)
})

test('with another source that is ready, a playlist that stands still is frozen after two target durations', async () => {
  for (const [isReady, limitMs] of [
    [true, 12_000],
    [false, 15_000],
  ] as const) {
    const { failures, run } = follow((second) => text({ next: steady(Math.min(second, 20)) }), {
      isHasty: () => isReady,
    })
    await run(60)
    assert.equal(failures[0]?.kind, 'playlist_frozen')
    assert.equal(failures[0]?.evidence?.['limit_ms'], limitMs)
  }
})

test('a playlist that has had nothing new since an earlier look is frozen at once, and one that has is not', async () => {
  for (const [seen, kinds] of [
    [10, ['playlist_frozen']],
    [9, []],
  ] as const) {
    const edge = new PlaylistEdge()
    const { failures, run, follower, clock } = follow(() => text({ next: 10 }), { edge })
    edge.seen(parseMediaPlaylist(text({ next: seen })), clock.nowMs() - 60_000)
    await run(1)
    follower.stop()
    assert.deepEqual(
      failures.map(({ kind }) => kind),
      kinds,
    )
  }
})

for (const burst of [2, 3]) {
  for (const isReady of [false, true]) {
    const beside = isReady ? ', beside another that is ready,' : ''
    test(`an origin that publishes ${burst} segments at once${beside} is never called frozen`, async () => {
      const origin = (second: number) => text({ next: 10 + Math.floor(second / (TARGET_S * burst)) * burst })
      const { failures, told, run, follower } = follow(origin, { isHasty: () => isReady })
      await run(600)
      follower.stop()
      assert.deepEqual(failures, [])
      assert.ok(told.length > 20)
    })
  }
}

test('one bad answer is asked for again at once; two in a row are a failure', async () => {
  const single = follow((second) => (second >= 6 && second < 6.05 ? CUT_OFF : text({ next: steady(second) })))
  await single.run(60)
  assert.deepEqual(single.failures, [])
  single.follower.stop()
  const lasting = follow((second) => (second >= 6 ? CUT_OFF : text({ next: steady(second) })))
  await lasting.run(60)
  assert.deepEqual(lasting.failures, [CUT_OFF])
  assert.equal(lasting.asked.length, 3)
  assert.equal(lasting.clock.pending, 0)
})

test('a web page, a master playlist and an origin that goes silent are told apart', async () => {
  const page = follow((second) => (second < 6 ? text({ next: 10 }) : '<!DOCTYPE html><html>Expired</html>'))
  await page.run(20)
  assert.equal(page.failures[0]?.kind, 'playlist_invalid')
  assert.match(page.failures[0]?.message ?? '', /web page/)
  const master = follow(() => '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8')
  await master.run(20)
  assert.equal(master.failures[0]?.kind, 'playlist_invalid')
  const silent = follow((second) => (second < 6 ? text({ next: 10 }) : undefined))
  await silent.run(60)
  assert.equal(silent.failures[0]?.kind, 'answer_timeout')
})

test('an older version from another edge is passed over', async () => {
  const { failures, told, run, follower } = follow((second) => {
    const isOld = Math.floor(second / 3) % 2 === 1
    return text({ next: steady(second) - (isOld ? 1 : 0) })
  })
  await run(300)
  follower.stop()
  assert.deepEqual(failures, [])
  const firsts = told.map((each) => Number.parseInt(each, 10))
  assert.deepEqual(
    firsts,
    firsts.toSorted((left, right) => left - right),
  )
})

test('a media sequence that begins anew is told with evidence, and followed when the caller wants that', async () => {
  const resets: SourceFailure[] = []
  const origin = (second: number) =>
    text(second < 20 ? { next: steady(second) } : { next: steady(second - 20, 1), prefix: 'n' })
  const verdicts = ['go_on', 'fail'] as const
  for (const verdict of verdicts) {
    const told: string[] = []
    const { run, follower } = follow(origin, {
      listener: {
        onPlaylist: ({ playlist }) => void told.push(playlist.segments.at(-1)?.uri ?? ''),
        onReset: (failure) => {
          resets.push(failure)
          return verdict
        },
        onFailed: ({ kind }) => void told.push(kind),
        onComplete: () => {},
      },
    })
    await run(40)
    follower.stop()
    if (verdict === 'fail') assert.equal(told.at(-1), 'playlist_reset')
    else assert.match(told.at(-1) ?? '', /^n/)
  }
  assert.equal(resets.length, 2)
  assert.deepEqual(resets[0]?.evidence, { sequence_before: 13, sequence_now: 1 })
})

test('a live playlist that ends is told as ended, one that has ended before is complete', async () => {
  const live = follow((second) => text({ next: steady(second), tail: second > 10 ? ['#EXT-X-ENDLIST'] : [] }))
  await live.run(40)
  assert.deepEqual(live.told.slice(-2), ['7+5', 'playlist_ended'])
  const finished = follow(() => text({ next: 5, tail: ['#EXT-X-ENDLIST'] }))
  await finished.run(40)
  assert.deepEqual(finished.told, ['0+5', 'complete'])
  assert.equal(finished.asked.length, 1)
  assert.equal(finished.clock.pending, 0)
})

test('an origin that lets reloads wait is asked for what is next', async () => {
  const head = ['#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3', '#EXT-X-PART-INF:PART-TARGET=1']
  const { asked, run, follower } = follow(
    (second) => text({ next: steady(second), head, tail: ['#EXT-X-PART:DURATION=1,URI="p0.ts"'] }),
    { usesBlockingReload: true },
  )
  await run(7)
  follower.stop()
  assert.equal(new URL(asked[1]?.url ?? '').search, '?_HLS_msn=10&_HLS_part=1')
  assert.ok(asked.length <= 16, `${asked.length} requests in 7 s`)
})

test('a playlist that was compressed against our wish is read; one that would swell beyond all bounds is not', async () => {
  const small = follow(() => gzipSync(text({ next: 5, tail: ['#EXT-X-ENDLIST'] })))
  await small.run(10)
  assert.deepEqual(small.told, ['0+5', 'complete'])
  const bomb = follow(() => gzipSync(Buffer.alloc(50_000_000, 0x20)))
  await bomb.run(20)
  assert.deepEqual(bomb.told, ['playlist_invalid'])
})

test('a mistake of the listener ends it as one of ours', async () => {
  const failures: string[] = []
  const { clock, run } = follow((second) => text({ next: steady(second) }), {
    listener: {
      onPlaylist: () => {
        throw new TypeError('planted')
      },
      onReset: () => 'go_on',
      onFailed: ({ kind }) => void failures.push(kind),
      onComplete: () => {},
    },
  })
  await run(20)
  assert.deepEqual([failures, clock.pending], [['internal'], 0])
})

test('nothing is told after it was stopped, not even what was on its way', async () => {
  const { clock, follower, told } = follow((second) => text({ next: steady(second) }))
  follower.stop()
  await clock.advance(60_000)
  assert.deepEqual(told, [])
  assert.equal(clock.pending, 0)
})
