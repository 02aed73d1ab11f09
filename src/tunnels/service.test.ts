import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Caller } from '../http/access.ts'
import { HoldfastError } from '../lib/errors.ts'
import type { ErrorCode } from '../lib/errors.ts'
import { TunnelShares } from './shares.ts'
import { ADMIN, ALICE, BOB, chosen, endpointAt, fail, idAt, succeed, TunnelLab } from './tunnel-lab.fixture.ts'
import type { EndpointInput } from './tunnel-changes.ts'

const PUBLIC_URL = 'http://203.0.113.7/'
const NOWHERE = '00000000-0000-4000-8000-000000000000'

function hasCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof HoldfastError && error.code === code
}

function endpoint(url: string): EndpointInput {
  return { url, priority: 0, weight: 1 }
}

test('a tunnel is its owner’s: others do not learn that it exists, admins see it', async () => {
  await using lab = await TunnelLab.open()
  const { id } = (await lab.service.create(ALICE, { name: 'one' })).tunnel
  assert.throws(() => lab.service.get(id, BOB, 'read'), hasCode('tunnel_not_found'))
  assert.equal(lab.service.get(id.toUpperCase(), ALICE, 'admin').tunnel.owner, 'alice')
  assert.equal(lab.service.get(id, ADMIN, 'admin').tunnel.name, 'one')
  const namesOf = (caller: Caller) => lab.service.list(caller).map(({ tunnel }) => tunnel.name)
  assert.deepEqual([namesOf(ALICE), namesOf(BOB), namesOf(ADMIN)], [['one'], [], ['one']])
})

