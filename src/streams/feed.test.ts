import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId } from '../failover/candidate.ts'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import { Feed } from './feed.ts'
import { StreamRing } from './ring.ts'
import type { SessionFailure, SessionListener, SourceSession } from './sources/session.ts'
import { createUnitAlignedSplice } from './splice.ts'

const primary = candidateId('primary')
const backup = candidateId('backup')

const reset: SessionFailure = { reason: 'reset', message: 'reset', status: undefined, detectionMs: 0, evidence: {} }

/** A source whose media the test sends by hand; its tables are the text `[id]`. */
class ScriptedSession {
  readonly listener: SessionListener
  readonly framer: { mediaSeen: boolean; container: 'mpegts'; preamble: () => Buffer }
  ended = false
  paused = false

  constructor(id: string, listener: SessionListener) {
    this.listener = listener
    this.framer = { mediaSeen: true, container: 'mpegts', preamble: () => Buffer.from(`[${id}]`) }
  }

  open(): void {}
  close(): void {
    this.ended = true
  }
  pause(): void {
    this.paused = true
  }
  resume(): void {
    this.paused = false
  }
  sends(text: string, joinOffsets: readonly number[] = []): void {
    this.listener.media(Buffer.from(text), joinOffsets)
  }
  fails(): void {
    this.ended = true
    this.listener.failed(reset)
  }
}

function setUp(keyframeWaitMs = 5_000) {
  const ring = new StreamRing({ bytesMax: 1_000_000, ageMsMax: 60_000 }, () => 0)
  const clock = createSimulatedClock()
  const sessions: ScriptedSession[] = []
  const log: string[] = []
  let holdBack = false
  const feed = new Feed({
    ring,
    createSplice: createUnitAlignedSplice,
    clock,
    keyframeWaitMs,
    openSession: (id, listener) => {
      const session = new ScriptedSession(id, listener)
      sessions.push(session)
      // The feed uses of a session only what the scripted one has.
      return session as unknown as SourceSession
    },
    listener: {
      onAir: (id, epoch) => log.push(`on air ${id} ${epoch}`),
      failed: (id, epoch, failure) => log.push(`failed ${id} ${epoch} ${failure.reason}`),
      appended: () => ring.publish(),
      flushed: () => ring.publish(),
      shouldHoldBack: () => holdBack,
    },
  })
  const session = (index: number): ScriptedSession => {
    const found = sessions[index]
    assert.ok(found !== undefined, `session ${index} was opened`)
    return found
  }
  const output = (): string => {
    let text = ''
    for (let at = ring.oldestSequence; at < ring.nextSequence; at += 1) text += ring.at(at)?.data.toString() ?? ''
    return text
  }
  const setHoldBack = (value: boolean): void => {
    holdBack = value
  }
  return { feed, ring, clock, sessions, session, log, output, setHoldBack }
}

test('a source goes on air at its keyframe, behind its tables', () => {
  const { feed, session, output, log } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('abcKEY', [3])
  assert.equal(output(), '[primary]KEY')
  assert.deepEqual(log, ['on air primary 1'])
})

test('before the first keyframe of a stream the tables go out once, so that a player can prepare', () => {
  const { feed, session, output } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('abc')
  session(0).sends('def')
  session(0).sends('KEY', [0])
  assert.equal(output(), '[primary]KEY')
})

test('a source without keyframes goes on air when the wait for one is over', async () => {
  const { feed, session, clock, output } = setUp(1_000)
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('abc')
  await clock.advance(1_000)
  session(0).sends('def')
  assert.equal(output(), '[primary]def')
})

test('after a failure nothing of the old source follows, and the new one begins at its keyframe', () => {
  const { feed, session, output, log } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('AAA', [0])
  session(0).fails()
  feed.putOnAir(backup, 2, 0, true)
  session(0).sends('late')
  session(1).sends('bbbKEY', [3])
  assert.equal(output(), '[primary]AAA[backup]KEY')
  assert.deepEqual(log, ['on air primary 1', 'failed primary 1 reset', 'on air backup 2'])
})

test('a switch by hand keeps the present source until the new one is at a keyframe', () => {
  const { feed, session, output, log } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('AAA', [0])
  feed.putOnAir(backup, 2, 0, true)
  session(0).sends('AA')
  session(1).sends('b')
  session(0).sends('A')
  session(1).sends('KEY', [0])
  assert.equal(output(), '[primary]AAAAAA[backup]KEY')
  assert.equal(session(0).ended, true)
  assert.equal(feed.upstreamConnections, 1)
  assert.deepEqual(log, ['on air primary 1', 'on air backup 2'])
})

test('going back to the present source before the new one delivered costs nothing', () => {
  const { feed, session, sessions, output, log } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('AAA', [0])
  feed.putOnAir(backup, 2, 0, true)
  session(1).fails()
  feed.putOnAir(primary, 3, 0, true)
  session(0).sends('BBB')
  assert.equal(output(), '[primary]AAABBB')
  assert.equal(sessions.length, 2)
  assert.deepEqual(log, ['on air primary 1', 'failed backup 2 reset', 'on air primary 3'])
})

test('while a new source is on its way in, the end of the old one is no failure', () => {
  const { feed, session, log } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('AAA', [0])
  feed.putOnAir(backup, 2, 0, true)
  session(0).fails()
  assert.deepEqual(log, ['on air primary 1'])
})

test('a delayed attempt is replaced by a later one', async () => {
  const { feed, clock, sessions } = setUp()
  feed.putOnAir(primary, 1, 500, false)
  feed.putOnAir(backup, 2, 100, false)
  await clock.advance(1_000)
  assert.equal(sessions.length, 1)
})

test('the source is paused while the viewers cannot follow, and goes on when they can', async () => {
  const { feed, session, clock, setHoldBack } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  setHoldBack(true)
  session(0).sends('AAA', [0])
  assert.equal(session(0).paused, true)
  await clock.advance(100)
  assert.equal(session(0).paused, true)
  setHoldBack(false)
  await clock.advance(100)
  assert.equal(session(0).paused, false)
})

test('after stop the stream begins anew', () => {
  const { feed, session } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('AAA', [0])
  feed.stop()
  assert.equal(session(0).ended, true)
  assert.equal(feed.upstreamConnections, 0)
  assert.equal(feed.container, undefined)
})
