import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimulatedClock } from '../../../lib/simulated-clock.ts'
import type { SourceReader, SourceResponseHandler } from '../../sources/http-client.ts'
import type { SegmentSession } from './hls-session.ts'
import { SegmentCache } from './segment-cache.ts'
import type { SegmentReader } from './segment.ts'

const MEDIA = Buffer.alloc(1_000, 0x47)

interface Fetched {
  readonly url: string
  readonly range: string | undefined
  readonly handler: SourceResponseHandler
  isClosed: boolean
}

/** A cache over origins that the test plays. */
function lab({ bytesMax = 1_000_000, ageMsMax = 60_000 } = {}) {
  const clock = createSimulatedClock()
  const fetched: Fetched[] = []
  const sessionOf = (key: string): SegmentSession => ({
    key,
    timeouts: { connectMs: 1_000, answerMs: 1_000, silenceMs: 2_000, totalMs: 10_000 },
    open: (url, range, handler): SourceReader => {
      const one: Fetched = { url, range, handler, isClosed: false }
      fetched.push(one)
      return { close: () => void (one.isClosed = true), pause: () => {}, resume: () => {} }
    },
  })
  const cache = new SegmentCache({ clock, bytesMax, ageMsMax })
  const session = sessionOf('a')
  const request = (name: string) => ({ session, url: `http://a.test/${name}.ts` })
  const answer = (index: number, headers: Record<string, string> = {}, status = 200) =>
    fetched[index]?.handler.onHead({ status, headers, finalUrl: fetched[index].url, elapsedMs: 1 })
  /** The whole of a segment. */
  const deliver = (index: number, bytes = MEDIA) => {
    answer(index, { 'content-length': String(bytes.length), 'content-type': 'video/mp2t' })
    fetched[index]?.handler.onData(bytes)
    fetched[index]?.handler.onEnd()
  }
  return { clock, cache, fetched, request, sessionOf, answer, deliver }
}

async function readAll(reader: SegmentReader): Promise<{ readonly bytes: number; readonly end: string }> {
  for (let bytes = 0; ;) {
    const piece = await reader.next()
    if (piece.kind !== 'data') {
      reader.close()
      return { bytes, end: piece.kind === 'failed' ? piece.failure.kind : 'end' }
    }
    bytes += piece.bytes.length
  }
}

test('fifty readers at once make one request, read while it comes, and share the same bytes', async () => {
  const { cache, fetched, request, answer } = lab()
  const readers = Array.from({ length: 50 }, () => cache.open(request('one')))
  assert.equal(fetched.length, 1)
  answer(0, { 'content-length': '2000', 'content-type': 'video/mp2t' })
  fetched[0]?.handler.onData(MEDIA)
  const firsts = await Promise.all(readers.map((reader) => reader.next()))
  assert.ok(firsts.every((piece) => piece.kind === 'data' && piece.bytes === MEDIA))
  const head = await readers[0]?.head()
  assert.ok(head?.kind === 'answered')
  assert.deepEqual([head.head.status, head.head.contentLength, head.head.contentType], [200, 2_000, 'video/mp2t'])
  fetched[0]?.handler.onData(MEDIA)
  fetched[0]?.handler.onEnd()
  for (const reader of readers) assert.deepEqual(await readAll(reader), { bytes: 1_000, end: 'end' })
  assert.deepEqual(await readAll(cache.open(request('one'))), { bytes: 2_000, end: 'end' })
  assert.deepEqual([cache.fetches, cache.bytes], [1, 2_000])
})

test('the same address of another session or another range is another segment', () => {
  const { cache, fetched, request, sessionOf } = lab()
  cache.open(request('one'))
  cache.open({ ...request('one'), session: sessionOf('b') })
  cache.open({ ...request('one'), byteRange: { offset: 10, length: 20 } })
  assert.deepEqual(
    fetched.map(({ range }) => range),
    [undefined, undefined, 'bytes=10-29'],
  )
})

test('what breaks off is told to its readers, is the answer for a second, and is asked for anew after it or as a retry', async () => {
  const { clock, cache, fetched, request, answer } = lab()
  const reader = cache.open(request('one'))
  answer(0, { 'content-length': '2000' })
  fetched[0]?.handler.onData(MEDIA)
  fetched[0]?.handler.onFailure({ kind: 'incomplete_body', message: 'the body ended before it was complete' })
  assert.deepEqual(await readAll(reader), { bytes: 1_000, end: 'incomplete_body' })
  assert.deepEqual((await readAll(cache.open(request('one')))).end, 'incomplete_body')
  assert.equal(fetched.length, 1)
  cache.open({ ...request('one'), isRetry: true })
  assert.equal(fetched.length, 2)
  fetched[1]?.handler.onFailure({ kind: 'reset', message: 'the connection broke' })
  await clock.advance(1_100)
  cache.open(request('one'))
  assert.equal(fetched.length, 3)
})

