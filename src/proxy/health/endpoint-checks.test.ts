import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../lib/clock.ts'
import type { Endpoint } from '../endpoints/endpoint.ts'
import type { Watch } from './check-schedule.ts'
import { EndpointChecks } from './endpoint-checks.ts'
import type { CheckRules } from './endpoint-checks.ts'
import type { CheckOutcome } from './health-check.ts'

const endpoint: Endpoint = { id: 'a', url: 'http://10.0.0.1', priority: 0, weight: 1, enabled: true, drain: false }
const check = { rule: { kind: 'tcp', timeoutMs: 100 }, intervalMs: 5_000 } as const
const playlist = { rule: { path: '/live.m3u8', targetDurations: 3, timeoutMs: 100 }, intervalMs: 1_000 }
const GOOD: CheckOutcome = { kind: 'good' }
const FROZEN: CheckOutcome = { kind: 'bad', reason: 'playlist_frozen', isCertain: true }

function checksWith(rules: CheckRules) {
  const watches = new Map<string, Watch>()
  const told: string[] = []
  const checks = new EndpointChecks({
    ...{ serviceId: 's', clock: systemClock, random: { next: () => 0.5 }, rules },
    schedule: { start: (key, watch) => void watches.set(key, watch), stop: (key) => void watches.delete(key) },
    report: (_id, outcome) => told.push(outcome.kind === 'good' ? 'good' : outcome.reason),
  })
  const found = (what: 'check' | 'playlist', outcome: CheckOutcome) => {
    told.length = 0
    watches.get(`s/a/${what}`)?.onOutcome(outcome)
    return told.join(' ')
  }
  return { checks, watches, found }
}

test('a frozen playlist is told as often as it takes, once, and the other check cannot make up for it', () => {
  const { checks, found } = checksWith({ check, playlist, fall: 3 })
  checks.start(endpoint, 1)
  assert.equal(found('check', GOOD), 'good')
  assert.equal(found('playlist', GOOD), '', 'good news once a second would drown the bad news of the other check')
  assert.equal(found('playlist', FROZEN), 'playlist_frozen playlist_frozen playlist_frozen')
  assert.equal(found('playlist', FROZEN), 'playlist_frozen')
  assert.equal(found('check', GOOD), '')
  assert.equal(found('playlist', GOOD), '')
  assert.equal(found('check', GOOD), 'good')
})

test('bad looks in a row are enough whatever requests say in between', () => {
  const { checks, found } = checksWith({ check, playlist: undefined, fall: 3 })
  checks.start(endpoint, 1)
  const NOT_READY: CheckOutcome = { kind: 'bad', reason: 'http_status', status: 503 }
  const once = 'http_status'
  const enough = `${once} ${once} ${once}`
  assert.deepEqual([found('check', NOT_READY), found('check', NOT_READY), found('check', GOOD)], [once, once, 'good'])
  assert.deepEqual(
    [1, 2, 3, 4].map(() => found('check', NOT_READY)),
    [once, once, enough, enough],
    'requests that were on their way may have spoken for it since',
  )
})

test('with a playlist alone its looks are the check', () => {
  const { checks, watches, found } = checksWith({ check: undefined, playlist, fall: 2 })
  checks.start(endpoint, 1)
  assert.deepEqual([...watches.keys()], ['s/a/playlist'])
  assert.equal(found('playlist', GOOD), 'good')
  assert.equal(found('playlist', FROZEN), 'playlist_frozen playlist_frozen')
})

test('without a check of its own a service is looked at as often as the engine says', () => {
  const { checks, watches } = checksWith({ check: undefined, playlist: undefined, fall: 3 })
  checks.start(endpoint, 7_000)
  assert.equal(watches.get('s/a/check')?.intervalMs, 7_000)
  checks.stop('a')
  assert.equal(watches.size, 0)
})

test('new rules and a new address begin the looks anew, and nothing else does', () => {
  const { checks, watches } = checksWith({ check, playlist: undefined, fall: 3 })
  checks.start(endpoint, 1)
  const first = watches.get('s/a/check')
  checks.update({ check, playlist: undefined, fall: 3 }, [{ ...endpoint, weight: 9 }])
  assert.equal(watches.get('s/a/check'), first)
  checks.update({ check, playlist: undefined, fall: 3 }, [{ ...endpoint, url: 'http://10.0.0.2' }])
  const second = watches.get('s/a/check')
  assert.notEqual(second, first)
  checks.update({ check: { ...check, intervalMs: 50 }, playlist, fall: 3 }, [endpoint])
  assert.equal(watches.get('s/a/check')?.intervalMs, 50)
  assert.ok(watches.has('s/a/playlist'))
  checks[Symbol.dispose]()
  assert.equal(watches.size, 0)
})
