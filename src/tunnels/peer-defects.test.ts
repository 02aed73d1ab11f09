import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId } from '../failover/group.ts'
import { ADMIN, chosen, endpointAt, fail, idAt, PROBE_MS, succeed, TunnelLab } from './tunnel-lab.fixture.ts'

/** Each is something that the original does wrong, and what is right. The routes have theirs in api/tunnel-api.test.ts. */

test('automatic failover needs nobody who asks again: reports of requests alone move them', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(2)
  for (let request = 0; request < 3; request += 1) {
    const given = live.choose({})
    assert.ok(typeof given !== 'string')
    const { endpointId, generation } = given
    assert.equal(endpointId, idAt(live, 0))
    live.attempted(endpointId, { kind: 'failed', reason: 'refused', generation })
  }
  assert.equal(chosen(live), '1')
})

test('a request that failed on one endpoint is given another one', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(2)
  const [first, second] = [candidateId(idAt(live, 0)), candidateId(idAt(live, 1))]
  const given = live.choose({ exclude: [first] })
  assert.equal(typeof given === 'string' ? given : given.endpointId, second)
  assert.equal(live.choose({ exclude: [first, second] }), 'all_excluded')
})

test('unknown counts as usable: weights hold before anything is known', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel([{ weight: 1 }, { weight: 3 }])
  assert.equal(endpointAt(live, 0).health, 'unknown')
  const places = chosen(live, 40)
  assert.equal(places.replaceAll('0', '').length, 30)
})

test('unknown counts as usable: a tripped endpoint of the highest priority is left for one that is unknown', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(2)
  fail(live, 0, 3)
  assert.equal(chosen(live, 3), '111')
})

test('the highest priority is used when none is healthy', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(3)
  for (const place of [0, 1, 2]) fail(live, place, 3)
  assert.equal(chosen(live, 3), '000')
  assert.equal(live.snapshot().status, 'created')
})

test('manual failover pins: requests go there whatever its health and whatever fails', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(2)
  live.pin(idAt(live, 1), undefined, 'alice')
  assert.equal(chosen(live, 3), '111')
  fail(live, 1, 5)
  assert.equal(chosen(live, 3), '111')
  assert.deepEqual(live.snapshot().pin, { endpointId: idAt(live, 1), untilWallMs: null, by: 'alice' })
  const [receipt] = lab.ofType('tunnel.failover')
  assert.equal(receipt?.['cause'], 'pin')
  assert.equal(receipt['by'], 'alice')
})

test('a pin with a time to live ends by itself, and the failover away from it is told', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(2)
  lab.down.add('http://b.example/')
  succeed(live, 0)
  live.pin(idAt(live, 1), 10_000, 'alice')
  fail(live, 1, 3)
  await lab.clock.advance(9_999)
  assert.equal(chosen(live), '1')
  await lab.clock.advance(1)
  assert.equal(chosen(live), '0')
  assert.equal(live.snapshot().pin, null)
  assert.equal(live.snapshot().activeEndpointId, idAt(live, 0))
  assert.equal(lab.ofType('tunnel.failover').at(-1)?.['reason'], 'unpinned')
})

test('a pin that is released gives the choice back', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(2)
  live.pin(idAt(live, 1), undefined, 'alice')
  fail(live, 1, 3)
  live.unpin()
  assert.equal(chosen(live, 2), '00')
  assert.equal(live.snapshot().activeEndpointId, idAt(live, 0))
})

test('a pin survives kill -9, with the time that it has left', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(2)
  live.pin(idAt(live, 1), 60_000, 'alice')
  await live.saved()
  await lab.killAndRestart(20_000)
  const again = lab.service.get(live.tunnel.id, ADMIN, 'read')
  assert.equal(chosen(again, 2), '11')
  await lab.clock.advance(40_000)
  assert.equal(chosen(again, 2), '00')
})

test('reset really returns an endpoint: it takes requests at once and can trip again', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(2)
  succeed(live, 1)
  fail(live, 0, 3)
  assert.equal(chosen(live), '1')
  live.reset(idAt(live, 0))
  assert.equal(chosen(live, 2), '00')
  assert.equal(endpointAt(live, 0).health, 'healthy')
  await lab.clock.settle()
  assert.equal(live.snapshot().activeEndpointId, idAt(live, 0), 'a check has shown it to be well')
  fail(live, 0, 3)
  assert.equal(chosen(live), '1')
})

