import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId } from '../failover/candidate.ts'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import { DelayedOutput } from './delayed-output.ts'
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

function setUp(keyframeWaitMs = 5_000, leadInMs = 0) {
  const ring = new StreamRing({ bytesMax: 1_000_000, ageMsMax: 60_000 }, () => 0)
  const clock = createSimulatedClock()
  const sessions: ScriptedSession[] = []
  const log: string[] = []
  const refusals: ('no_connection_left' | 'close_present_first')[] = []
  let holdBack = false
  const output = new DelayedOutput({ ring, clock, delayMs: () => 0, onReleased: () => void ring.publish() })
  const feed = new Feed({
    output,
    createSplice: () => ({ ...createUnitAlignedSplice(), leadInMs }),
    clock,
    keyframeWaitMs,
    twinHoldMs: () => 500,
    openSession: (id, listener) => {
      const session = new ScriptedSession(id, listener)
      if (refusals.length > 0) return refusals.shift() ?? 'no_connection_left'
      sessions.push(session)
      // The feed uses of a session only what the scripted one has.
      return session as unknown as SourceSession
    },
    standbyTakesOver: () => log.push('standby takes over'),
    listener: {
      onAir: (id, epoch) => log.push(`on air ${id} ${epoch}`),
      failed: (id, epoch, failure) => log.push(`failed ${id} ${epoch} ${failure.reason}`),
      standbyFailed: (id, failure) => log.push(`standby failed ${id} ${failure.reason}`),
      flushed: () => output.settle(true),
      shouldHoldBack: () => holdBack,
    },
  })
  const session = (index: number): ScriptedSession => {
    const found = sessions[index]
    assert.ok(found !== undefined, `session ${index} was opened`)
    return found
  }
  const written = (): string => {
    let text = ''
    for (let at = ring.oldestSequence; at < ring.nextSequence; at += 1) text += ring.at(at)?.data.toString() ?? ''
    return text
  }
  const setHoldBack = (value: boolean): void => {
    holdBack = value
  }
  return { feed, ring, clock, sessions, session, log, written, setHoldBack, refusals }
}

test('a source goes on air at its keyframe, behind its tables', () => {
  const { feed, session, written, log } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('abcKEY', [3])
  assert.equal(written(), '[primary]KEY')
  assert.deepEqual(log, ['on air primary 1'])
})

test('before the first keyframe of a stream the tables go out once, so that a player can prepare', () => {
  const { feed, session, written } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('abc')
  session(0).sends('def')
  session(0).sends('KEY', [0])
  assert.equal(written(), '[primary]KEY')
})

test('a source without keyframes goes on air when the wait for one is over', async () => {
  const { feed, session, clock, written } = setUp(1_000)
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('abc')
  await clock.advance(1_000)
  session(0).sends('def')
  assert.equal(written(), '[primary]def')
})

test('after a failure nothing of the old source follows, and the new one begins at its keyframe', () => {
  const { feed, session, written, log } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('AAA', [0])
  session(0).fails()
  feed.putOnAir(backup, 2, 0, true)
  session(0).sends('late')
  session(1).sends('bbbKEY', [3])
  assert.equal(written(), '[primary]AAA[backup]KEY')
  assert.deepEqual(log, ['on air primary 1', 'failed primary 1 reset', 'on air backup 2'])
})

test('a switch by hand keeps the present source until the new one is at a keyframe', () => {
  const { feed, session, written, log } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('AAA', [0])
  feed.putOnAir(backup, 2, 0, true)
  session(0).sends('AA')
  session(1).sends('b')
  session(0).sends('A')
  session(1).sends('KEY', [0])
  assert.equal(written(), '[primary]AAAAAA[backup]KEY')
  assert.equal(session(0).ended, true)
  assert.equal(feed.upstreamConnections, 1)
  assert.deepEqual(log, ['on air primary 1', 'on air backup 2'])
})