test('a fetch that nobody reads any more is given up', async () => {
  const { cache, fetched, request } = lab()
  const reader = cache.open(request('one'))
  reader.close()
  assert.equal(fetched[0]?.isClosed, true)
  assert.equal((await readAll(reader)).end, 'aborted')
})

test('whoever asks again after the end of the stream makes no request', async () => {
  const { clock, cache, fetched, request } = lab()
  const reader = cache.open(request('one'))
  cache[Symbol.dispose]()
  assert.equal((await readAll(reader)).end, 'aborted')
  const late = await readAll(cache.open({ ...request('one'), isRetry: true }))
  assert.deepEqual([late.end, fetched.length, cache.bytes, clock.pending], ['aborted', 1, 0, 0])
})

test('memory is bounded: what was read least recently goes first, what is old goes by itself', async () => {
  const { clock, cache, request, deliver } = lab({ bytesMax: 2_500, ageMsMax: 10_000 })
  for (const [index, name] of ['one', 'two', 'three'].entries()) {
    const reader = cache.open(request(name))
    deliver(index)
    reader.close()
    if (name === 'two') cache.open(request('one')).close()
  }
  assert.deepEqual(
    ['one', 'two', 'three'].map((name) => cache.has(request(name))),
    [true, false, true],
  )
  assert.equal(cache.bytes, 2_000)
  await clock.advance(20_000)
  assert.deepEqual([cache.bytes, cache.has(request('one')), clock.pending], [0, false, 0])
})

test('a web page, an empty body and another range than asked are no segments', async () => {
  const { cache, fetched, request, answer } = lab()
  const page = cache.open(request('page'))
  answer(0, { 'content-type': 'text/html' })
  fetched[0]?.handler.onData(Buffer.from('\n<!DOCTYPE html><html></html>'))
  const answered = await page.head()
  assert.equal(answered.kind === 'failed' ? answered.failure.kind : '', 'segment_invalid')
  const empty = cache.open(request('empty'))
  answer(1)
  fetched[1]?.handler.onEnd()
  assert.equal((await readAll(empty)).end, 'segment_invalid')
  const range = cache.open({ ...request('range'), byteRange: { offset: 100, length: 50 } })
  answer(2, { 'content-range': 'bytes 0-49/1000' }, 206)
  assert.equal((await readAll(range)).end, 'segment_invalid')
  const short = cache.open({ ...request('short'), byteRange: { offset: 100, length: 50 } })
  answer(3, { 'content-range': 'bytes 100-149/1000' }, 206)
  fetched[3]?.handler.onData(MEDIA.subarray(0, 40))
  fetched[3]?.handler.onEnd()
  assert.equal((await readAll(short)).end, 'segment_invalid')
})

test('a range is cut out of an answer that is the whole', async () => {
  const { cache, fetched, request, answer } = lab()
  const reader = cache.open({ ...request('one'), byteRange: { offset: 900, length: 200 } })
  answer(0, { 'content-length': '2000', 'content-type': 'video/mp2t' })
  fetched[0]?.handler.onData(MEDIA)
  fetched[0]?.handler.onData(MEDIA)
  const head = await reader.head()
  assert.ok(head.kind === 'answered')
  assert.deepEqual([head.head.status, head.head.contentLength], [206, 200])
  assert.equal(head.head.headers['content-range'], 'bytes 900-1099/2000')
  assert.deepEqual(await readAll(reader), { bytes: 200, end: 'end' })
  assert.equal(fetched[0]?.isClosed, true)
})

test('a body that stops coming has failed, and 404 says that the segment is missing', async () => {
  const { clock, cache, fetched, request, answer } = lab()
  const silent = cache.open(request('silent'))
  answer(0, { 'content-length': '2000' })
  fetched[0]?.handler.onData(MEDIA)
  await clock.advance(2_100)
  assert.deepEqual(await readAll(silent), { bytes: 1_000, end: 'answer_timeout' })
  const missing = cache.open(request('missing'))
  assert.equal(answer(1, {}, 404), 'reject')
  fetched[1]?.handler.onFailure({ kind: 'http_status', message: 'the source answered 404', status: 404 })
  assert.equal((await readAll(missing)).end, 'segment_missing')
})
