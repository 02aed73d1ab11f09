import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { chosen, endpointAt, fail, idAt, PROBE_MS, succeed, TunnelLab } from './tunnel-lab.fixture.ts'

/** The 13 checks of the tunnel failover that this API comes from, under their names, the last of which failed there. */

describe('Failure Tracking', () => {
  test('records an endpoint failure', async () => {
    await using lab = await TunnelLab.open()
    const live = await lab.tunnel(2)
    fail(live, 0)
    const { failureCount, lastFailureWallMs, health } = endpointAt(live, 0)
    assert.equal(failureCount, 1)
    assert.equal(lastFailureWallMs, lab.clock.wallMs())
    assert.notEqual(health, 'unhealthy')
  })

  test('tracks several failures', async () => {
    await using lab = await TunnelLab.open()
    const live = await lab.tunnel(2)
    fail(live, 0, 2)
    assert.equal(endpointAt(live, 0).failureCount, 2)
  })

  test('a success decrements the failure count', async () => {
    await using lab = await TunnelLab.open()
    const live = await lab.tunnel(2)
    fail(live, 0)
    assert.equal(endpointAt(live, 0).failureCount, 1)
    succeed(live, 0)
    assert.equal(endpointAt(live, 0).failureCount, 0)
  })

  test('a success of an endpoint that was never seen makes no state', async () => {
    await using lab = await TunnelLab.open()
    const live = await lab.tunnel(1)
    live.report('00000000-0000-4000-8000-000000000000', { kind: 'succeeded' })
    assert.equal(live.endpoint('00000000-0000-4000-8000-000000000000'), undefined)
    assert.equal(live.snapshot().endpoints.length, 1)
    assert.equal(live.snapshot().metrics.requestCount, 0)
  })
})

describe('Weighted Selection', () => {
  test('weights 1, 2 and 1 give 25, 50 and 25 percent', async () => {
    await using lab = await TunnelLab.open()
    const live = await lab.tunnel([{ weight: 1 }, { weight: 2 }, { weight: 1 }])
    const places = chosen(live, 400)
    const share = (place: string) => places.split(place).length - 1
    assert.deepEqual([share('0'), share('1'), share('2')], [100, 200, 100])
  })

  test('a single endpoint is returned', async () => {
    await using lab = await TunnelLab.open()
    assert.equal(chosen(await lab.tunnel(1), 3), '000')
  })

  test('no endpoints give none', async () => {
    await using lab = await TunnelLab.open()
    assert.equal((await lab.tunnel(0)).advise(), undefined)
  })

  test('endpoints without a weight share equally', async () => {
    await using lab = await TunnelLab.open()
    const places = chosen(await lab.tunnel([{}, {}, {}]), 9)
    assert.deepEqual(places.split('').toSorted().join(''), '000111222')
  })
})

describe('Recovery Checks', () => {
  test('begin when an endpoint becomes unhealthy', async () => {
    await using lab = await TunnelLab.open()
    const live = await lab.tunnel(2)
    succeed(live, 0)
    assert.equal(endpointAt(live, 0).isRecovering, false)
    fail(live, 0, 3)
    assert.equal(endpointAt(live, 0).isRecovering, true)
  })

  test('end when it has recovered', async () => {
    await using lab = await TunnelLab.open()
    const live = await lab.tunnel(2)
    fail(live, 0, 3)
    await lab.clock.advance(1.2 * PROBE_MS)
    assert.equal(endpointAt(live, 0).health, 'healthy')
    assert.equal(endpointAt(live, 0).isRecovering, false)
    const checks = lab.probed.length
    await lab.clock.advance(5 * PROBE_MS)
    assert.equal(lab.probed.length, checks, 'nothing is checked any more')
  })

  test('begin once, however often it fails', async () => {
    await using lab = await TunnelLab.open()
    const live = await lab.tunnel(2)
    succeed(live, 0)
    lab.down.add('http://a.example/')
    fail(live, 0, 30)
    await lab.clock.advance(1.2 * PROBE_MS)
    assert.equal(lab.probed.filter((url) => url === 'http://a.example/').length, 1)
  })
})

describe('Reset and Cleanup', () => {
  test('reset sets the failure count to 0', async () => {
    await using lab = await TunnelLab.open()
    const live = await lab.tunnel(2)
    fail(live, 0, 2)
    live.reset(idAt(live, 0))
    assert.equal(endpointAt(live, 0).failureCount, 0)
  })

  test('cleanup leaves no timer behind', async () => {
    const lab = await TunnelLab.open()
    const live = await lab.tunnel(2)
    fail(live, 0, 3)
    fail(live, 1, 3)
    assert.ok(lab.clock.pending > 0)
    await lab[Symbol.asyncDispose]()
    assert.equal(lab.clock.pending, 0)
  })
})
