import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { defaultBreaker } from '../../src/failover/group.ts'
import { resetSocket } from '../../src/lib/reset-socket.ts'
import { createSimulatedClock } from '../../src/lib/simulated-clock.ts'
import { defaultHedgeBudget } from '../../src/proxy/forward/forward-policy.ts'
import type { UpstreamMode } from '../lab/fault-upstream.ts'
import { ForwardLab } from '../lab/forward-lab.ts'
import type { Answer } from '../lab/forward-lab.ts'
import { until } from '../lab/poll.ts'

/** Hedging, budgets, circuits and limits. */

const hedge = { afterMs: 60, budget: defaultHedgeBudget }
/** A deadline is called two ticks of the wheel late at most. */
const HEDGE_WITHIN_MS = hedge.afterMs + 20

function statuses(answers: readonly Answer[]): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

test('a replica that hangs costs a hedge and not a timeout, and is left after three of them', async () => {
  const clock = createSimulatedClock()
  await using lab = await ForwardLab.start({ policy: { hedge, firstByteMs: 5_000 }, clock })
  const sick = lab.upstream('b')
  await sick.become({ kind: 'hang' })
  const answers: Answer[] = []
  for (let round = 0; round < 12; round += 1) {
    const before = sick.requests.length
    const asked = lab.ask('/').then((answer) => answers.push(answer))
    await until(() => answers.length > round || sick.requests.length > before, { what: 'an answer, or a hang' })
    // Time passes only here: nobody who answers is ever late.
    if (answers.length === round) await clock.advance(HEDGE_WITHIN_MS)
    await asked
  }
  assert.deepEqual(statuses(answers), { 200: 12 })
  assert.equal(lab.access.filter(({ isHedged }) => isHedged).length, 3)
  assert.equal(lab.upstream('b').requests.length, 3)
  await until(() => lab.upstream('b').cancelled === 3, { what: 'the cancelling of the losers' })
})

test('a lead that is sent again, because its connection was stale, does not lose the hedge beside it', async () => {
  const clock = createSimulatedClock()
  const endpoint = (id: string) => ({ weight: id === 'b' ? 1 : 0 })
  await using lab = await ForwardLab.start({ policy: { hedge, firstByteMs: 5_000 }, endpoint, clock })
  const [beside, lead] = [lab.upstream('a'), lab.upstream('b')]
  assert.equal((await lab.ask('/')).headers['x-upstream'], 'b')
  let stale: Socket | undefined
  lead.nextModes.push({ kind: 'custom', answer: (socket) => (stale = socket) })
  await beside.become({ kind: 'hang' })
  const asked = lab.ask('/')
  await until(() => stale !== undefined, { what: 'the request on the kept connection' })
  await clock.advance(HEDGE_WITHIN_MS)
  await until(() => beside.requests.length === 1, { what: 'the hedge' })
  resetSocket(stale)
  const answer = await asked
  assert.deepEqual([answer.status, answer.headers['x-upstream']], [200, 'b'])
  await until(() => beside.cancelled === 1, { what: 'the cancelling of the hedge' })
  await lab.isQuiet()
})

test('a hedge is sent only for what may be sent twice, and within its budget', async () => {
  const budget = { share: 0, retriesMin: 1, windowMs: 60_000 }
  await using lab = await ForwardLab.start({ policy: { hedge: { afterMs: 60, budget }, firstByteMs: 150 } })
  for (const name of ['a', 'b']) await lab.upstream(name).become({ kind: 'hang' })
  assert.equal((await lab.ask('/', { method: 'POST', body: 'x' })).status, 504)
  assert.equal(lab.received, 1)
  await lab.ask('/')
  await lab.ask('/')
  assert.equal(lab.access.filter(({ isHedged }) => isHedged).length, 1)
})

const outages: readonly (readonly [string, UpstreamMode])[] = [
  ['reset', { kind: 'reset_before_response' }],
  ['503', { kind: 'status', status: 503 }],
]

for (const [name, mode] of outages) {
  test(`a total outage is not made worse: at most 1.2 times the requests arrive (${name})`, async () => {
    // Circuits that stay closed, so that nothing but the budget holds the retries back.
    const breaker = { ...defaultBreaker, failureThreshold: 1_000_000 }
    await using lab = await ForwardLab.start({ group: { breaker } })
    for (const upstream of lab.upstreams) await upstream.become(mode)
    const requests = 1_500
    const answers: Answer[] = []
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        for (let round = 0; round < requests / 10; round += 1) answers.push(await lab.ask('/'))
      }),
    )
    assert.ok(
      answers.every(({ status }) => status >= 502),
      JSON.stringify(statuses(answers)),
    )
    assert.ok(lab.received >= requests, `${lab.received} for ${requests}`)
    assert.ok(lab.received <= requests * 1.2, `${lab.received} for ${requests}`)
  })
}