test('names are unique among those of one owner, also when two ask at once', async () => {
  await using lab = await TunnelLab.open()
  const asked = await Promise.allSettled([1, 2].map(async () => lab.service.create(ALICE, { name: 'one' })))
  assert.deepEqual(asked.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
  await lab.service.create(BOB, { name: 'one' })
  const { id } = (await lab.service.create(ALICE, { name: 'two' })).tunnel
  await assert.rejects(lab.service.update(id, ALICE, { name: 'one' }), hasCode('tunnel_exists'))
  await lab.service.update(id, ALICE, { name: 'two' })
})

test('there are no more tunnels than the limit, nor than one user may have', async () => {
  await using lab = await TunnelLab.open()
  for (let index = 0; index < 100; index += 1) await lab.service.create(ALICE, { name: `t${index}` })
  await assert.rejects(lab.service.create(ALICE, { name: 'one more' }), hasCode('quota_exceeded'))
  for (let index = 0; index < 20; index += 1) await lab.service.create(BOB, { name: `t${index}` })
  await assert.rejects(lab.service.create(ADMIN, { name: 'one more' }), hasCode('quota_exceeded'))
})

test('a share gives what it says and no more, until it ends', async () => {
  await using lab = await TunnelLab.open()
  const shares = new TunnelShares(lab.service, lab.clock)
  const { id } = (await lab.service.create(ALICE, { name: 'one' })).tunnel
  const expiresWallMs = lab.clock.wallMs() + 10_000
  const share = await shares.add(id, ALICE, { sharedWith: 'bob', permission: 'read', expiresWallMs })
  assert.equal(lab.service.get(id, BOB, 'read').tunnel.id, id)
  assert.throws(() => lab.service.get(id, BOB, 'write'), hasCode('forbidden'))
  await assert.rejects(
    shares.add(id, BOB, { sharedWith: 'eve', permission: 'read', expiresWallMs: null }),
    hasCode('forbidden'),
  )
  await shares.setPermission(id, ALICE, share.id, 'write')
  await lab.service.setConfig(id, BOB, { timeout: 5_000 }, 'present')
  await assert.rejects(lab.service.remove(id, BOB), hasCode('forbidden'))
  assert.deepEqual(
    lab.service.sharedWith(BOB).map(({ tunnel }) => tunnel.id),
    [id],
  )
  assert.deepEqual(lab.service.sharedWith(ADMIN), [])
  await lab.clock.advance(10_000)
  assert.throws(() => lab.service.get(id, BOB, 'read'), hasCode('tunnel_not_found'))
})

test('a share that is withdrawn gives nothing, and withdrawing it twice is an error', async () => {
  await using lab = await TunnelLab.open()
  const shares = new TunnelShares(lab.service, lab.clock)
  const { id } = (await lab.service.create(ALICE, { name: 'one' })).tunnel
  await shares.add(id, ALICE, { sharedWith: 'bob', permission: 'admin', expiresWallMs: null })
  await shares.add(id, ALICE, { sharedWith: 'bob', permission: 'read', expiresWallMs: null })
  assert.equal(shares.list(id, ALICE).length, 1, 'the same user again changes the share')
  await shares.remove(id, ALICE, 'bob')
  assert.throws(() => lab.service.get(id, BOB, 'read'), hasCode('tunnel_not_found'))
  await assert.rejects(shares.remove(id, ALICE, 'bob'), hasCode('share_not_found'))
})

test('traffic takes a caller who may use the tunnel, unless it is public', async () => {
  await using lab = await TunnelLab.open()
  const { id } = (await lab.service.create(ALICE, { name: 'one' })).tunnel
  assert.throws(() => lab.service.authorise(id, undefined), hasCode('unauthorized'))
  assert.throws(() => lab.service.authorise(NOWHERE, undefined), hasCode('unauthorized'), 'ids cannot be probed')
  assert.throws(() => lab.service.authorise(NOWHERE, ALICE), hasCode('tunnel_not_found'))
  assert.throws(() => lab.service.authorise(id, BOB), hasCode('tunnel_not_found'))
  assert.equal(lab.service.authorise(id, ALICE, 'POST').id, id)
  const reader: Caller = { owner: 'alice', role: 'viewer' }
  assert.equal(lab.service.authorise(id, reader, 'GET').id, id)
  assert.throws(() => lab.service.authorise(id, reader, 'POST'), hasCode('forbidden'))
  await lab.service.update(id, ALICE, { isPublic: true })
  assert.equal(lab.service.authorise(id, undefined, 'POST').id, id)
  await lab.service.setRunning(id, ALICE, false)
  assert.throws(() => lab.service.authorise(id, undefined), hasCode('tunnel_not_running'))
})

test('only admins name private addresses; an edit by others keeps what an admin named', async () => {
  await using lab = await TunnelLab.open()
  for (const url of [
    'http://127.0.0.1/',
    'http://[::1]:80/',
    'http://10.0.0.1:8000/',
    'http://localhost/',
    'http://169.254.169.254/',
  ]) {
    const asked = lab.service.create(ALICE, { name: 'one', endpoints: [endpoint(url)] })
    await assert.rejects(asked, hasCode('endpoint_address_forbidden'), url)
  }
  const { id, endpoints } = (await lab.service.create(ALICE, { name: 'one', endpoints: [endpoint(PUBLIC_URL)] })).tunnel
  assert.equal(endpoints[0]?.namedByAdmin, false)
  const inside = endpoint('http://10.0.0.1:8000/')
  await assert.rejects(lab.service.update(id, ALICE, { endpoints: [inside] }), hasCode('endpoint_address_forbidden'))
  await lab.service.update(id, ADMIN, { endpoints: [inside] })
  const live = await lab.service.update(id, ALICE, { endpoints: [{ ...inside, weight: 5 }, endpoint(PUBLIC_URL)] })
  assert.deepEqual(
    live.tunnel.endpoints.map(({ namedByAdmin }) => namedByAdmin),
    [true, false],
  )
  const moved = [{ ...inside, id: idAt(live, 0), url: 'http://10.0.0.2:8000/' }]
  await assert.rejects(lab.service.update(id, ALICE, { endpoints: moved }), hasCode('endpoint_address_forbidden'))
})

test('an edit that is refused changes nothing', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(2)
  const before = live.tunnel
  const twice = [endpoint('http://a.example/'), endpoint('http://a.example')]
  await assert.rejects(lab.service.update(before.id, ADMIN, { endpoints: twice }), hasCode('invalid_request'))
  const unknown = [{ ...endpoint('http://x.example/'), id: NOWHERE }]
  await assert.rejects(lab.service.update(before.id, ADMIN, { endpoints: unknown }), hasCode('endpoint_not_found'))
  lab.isStoreFailing = true
  await assert.rejects(lab.service.update(before.id, ADMIN, { endpoints: [] }), hasCode('store_unavailable'))
  await assert.rejects(lab.service.remove(before.id, ADMIN), hasCode('store_unavailable'))
  assert.equal(live.tunnel, before)
  assert.equal(chosen(live), '0')
})