test('recovery resumes after a restart: an endpoint that was down is found to be up', async () => {
  await using lab = await TunnelLab.open()
  lab.down.add('http://a.example/')
  const live = await lab.tunnel(2)
  fail(live, 0, 3)
  await live.saved()
  await lab.killAndRestart(5_000)
  const again = lab.service.get(live.tunnel.id, ADMIN, 'read')
  assert.equal(endpointAt(again, 0).health, 'unhealthy')
  assert.equal(endpointAt(again, 0).failureCount, 3)
  assert.equal(endpointAt(again, 0).isRecovering, true)
  lab.down.clear()
  await lab.clock.advance(PROBE_MS)
  assert.equal(endpointAt(again, 0).health, 'healthy')
  assert.equal(chosen(again, 2), '00')
})

for (const [how, recover] of [
  ['a check', async (lab: TunnelLab) => lab.clock.advance(1.2 * PROBE_MS)],
  ['a success', async (_lab: TunnelLab, succeeded: () => void) => succeeded()],
  ['a reset', async (_lab: TunnelLab, _succeeded: () => void, reset: () => void) => reset()],
] as const) {
  test(`no latch sticks: after ${how} three failures trip it again, time after time`, async () => {
    await using lab = await TunnelLab.open()
    const live = await lab.tunnel(2)
    for (let round = 0; round < 4; round += 1) {
      fail(live, 0, 3)
      assert.equal(endpointAt(live, 0).health, 'unhealthy', `round ${round}`)
      await recover(
        lab,
        () => succeed(live, 0),
        () => live.reset(idAt(live, 0)),
      )
      assert.equal(endpointAt(live, 0).health, 'healthy', `round ${round}`)
      assert.equal(chosen(live), '0', `round ${round}`)
    }
  })
}

test('no latch sticks: asking for an endpoint and never reporting takes no place for good', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(2)
  fail(live, 0, 6)
  fail(live, 1, 6)
  await lab.clock.advance(1.2 * PROBE_MS)
  assert.equal(chosen(live, 50), '0'.repeat(50))
})

test('one writer of health: failures of requests and of checks add up in one count', async () => {
  await using lab = await TunnelLab.open()
  lab.down.add('http://a.example/')
  const live = await lab.tunnel(2)
  await lab.clock.advance(1_000)
  assert.deepEqual(lab.probed.filter((url) => url === 'http://a.example/').length, 1)
  assert.equal(endpointAt(live, 0).failureCount, 1, 'one bad check does not trip it')
  fail(live, 0, 1)
  assert.notEqual(endpointAt(live, 0).health, 'unhealthy')
  fail(live, 0, 1)
  assert.equal(endpointAt(live, 0).health, 'unhealthy')
})

test('a store that fails changes nothing of what is true, and gets it later', async () => {
  await using lab = await TunnelLab.open()
  lab.down.add('http://a.example/')
  const live = await lab.tunnel(2)
  lab.isStoreFailing = true
  fail(live, 0, 3)
  await live.saved()
  assert.equal(chosen(live), '1')
  lab.isStoreFailing = false
  await lab.clock.advance(1_000)
  await lab.killAndRestart()
  assert.equal(endpointAt(lab.service.get(live.tunnel.id, ADMIN, 'read'), 0).health, 'unhealthy')
})

test('concurrent failures make one transition', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(2)
  const requests = Array.from({ length: 6 }, () => live.choose({}))
  await Promise.all(
    requests.map(async (given) => {
      assert.ok(typeof given !== 'string')
      await lab.clock.settle()
      live.report(given.endpointId, { kind: 'failed', reason: 'reset', generation: given.generation })
    }),
  )
  const turned = lab.ofType('tunnel.endpoint_health_changed').filter((data) => data['to'] === 'unhealthy')
  assert.equal(turned.length, 1)
  assert.equal(lab.ofType('tunnel.failover').length, 1)
})

test('weight 0 drains: it gets nothing while anything else is usable, and is better than one that is down', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel([{ weight: 0 }, { weight: 1 }])
  assert.equal(chosen(live, 20), '1'.repeat(20))
  fail(live, 1, 3)
  assert.equal(chosen(live, 3), '000')
})

