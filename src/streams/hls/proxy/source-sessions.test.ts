import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId } from '../../../failover/candidate.ts'
import { createSimulatedClock } from '../../../lib/simulated-clock.ts'
import type { HlsProxySource } from './proxy-options.ts'
import { SourceSessions } from './source-sessions.ts'

/** Whose cookies and connections are kept. */

const source = (index: number): HlsProxySource => ({
  ...{ candidateId: candidateId(`candidate-${index}`), index, url: `http://${index}.test/live.m3u8`, headers: {} },
  ...{ userAgent: 'test', operatorHosts: new Set<string>(), useStickySession: false },
})

function lab() {
  const sources = Array.from({ length: 20 }, (_, index) => source(index))
  return new SourceSessions({
    network: { clock: createSimulatedClock() },
    timeouts: { connectMs: 1_000, answerMs: 1_000, silenceMs: 1_000, totalMs: 1_000 },
    segmentDeadlineMsOf: () => undefined,
    source: (id) => sources.find(({ candidateId: own }) => own === id),
  })
}

test('a source that is asked for something keeps its session, however many others stand by in turn', () => {
  using sessions = lab()
  const onAir = sessions.open(source(0))
  for (let index = 1; index < 20; index += 1) {
    sessions.open(source(index))
    assert.equal(sessions.find('candidate-0'), onAir)
  }
  const idle = sessions.open(source(1))
  for (let index = 2; index < 20; index += 1) sessions.open(source(index))
  assert.notEqual(sessions.find('candidate-1'), idle, 'the oldest goes')
})

test('a source with another address or other headers has another session; the same one keeps its own', () => {
  using sessions = lab()
  const first = sessions.open(source(1))
  assert.equal(sessions.open({ ...source(1), operatorHosts: new Set() }), first)
  assert.notEqual(sessions.open({ ...source(1), url: 'http://other.test/live.m3u8' }), first)
  assert.equal(sessions.find('candidate-99'), undefined)
})