test('changes that come at once all take effect', async () => {
  await using lab = await TunnelLab.open()
  const { id } = (await lab.tunnel(1)).tunnel
  await Promise.all([
    lab.service.setConfig(id, ADMIN, { timeout: 5_000 }, 'present'),
    lab.service.setConfig(id, ADMIN, { maxConnections: 7 }, 'present'),
    lab.service.update(id, ADMIN, { name: 'renamed' }),
  ])
  const { config, name } = lab.service.get(id, ADMIN, 'read').tunnel
  assert.deepEqual([config.timeout, config.maxConnections, name], [5_000, 7, 'renamed'])
  await lab.service.setConfig(id, ADMIN, {}, 'default')
  assert.equal(lab.service.get(id, ADMIN, 'read').tunnel.config.timeout, 30_000)
})

test('a change that changes nothing is not told', async () => {
  await using lab = await TunnelLab.open()
  const { id, name } = (await lab.tunnel(1)).tunnel
  await lab.service.update(id, ADMIN, { name })
  assert.equal(lab.ofType('tunnel_updated').length, 0)
})

test('everything configured and known is back after kill -9', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel([{ weight: 0 }, { priority: 3 }, {}])
  const shares = new TunnelShares(lab.service, lab.clock)
  await shares.add(live.tunnel.id, ADMIN, { sharedWith: 'bob', permission: 'write', expiresWallMs: null })
  await lab.service.setRunning(live.tunnel.id, ADMIN, true)
  succeed(live, 2)
  fail(live, 1, 3)
  await live.saved()
  const before = live.snapshot()
  lab.events.length = 0
  await lab.killAndRestart(1_000)
  const after = lab.service.get(live.tunnel.id, BOB, 'write').snapshot()
  assert.deepEqual(after.tunnel, before.tunnel)
  assert.equal(after.status, before.status)
  assert.deepEqual(
    after.endpoints.map(({ health, failureCount, lastFailureWallMs }) => [health, failureCount, lastFailureWallMs]),
    before.endpoints.map(({ health, failureCount, lastFailureWallMs }) => [health, failureCount, lastFailureWallMs]),
  )
  assert.equal(after.metrics.requestCount, 4)
  assert.deepEqual(lab.events, [], 'coming back is no change')
})

test('counters are kept while nothing else happens, and say what requests came to', async () => {
  await using lab = await TunnelLab.open()
  const live = await lab.tunnel(1)
  succeed(live, 0)
  await lab.clock.advance(2_000)
  for (const latencyMs of [10, 20, 60]) live.report(idAt(live, 0), { kind: 'succeeded', latencyMs })
  live.report(idAt(live, 0), { kind: 'abandoned' })
  await lab.clock.advance(10_000)
  await lab.killAndRestart()
  const { metrics } = lab.service.get(live.tunnel.id, ADMIN, 'read').snapshot()
  const { requestCount, successCount, errorCount, successRate, averageLatency, minLatency, maxLatency } = metrics
  assert.deepEqual([requestCount, successCount, errorCount, successRate], [4, 4, 0, 100])
  assert.deepEqual([averageLatency, minLatency, maxLatency], [30, 10, 60])
})

test('a stored tunnel that cannot be read is left where it is, and the others come back', async () => {
  await using lab = await TunnelLab.open()
  const { id } = (await lab.tunnel(1)).tunnel
  await lab.store.put('tunnels', NOWHERE, { id: NOWHERE, owner: 7 })
  await lab.store.put('tunnel_state', id, { group: 'nonsense' })
  await lab.killAndRestart()
  assert.deepEqual(
    lab.service.list(ADMIN).map(({ tunnel }) => tunnel.id),
    [id],
  )
  assert.equal(endpointAt(lab.service.get(id, ADMIN, 'read'), 0).health, 'unknown')
  assert.notEqual(await lab.store.get('tunnels', NOWHERE), undefined)
})

test('the activity is read in pages, newest first', async () => {
  await using lab = await TunnelLab.open()
  const { id } = (await lab.tunnel(0)).tunnel
  for (let index = 0; index < 5; index += 1)
    await lab.service.setConfig(
      id,
      { ...ALICE, role: 'admin', ip: '203.0.113.9' },
      { timeout: 1_000 + index },
      'present',
    )
  await lab.clock.settle()
  const page = await lab.service.activity.list(id, { limit: 2, offset: 4 })
  assert.deepEqual(
    page.map(({ action, owner, ip }) => [action, owner, ip]),
    [
      ['config_update', 'alice', '203.0.113.9'],
      ['create', 'admin', null],
    ],
  )
  assert.deepEqual(await lab.service.activity.list(id, { limit: 2, offset: 6 }), [])
})
