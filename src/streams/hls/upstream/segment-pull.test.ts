import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimulatedClock } from '../../../lib/simulated-clock.ts'
import { SegmentKeys } from './segment-keys.ts'
import { SegmentPull } from './segment-pull.ts'
import type { SegmentPiece, SegmentReader } from './segment.ts'
import { testSession } from './upstream.fixture.ts'

/** One segment on its way in, while its origin gives it piece by piece. */

const HEAD = { status: 200, headers: {}, contentLength: undefined, contentType: undefined, finalUrl: '' }
const ABORTED: SegmentPiece = { kind: 'failed', failure: { kind: 'aborted', message: 'the reader was closed' } }
const BROKEN: SegmentPiece = { kind: 'failed', failure: { kind: 'reset', message: 'the connection broke' } }

/** Each reader gives its pieces, then what it is told, or waits until it is closed. */
function lab(pieces: readonly SegmentPiece[]) {
  const clock = createSimulatedClock()
  const abort = new AbortController()
  const session = testSession('http://a.test/live.m3u8', clock)
  let opened = 0
  const open = (): SegmentReader => {
    opened += 1
    const rest = [...pieces]
    const closed = Promise.withResolvers<SegmentPiece>()
    return {
      head: async () => ({ kind: 'answered', head: HEAD }),
      next: async () => rest.shift() ?? closed.promise,
      close: () => closed.resolve(ABORTED),
    }
  }
  const pull = new SegmentPull({
    source: { url: 'http://a.test/1.ts', byteRange: undefined, key: undefined },
    ...{ session, segments: { open }, keys: new SegmentKeys(session, abort.signal), clock, signal: abort.signal },
    ...{ patienceMs: 6_000, onChange: () => {} },
  })
  void pull.start()
  return { clock, abort, pull, opened: () => opened }
}

test('a segment that breaks off is asked for again, twice', async () => {
  const { clock, pull, opened } = lab([{ kind: 'data', bytes: Buffer.alloc(100, 1) }, BROKEN])
  await clock.advance(10_000)
  assert.deepEqual([opened(), pull.buffered, pull.failure?.kind], [3, 100, 'reset'])
})

test('one that is left out while it comes is not asked for again', async () => {
  const { clock, pull, opened } = lab([{ kind: 'data', bytes: Buffer.alloc(100, 1) }])
  await clock.advance(10)
  assert.equal(pull.buffered, 100)
  pull.close()
  await clock.advance(10_000)
  assert.deepEqual([opened(), pull.buffered, clock.pending], [1, 0, 0])
})

test('nothing is asked for after the end of the reader, which may come between two attempts', async () => {
  const { clock, abort, pull, opened } = lab([BROKEN])
  await clock.advance(100)
  abort.abort()
  pull.close()
  await clock.advance(10_000)
  assert.deepEqual([opened(), clock.pending], [1, 0])
})
