import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serviceDefaults } from '../../failover/group.ts'
import type { GroupEffect, GroupPolicy } from '../../failover/group.ts'
import { seededRandom } from '../../lib/random.ts'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import { TimerWheel } from '../wire/timer-wheel.ts'
import { endpointAddress } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { EndpointGroup } from './endpoint-group.ts'
import type { EndpointGroupOptions, PickedEndpoint } from './endpoint-group.ts'
import { LatencyWindow } from './latency-window.ts'

const policy: GroupPolicy = { ...serviceDefaults, selection: { kind: 'priority_weighted' } }

function endpoint(id: string, more: Partial<Endpoint> = {}): Endpoint {
  return { id, url: `http://${id}.example`, priority: 0, weight: 1, enabled: true, drain: false, ...more }
}

function groupOf(endpoints: readonly Endpoint[], more: Partial<EndpointGroupOptions> = {}) {
  const clock = createSimulatedClock()
  const effects: GroupEffect[] = []
  const group = new EndpointGroup({
    ...{ endpoints, policy, clock, random: seededRandom(1), wheel: new TimerWheel(clock) },
    onEffect: (effect) => effects.push(effect),
    onFault: (error) => assert.fail(String(error)),
    ...more,
  })
  const take = (): PickedEndpoint => {
    const picked = group.pick({})
    if (typeof picked === 'string') assert.fail(picked)
    return picked
  }
  return { clock, effects, group, take }
}

test('an endpoint’s URL says where it is, and what goes before a path', () => {
  const at = (url: string) => endpointAddress(endpoint('x', { url }))
  assert.deepEqual(at('http://a.example/api/'), {
    origin: { host: 'a.example', port: 80 },
    basePath: '/api',
    authority: 'a.example',
  })
  assert.deepEqual(at('https://[::1]:8443').origin, { host: '::1', port: 8443, tls: {} })
  assert.equal(at('https://[::1]:8443').authority, '[::1]:8443')
  for (const url of ['ftp://a.example', 'a.example', 'http://', '']) {
    assert.throws(() => at(url), /endpoint "x": the URL is not an http or https URL with a host/)
  }
})

test('a disabled endpoint gets nothing, a draining one only what nobody else can take', () => {
  const { group, take } = groupOf([endpoint('a', { drain: true }), endpoint('b'), endpoint('c', { enabled: false })])
  for (let round = 0; round < 4; round += 1) assert.equal(take().endpoint.id, 'b')
  group.setEndpoints([endpoint('a', { drain: true }), endpoint('c', { enabled: false })])
  assert.equal(take().endpoint.id, 'a')
  group.setEndpoints([endpoint('c', { enabled: false })])
  assert.equal(group.pick({}), 'no_candidates')
})

test('a list that cannot be used changes nothing', () => {
  const { group, take } = groupOf([endpoint('a')])
  assert.throws(() => group.setEndpoints([endpoint('b'), endpoint('b')]), /listed twice/)
  assert.throws(() => group.setEndpoints([endpoint('b', { url: 'nowhere' })]), /not an http or https URL/)
  assert.equal(take().endpoint.id, 'a')
})

test('failures make an endpoint unhealthy, the prober is told, and its answers bring it back slowly', () => {
  const probing = new Map<string, number>()
  const prober = {
    start: ({ id }: Endpoint, intervalMs: number) => void probing.set(id, intervalMs),
    stop: (id: string) => void probing.delete(id),
  }
  const { group, take, effects } = groupOf([endpoint('a', { priority: 1 }), endpoint('b')], { prober })
  for (let failure = 0; failure < 3; failure += 1) group.failed(take(), 'refused')
  assert.deepEqual([...probing], [['a', 5_000]])
  assert.equal(take().endpoint.id, 'b')
  assert.ok(effects.some((effect) => effect.kind === 'health_changed' && effect.to === 'unhealthy'))
  group.probed('a', { ok: true })
  group.probed('a', { ok: true })
  assert.equal(group.endpoints[0]?.health, 'healthy')
  assert.equal(take().endpoint.id, 'a')
})

test('what is known survives a restart, and a changed address does not lose it', () => {
  const { group, take, clock } = groupOf([endpoint('a'), endpoint('b')])
  for (let failure = 0; failure < 3; failure += 1) {
    const picked = take()
    if (picked.endpoint.id === 'a') group.failed(picked, 'refused')
    else group.succeeded(picked)
  }
  const memory = JSON.parse(JSON.stringify(group.memory)) as typeof group.memory
  const next = groupOf([endpoint('a', { url: 'http://elsewhere.example' }), endpoint('b')], { memory, clock })
  const failuresOf = (from: EndpointGroup) => from.endpoints.map(({ failures }) => failures)
  assert.deepEqual(failuresOf(next.group), failuresOf(group))
  assert.ok(next.group.endpoints.every(({ inFlight }) => inFlight === 0))
})

test('requests in flight are counted until they are reported, whatever the report', () => {
  const { group, take } = groupOf([endpoint('a')])
  const [one, two, three] = [take(), take(), take()]
  assert.equal(group.endpoints[0]?.inFlight, 3)
  group.succeeded(one)
  group.failed(two, 'reset')
  group.abandoned(three)
  assert.equal(group.endpoints[0]?.inFlight, 0)
})

test('the time to ask again is that of the first circuit', async () => {
  const { group, take, clock } = groupOf([endpoint('a')])
  for (let failure = 0; failure < 5; failure += 1) group.failed(take(), 'refused')
  assert.equal(group.pick({}), 'none_usable')
  assert.equal(group.retryAfterSeconds, 30)
  await clock.advance(20_500)
  assert.equal(group.retryAfterSeconds, 10)
})

test('nothing is left behind when a group ends', () => {
  const { group, clock, take } = groupOf([endpoint('a', { priority: 1 }), endpoint('b')])
  group.succeeded(take())
  group[Symbol.dispose]()
  assert.equal(clock.pending, 0)
})

test('the 95th percentile is known after some answers, and follows them', () => {
  const window = new LatencyWindow()
  for (let ms = 1; ms < 32; ms += 1) window.add(ms)
  assert.equal(window.p95Ms, undefined)
  window.add(32)
  assert.equal(window.p95Ms, 31)
  for (let count = 0; count < 256; count += 1) window.add(500)
  assert.equal(window.p95Ms, 500)
})

for (const cap of [1, 3]) {
  test(`of 50 requests at once a half-open circuit lets ${cap} through, and as many again for each that has ended`, async () => {
    const halfOpen: GroupPolicy = {
      ...policy,
      breaker: { ...policy.breaker, halfOpenProbesMax: cap, halfOpenSuccesses: 4 },
    }
    const { clock, group, take } = groupOf([endpoint('a')], { policy: halfOpen })
    const pickFifty = () =>
      Array.from({ length: 50 }, () => group.pick({})).filter((picked) => typeof picked !== 'string')
    const under = Array.from({ length: halfOpen.breaker.failureThreshold }, () => take())
    for (const picked of under) group.failed(picked, 'refused')
    assert.equal(pickFifty().length, 0)
    await clock.advance(halfOpen.breaker.openMs)
    const trials = pickFifty()
    assert.equal(trials.length, cap)
    const [first] = trials
    if (first === undefined) assert.fail('no trial')
    group.succeeded(first)
    assert.equal(pickFifty().length, 1)
    // A client that leaves says nothing about the endpoint, but makes room.
    for (const trial of trials.slice(1)) group.abandoned(trial)
    assert.equal(pickFifty().length, cap - 1)
    assert.equal(group.endpoints[0]?.breaker, 'half_open')
  })
}
