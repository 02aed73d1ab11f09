import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionFailure } from '../../sources/session.ts'
import { SegmentCache } from '../upstream/segment-cache.ts'
import { publisherBench } from './publisher.fixture.ts'
import { Standby } from './standby.ts'

/** A source that stands by beside the one on air, and how it comes to its end. */

function bench() {
  const made = publisherBench(2)
  const [a, b] = made.sources
  if (a === undefined || b === undefined) throw new Error('two sources are needed')
  const { clock, slots, publisher, sessions } = made
  const cache = new SegmentCache({ clock, bytesMax: 1_000_000, ageMsMax: 120_000 })
  const failures: SessionFailure[] = []
  const standby = new Standby({
    ...{ clock, slots, publisher, sessions, cache, bytesMax: 500_000 },
    makersKey: () => Promise.reject(new Error('nothing is decrypted here')),
  })
  const prepare = (): void => standby.prepare(b.source, (failure) => failures.push(failure))
  /** Nothing is asked of any source any more, and nothing waits. */
  const isAtRest = async (): Promise<boolean> => {
    publisher.stop()
    const before = b.opened.length + b.asked.length
    await clock.advance(60_000)
    const isQuiet = b.opened.length + b.asked.length === before
    return isQuiet && cache.connections === 0 && cache.bytes === 0 && clock.pending === 0
  }
  return { ...made, a, b, cache, standby, prepare, failures, isAtRest }
}

test('it is stopped while its playlist, or its first segments, are on their way', async () => {
  for (const waitMs of [0, 1_000]) {
    const { a, b, putOnAir, play, standby, prepare, clock, cache, isAtRest } = bench()
    putOnAir(a)
    await play(4)
    prepare()
    if (waitMs > 0) await clock.advance(waitMs)
    assert.equal(cache.connections, waitMs === 0 ? 0 : 2)
    assert.ok(b.asked.length > 0)
    standby.stop()
    assert.equal(standby.candidateId, undefined)
    assert.ok(await isAtRest())
  }
})

test('it is stopped after it was put on air, before anything of it is published', async () => {
  const { a, b, putOnAir, play, standby, prepare, cache, isAtRest } = bench()
  putOnAir(a)
  await play(4)
  prepare()
  await play(2)
  b.isEmpty = true
  await play(2)
  const run = standby.takeOver(b.source)
  assert.ok(run !== undefined)
  putOnAir(b, run)
  assert.equal(standby.candidateId, undefined)
  standby.stop()
  assert.equal(cache.connections, 0)
  assert.ok(await isAtRest())
})

test('of one that was put on air, what is on its way is that of its span', async () => {
  const { a, b, putOnAir, play, standby, prepare, cache, slots, publisher } = bench()
  putOnAir(a)
  await play(4)
  prepare()
  await play(2)
  const run = standby.takeOver(b.source)
  assert.ok(run !== undefined)
  putOnAir(b, run)
  standby.joined(run, slots.stitch.span?.number ?? 0)
  standby.stop()
  assert.equal(publisher.current, run)
  assert.equal(cache.connections, 2, 'players wait for them')
  cache[Symbol.dispose]()
  publisher.stop()
})

test('one that players could not go on with is told once, and stands by no more', async () => {
  const { a, b, putOnAir, play, standby, prepare, failures, isAtRest } = bench()
  putOnAir(a)
  await play(4)
  b.isEnded = true
  prepare()
  await play(2)
  assert.deepEqual(
    failures.map(({ reason }) => reason),
    ['playlist_ended'],
  )
  assert.equal(standby.candidateId, undefined)
  assert.ok(await isAtRest())
})