test('going back to the present source before the new one delivered costs nothing', () => {
  const { feed, session, sessions, written, log } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('AAA', [0])
  feed.putOnAir(backup, 2, 0, true)
  session(1).fails()
  feed.putOnAir(primary, 3, 0, true)
  session(0).sends('BBB')
  assert.equal(written(), '[primary]AAABBB')
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

test('what came shortly before the keyframe goes first where the splice has use for it', async () => {
  const { feed, session, clock, written } = setUp(5_000, 1_000)
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('old')
  await clock.advance(1_400)
  session(0).sends('lead')
  session(0).sends('inKEY', [2])
  assert.equal(written(), '[primary]leadinKEY')
})

test('a standby takes over without being opened again, where the source before it stopped', async () => {
  const { feed, session, sessions, clock, written, log } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  assert.equal(feed.prepare(backup), true)
  session(0).sends('AAA', [0])
  session(1).sends('xK1', [1])
  assert.deepEqual(feed.standby?.isReady, true)
  assert.equal(feed.upstreamConnections, 2)
  await clock.advance(1_000)
  session(0).sends('AA')
  await clock.advance(100)
  session(1).sends('K2', [0])
  session(1).sends('x')
  await clock.advance(900)
  session(0).fails()
  feed.putOnAir(backup, 2, 0, true)
  assert.equal(written(), '[primary]AAAAA[backup]K1K2x', 'K2 came after the last of the primary')
  session(1).sends('on')
  assert.equal(written(), '[primary]AAAAA[backup]K1K2xon')
  assert.equal(sessions.length, 2)
  assert.equal(feed.standby, undefined)
  assert.deepEqual(log, ['on air primary 1', 'failed primary 1 reset', 'standby takes over', 'on air backup 2'])
})

test('by hand a standby takes over at its latest keyframe', async () => {
  const { feed, session, clock, written } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  feed.prepare(backup)
  session(0).sends('AAA', [0])
  session(1).sends('K1', [0])
  await clock.advance(1_000)
  session(1).sends('K2', [0])
  feed.putOnAir(backup, 2, 0, true)
  assert.equal(written(), '[primary]AAA[backup]K2')
  assert.equal(session(0).ended, true)
})

test('a standby that has no keyframe yet is waited for, not opened twice', () => {
  const { feed, session, sessions, written } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  feed.prepare(backup)
  session(0).sends('AAA', [0])
  session(1).sends('xx')
  session(0).fails()
  feed.putOnAir(backup, 2, 0, true)
  session(1).sends('KEY', [0])
  assert.equal(written(), '[primary]AAA[backup]KEY')
  assert.equal(sessions.length, 2)
})

test('a standby that fails is told and forgotten', () => {
  const { feed, session, log } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  feed.prepare(backup)
  session(1).fails()
  assert.equal(feed.standby, undefined)
  assert.deepEqual(log, ['standby failed backup reset'])
})

test('another standby replaces the one before, and the source on air is never its own standby', () => {
  const { feed, session, sessions } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  feed.prepare(backup)
  feed.prepare(candidateId('spare'))
  assert.equal(session(1).ended, true)
  feed.prepare(primary)
  assert.equal(session(2).ended, true)
  assert.equal(sessions.length, 3)
})

test('where the account has no second connection the present source is closed first', async () => {
  const { feed, session, sessions, clock, written, refusals } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('AAA', [0])
  refusals.push('close_present_first')
  feed.putOnAir(backup, 2, 0, true)
  assert.equal(session(0).ended, true)
  assert.equal(sessions.length, 1)
  await clock.advance(100)
  session(1).sends('KEY', [0])
  assert.equal(written(), '[primary]AAA[backup]KEY')
})

test('where the account has no connection at all the source fails, and the present one stays', () => {
  const { feed, session, log, refusals } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('AAA', [0])
  refusals.push('no_connection_left')
  feed.putOnAir(backup, 2, 0, true)
  assert.deepEqual(log, ['on air primary 1', 'failed backup 2 no_connection_left'])
  assert.equal(session(0).ended, false)
})

test('a slate is shown when nothing is on air, and gives way to a source at its keyframe', () => {
  const { feed, session, written, log } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('AAA', [0])
  session(0).fails()
  feed.putOnAir(backup, 2, 0, true)
  let slate: ScriptedSession | undefined
  feed.showSlate((listener) => {
    slate = new ScriptedSession('slate', { ...listener, failed: () => {} })
    return slate as unknown as SourceSession
  })
  slate?.sends('SSS', [0])
  assert.equal(feed.isSlateOn, true)
  assert.equal(feed.upstreamConnections, 1)
  session(1).sends('b')
  slate?.sends('S')
  session(1).sends('KEY', [0])
  assert.equal(written(), '[primary]AAA[slate]SSSS[backup]KEY')
  assert.equal(slate?.ended, true)
  assert.equal(feed.isSlateOn, false)
  assert.deepEqual(log, ['on air primary 1', 'failed primary 1 reset', 'on air backup 2'])
})

test('a slate that comes too late is not shown', () => {
  const { feed, session, written } = setUp()
  feed.putOnAir(primary, 1, 0, false)
  session(0).sends('AAA', [0])
  feed.showSlate(() => {
    throw new Error('a source is on air')
  })
  assert.equal(written(), '[primary]AAA')
})