test('bounded memory: failures of endpoints that nobody has leave nothing behind', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(1)
  await lab.clock.advance(2_000)
  const timers = lab.clock.pending
  const size = JSON.stringify(live.snapshot()).length
  for (let index = 0; index < 1_000; index += 1) {
    const endpointId = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`
    live.report(endpointId, { kind: 'failed', reason: 'refused' })
    live.attempted(endpointId, { kind: 'failed', reason: 'refused' })
  }
  assert.equal(lab.clock.pending, timers)
  assert.equal(JSON.stringify(live.snapshot()).length, size)
})

test('an edit keeps the id and the health of endpoints whose URL stays', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(3)
  const ids = [0, 1, 2].map((place) => idAt(live, place))
  fail(live, 0, 3)
  await lab.service.update(live.tunnel.id, ADMIN, {
    endpoints: [
      { url: 'http://new.example/', priority: 1, weight: 1 },
      { url: 'http://a.example/', priority: 5, weight: 2 },
      { id: ids[1], url: 'http://moved.example/', priority: 1, weight: 1 },
    ],
  })
  const after = live.snapshot().endpoints
  assert.deepEqual(
    after.slice(1).map(({ endpoint }) => endpoint.id),
    [ids[0], ids[1]],
  )
  assert.equal(after[1]?.health, 'unhealthy')
  assert.equal(after[1].isRecovering, true)
  assert.equal(live.endpoint(ids[2] ?? ''), undefined)
  await lab.clock.advance(1.2 * PROBE_MS)
  assert.equal(endpointAt(live, 1).health, 'healthy', 'its checks went on')
  assert.equal(lab.probed.includes('http://c.example/'), false, 'those of the removed one did not')
})

test('an endpoint that fails every other time is caught, which a counter alone never does', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(2)
  for (let times = 0; times < 10; times += 1) {
    fail(live, 0)
    if (endpointAt(live, 0).health === 'unhealthy') break
    succeed(live, 0)
  }
  assert.equal(endpointAt(live, 0).health, 'unhealthy')
})

test('history: a failover leaves a receipt with its evidence in the journal and in the activity', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(2)
  fail(live, 0, 2)
  live.report(idAt(live, 0), { kind: 'failed', reason: 'http_status', evidence: { status: 503 } })
  const [receipt] = lab.ofType('tunnel.failover')
  assert.deepEqual(receipt, {
    ...{ tunnel_id: live.tunnel.id, name: live.tunnel.name, owner: 'admin' },
    from: { endpoint_id: idAt(live, 0), url: 'http://a.example/' },
    to: { endpoint_id: idAt(live, 1), url: 'http://b.example/' },
    ...{ cause: 'failover', reason: 'http_status', by: null, evidence: { status: 503 }, attempt: 1, epoch: 2 },
  })
  await lab.clock.settle()
  const actions = (await lab.service.activity.list(live.tunnel.id, { limit: 10, offset: 0 })).map((one) => one.action)
  assert.deepEqual(actions, ['failover', 'create'])
})

test('start and stop change the status, and a stopped tunnel checks nothing', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(2)
  assert.equal(live.snapshot().status, 'created')
  await lab.service.setRunning(live.tunnel.id, ADMIN, true)
  assert.equal(live.snapshot().status, 'connecting')
  await lab.clock.advance(1_000)
  assert.equal(live.snapshot().status, 'connected')
  fail(live, 0, 3)
  fail(live, 1, 3)
  assert.equal(live.snapshot().status, 'error')
  await lab.service.setRunning(live.tunnel.id, ADMIN, false)
  assert.equal(live.snapshot().status, 'disconnected')
  const checks = lab.probed.length
  await lab.clock.advance(3 * PROBE_MS)
  assert.equal(lab.probed.length, checks)
  await lab.service.setRunning(live.tunnel.id, ADMIN, true)
  await lab.clock.advance(1.2 * PROBE_MS)
  assert.equal(live.snapshot().status, 'connected')
  assert.deepEqual(
    lab.ofType('tunnel.status_changed').map(({ from, to }) => JSON.stringify([from, to])),
    [
      '["created","connecting"]',
      '["connecting","connected"]',
      '["connected","error"]',
      '["error","disconnected"]',
      '["disconnected","error"]',
      '["error","connected"]',
    ],
  )
})

test('delete works, and nothing of the tunnel comes back after a restart', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(2)
  fail(live, 0, 3)
  await lab.service.remove(live.tunnel.id, ADMIN)
  assert.equal(lab.ofType('tunnel_deleted').length, 1)
  await lab.clock.advance(3 * PROBE_MS)
  assert.deepEqual(lab.probed, [])
  await lab.killAndRestart()
  assert.deepEqual(lab.service.list(ADMIN), [])
  assert.deepEqual(await lab.store.list('tunnel_state'), [])
})