test('a half-open circuit lets one request through at a time, and closes after three good ones', async () => {
  const breaker = { ...defaultBreaker, openMs: 150 }
  const clock = createSimulatedClock()
  const policy = { firstByteMs: 5_000 }
  await using lab = await ForwardLab.start({ upstreams: [{}], group: { breaker }, policy, clock })
  const upstream = lab.upstream('a')
  await upstream.become({ kind: 'status', status: 503 })
  for (let round = 0; round < 5; round += 1) await lab.ask('/', { method: 'POST' })
  const open = await lab.ask('/')
  assert.equal(open.status, 503)
  assert.equal(open.headers['content-type'], 'application/problem+json')
  assert.equal(open.headers['retry-after'], '1')
  assert.match(open.body.toString(), /no_endpoint_usable/)
  const before = upstream.requests.length
  let release: () => void = () => undefined
  upstream.nextModes.push({
    kind: 'custom',
    answer: (socket) => (release = () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')),
  })
  await clock.advance(breaker.openMs)
  assert.equal(lab.group.endpoints[0]?.breaker, 'half_open')
  const answers: Answer[] = []
  const asked = Array.from({ length: 50 }, () => lab.ask('/').then((answer) => answers.push(answer)))
  await until(() => answers.length === 49 && upstream.requests.length > before, { what: 'the refusals' })
  release()
  await Promise.all(asked)
  assert.deepEqual(statuses(answers), { 200: 1, 503: 49 })
  assert.equal(upstream.requests.length, before + 1)
  await upstream.become({ kind: 'ok' })
  for (const expected of ['half_open', 'closed']) {
    assert.equal((await lab.ask('/')).status, 200)
    assert.equal(lab.group.endpoints[0]?.breaker, expected)
  }
})

test('five failures among 4,000 successes open no circuit', async () => {
  await using lab = await ForwardLab.start({ upstreams: [{}] })
  const upstream = lab.upstream('a')
  for (let round = 0; round < 4_000; round += 1) {
    if (round % 800 === 400) upstream.nextModes.push({ kind: 'status', status: 503 })
    await lab.ask('/', { method: round % 800 === 400 ? 'POST' : 'GET' })
  }
  assert.equal(lab.access.filter(({ status }) => status === 503).length, 5)
  const [endpoint] = lab.group.endpoints
  assert.deepEqual([endpoint?.breaker, endpoint?.health], ['closed', 'healthy'])
})

test('an endpoint gets no more requests at once than it takes; the rest is refused with a time', async () => {
  await using lab = await ForwardLab.start({ endpoint: () => ({ maxConcurrency: 2 }), policy: { firstByteMs: 60_000 } })
  const releases: (() => void)[] = []
  const mode: UpstreamMode = {
    kind: 'custom',
    answer: (socket) => releases.push(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')),
  }
  for (const upstream of lab.upstreams) await upstream.become(mode)
  const answers: Answer[] = []
  const asked = Array.from({ length: 6 }, () => lab.ask('/').then((answer) => answers.push(answer)))
  await until(() => answers.length === 2 && releases.length === 4, { what: 'the refusals', evidence: () => answers })
  for (const release of releases) release()
  await Promise.all(asked)
  assert.deepEqual(statuses(answers), { 200: 4, 503: 2 })
  const refused = answers.find(({ status }) => status === 503)
  assert.match(refused?.body.toString() ?? '', /endpoints_busy/)
  assert.equal(refused?.headers['retry-after'], '1')
})

test('when every way out is closed the status says why', async () => {
  await using lab = await ForwardLab.start({ policy: { firstByteMs: 1_000 }, clock: createSimulatedClock() })
  const expected: readonly (readonly [UpstreamMode, number, RegExp])[] = [
    [{ kind: 'refuse' }, 502, /endpoint_unreachable/],
    [{ kind: 'reset_before_response' }, 502, /endpoint_broken/],
    [{ kind: 'bad_chunk' }, 502, /endpoint_broken/],
    [{ kind: 'hang' }, 504, /endpoint_timeout/],
    [{ kind: 'status', status: 503 }, 503, /^unwell$/],
  ]
  for (const [mode, status, body] of expected) {
    for (const upstream of lab.upstreams) {
      await upstream.become(mode)
      lab.group.dispatch({ kind: 'failures_reset', id: lab.group.endpoints[0]?.endpoint.id as never })
      lab.group.dispatch({ kind: 'failures_reset', id: lab.group.endpoints[1]?.endpoint.id as never })
    }
    const answer = await lab.asTimePasses(lab.ask('/', { method: 'POST', headers: { 'Idempotency-Key': '1' } }))
    assert.equal(answer.status, status, mode.kind)
    assert.match(answer.body.toString(), body)
    assert.doesNotMatch(answer.body.toString(), /127\.0\.0\.1|ECONN/)
  }
})

test('an edit of the list drops no request and keeps what is known of those that stay', async () => {
  await using lab = await ForwardLab.start()
  await lab.upstream('b').become({ kind: 'refuse' })
  for (let round = 0; round < 8; round += 1) assert.equal((await lab.ask('/')).status, 200)
  await lab.upstream('a').become({ kind: 'drip', bytes: 256, everyMs: 40 })
  const underWay = lab.ask('/')
  await until(() => lab.upstream('a').requests.length > 8, { what: 'the request' })
  const known = lab.group.endpoints.map(({ endpoint }) => endpoint)
  lab.group.setEndpoints(known.map((endpoint) => ({ ...endpoint, weight: 5 })))
  assert.deepEqual(
    lab.group.endpoints.map(({ health }) => health),
    ['healthy', 'unhealthy'],
  )
  lab.group.setEndpoints(known.filter(({ id }) => id === 'b'))
  assert.equal((await underWay).status, 200)
})
