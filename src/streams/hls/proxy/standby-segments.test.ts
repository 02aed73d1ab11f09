import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimulatedClock } from '../../../lib/simulated-clock.ts'
import type { SourceResponseHandler } from '../../sources/http-client.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { SegmentSession } from '../upstream/hls-session.ts'
import { SegmentCache } from '../upstream/segment-cache.ts'
import { spanned } from '../transmux/segment-maker.ts'
import { StandbySegments } from './standby-segments.ts'
import type { WantedResource } from './standby-segments.ts'

const MEDIA = Buffer.alloc(1_000, 0x47)

/** What the origin does with each address; undefined: it never answers. */
type Origin = (url: string) => Buffer | number | undefined

function lab(origin: Origin, bytesMax = 100_000) {
  const clock = createSimulatedClock()
  const asked: string[] = []
  const failures: SourceFailure[] = []
  const answer = (url: string, handler: SourceResponseHandler): void => {
    const given = origin(url)
    if (given === undefined) return
    const status = typeof given === 'number' ? given : 200
    if (handler.onHead({ status, headers: {}, finalUrl: url, elapsedMs: 1 }) === 'reject') {
      handler.onFailure({ kind: 'http_status', message: `answered ${status}`, status })
      return
    }
    if (typeof given !== 'number') handler.onData(given)
    handler.onEnd()
  }
  const session: SegmentSession = {
    key: 'b',
    timeouts: { connectMs: 1_000, answerMs: 1_000, silenceMs: 2_000, totalMs: 10_000 },
    open: (url, _range, handler) => {
      const bare = url.replace(/#.*$/, '')
      asked.push(bare)
      queueMicrotask(() => answer(bare, handler))
      return { close: () => {}, pause: () => {}, resume: () => {} }
    },
  }
  const cache = new SegmentCache({ clock, bytesMax: 1_000_000, ageMsMax: 120_000 })
  const segments = new StandbySegments({
    ...{ clock, cache, session, bytesMax },
    makersKey: async () => ({ kind: 'key', key: Buffer.alloc(16) }),
    onFailed: (failure) => failures.push(failure),
  })
  const isHereAs = (name: string, span: number) => cache.has({ session, url: spanned(name, span) })
  return { clock, cache, session, segments, asked, failures, isHereAs }
}

const wanted = (name: string, more: Partial<WantedResource> = {}): WantedResource => ({
  ...{ kind: 'segment', url: name, byteRange: undefined, sequence: Number(/\d+/.exec(name)?.[0] ?? 0) },
  ...{ isClear: true, isMade: false, isMedia: true },
  ...more,
})
const names = (...numbers: readonly number[]) => numbers.map((number) => wanted(`http://b.test/${number}.ts`))

test('each segment is fetched once while it is wanted, two at a time, the newest first, and let go after that', async () => {
  const { clock, cache, segments, asked } = lab(() => MEDIA)
  segments.want(names(3, 2, 1))
  assert.equal(asked.length, 2)
  await clock.advance(10)
  segments.want(names(4, 3, 2))
  await clock.advance(10)
  assert.deepEqual(
    asked,
    ['3', '2', '1', '4'].map((name) => `http://b.test/${name}.ts`),
  )
  assert.equal(segments.isReady, true)
  assert.equal(cache.bytes, 3 * MEDIA.length)
  segments[Symbol.dispose]()
  assert.equal(cache.bytes, 0)
  cache[Symbol.dispose]()
})

test('once it is joined, its segments are had under its span, those on their way too', async () => {
  let isSlow = false
  const { clock, cache, segments, asked, isHereAs } = lab((url) => (isSlow && url.endsWith('3.ts') ? undefined : MEDIA))
  segments.want(names(2, 1))
  await clock.advance(10)
  isSlow = true
  segments.want(names(3, 2, 1))
  segments.adopt(7)
  assert.ok(isHereAs('http://b.test/1.ts', 7) && isHereAs('http://b.test/2.ts', 7))
  assert.equal(isHereAs('http://b.test/3.ts', 7), false)
  assert.equal(cache.connections, 1)
  segments.want(names(9))
  await clock.advance(10)
  assert.equal(asked.length, 3, 'nothing is fetched any more')
  cache[Symbol.dispose]()
})

test('a segment is asked for twice before its source has failed, and one that is not wanted any more is no failure', async () => {
  const { clock, cache, segments, asked, failures } = lab((url) => (url.endsWith('1.ts') ? MEDIA : 404))
  segments.want(names(2, 1))
  await clock.advance(100)
  segments.want(names(1))
  await clock.advance(1_000)
  assert.deepEqual(failures, [])
  segments.want(names(3, 1))
  await clock.advance(1_000)
  assert.deepEqual(
    failures.map(({ kind }) => kind),
    ['segment_missing'],
  )
  assert.equal(asked.filter((url) => url.endsWith('3.ts')).length, 2)
  segments[Symbol.dispose]()
  cache[Symbol.dispose]()
})

test('what is no media is a failure, unless it is encrypted or need not be any', async () => {
  for (const [more, isFailure] of [
    [{}, true],
    [{ isClear: false }, false],
    [{ isMedia: false }, false],
  ] as const) {
    const { clock, cache, segments, failures } = lab(() => Buffer.alloc(1_000, 0xa5))
    segments.want([wanted('http://b.test/1.ts', more)])
    await clock.advance(1_000)
    assert.equal(failures[0]?.kind, isFailure ? 'segment_invalid' : undefined)
    segments[Symbol.dispose]()
    cache[Symbol.dispose]()
  }
})

test('beyond its memory the oldest make room and stay away; the newest is kept however large it is', async () => {
  const { clock, cache, segments, asked } = lab(() => MEDIA, 1_500)
  segments.want(names(3, 2, 1))
  await clock.advance(10)
  segments.want(names(3, 2, 1))
  await clock.advance(10)
  assert.equal(cache.bytes, MEDIA.length)
  assert.equal(asked.length, 3)
  assert.equal(segments.isReady, true)
  segments[Symbol.dispose]()
  cache[Symbol.dispose]()
})

test('an address that is used again for another segment is fetched again', async () => {
  const { clock, cache, segments, asked } = lab(() => MEDIA)
  segments.want([wanted('http://b.test/live.ts', { sequence: 1 })])
  await clock.advance(10)
  segments.want([wanted('http://b.test/live.ts', { sequence: 2 })])
  await clock.advance(10)
  assert.equal(asked.length, 2)
  segments[Symbol.dispose]()
  cache[Symbol.dispose]()
})

test('an initialisation section stays as long as its segments, though nobody reads it', async () => {
  const { clock, cache, segments, asked } = lab(() => MEDIA)
  const map = wanted('http://b.test/init.mp4', { kind: 'map', sequence: 0 })
  for (let number = 1; number < 200; number += 1) {
    segments.want([map, ...names(number)])
    await clock.advance(2_000)
  }
  assert.equal(asked.filter((url) => url.endsWith('init.mp4')).length, 1)
  segments[Symbol.dispose]()
  cache[Symbol.dispose]()
})

test('readers of the same source get what is fetched anyway', async () => {
  const { clock, cache, session, segments, asked } = lab(() => MEDIA)
  segments.want(names(1))
  await clock.advance(10)
  const reader = segments.reader({ session, url: 'http://b.test/1.ts' })
  assert.equal((await reader?.next())?.kind, 'data')
  reader?.close()
  assert.equal(segments.reader({ session, url: 'http://b.test/2.ts' }), undefined)
  assert.equal(asked.length, 1)
  segments[Symbol.dispose]()
  cache[Symbol.dispose]()
})
