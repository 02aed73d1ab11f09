import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ConnectionBudget } from './connection-budget.ts'
import type { ConnectionLease, ConnectionPurpose } from './connection-budget.ts'

const one = { name: 'provider', connectionsMax: 1 }

test('an account has as many connections as it allows, over all streams', () => {
  const budget = new ConnectionBudget()
  const first = budget.lease(one, 'on_air')
  assert.ok(first !== undefined)
  assert.equal(budget.lease(one, 'on_air'), undefined)
  assert.equal(budget.lease(one, 'probe'), undefined)
  assert.equal(budget.hasRoomOnAir(one), false)
  assert.ok(budget.lease({ name: 'other', connectionsMax: 1 }, 'on_air') !== undefined)
  first.release()
  first.release()
  assert.equal(budget.inUse('provider'), 0)
  assert.ok(budget.lease(one, 'probe') !== undefined)
})

test('the ways in which one stream has one source count as one, until the last is given back', () => {
  const budget = new ConnectionBudget()
  const use = 'stream source'
  const ways = [1, 2].map(() => budget.lease(one, 'on_air', undefined, use))
  assert.equal(budget.inUse('provider'), 1)
  assert.equal(budget.lease(one, 'on_air', undefined, 'stream other'), undefined)
  assert.equal(budget.lease(one, 'standby', undefined, use), undefined)
  ways[0]?.release()
  ways[0]?.release()
  assert.equal(budget.inUse('provider'), 1)
  ways[1]?.release()
  assert.equal(budget.inUse('provider'), 0)
})

test('the ways in which one stream has one standby count as one, and all lose it when it is needed elsewhere', () => {
  const budget = new ConnectionBudget()
  const use = 'stream source'
  const revoked: number[] = []
  const ways = [1, 2].map((way) => budget.lease(one, 'standby', () => revoked.push(way), use))
  assert.ok(ways.every((lease) => lease !== undefined))
  assert.equal(budget.inUse('provider'), 1)
  assert.ok(budget.lease(one, 'on_air', undefined, 'stream other') !== undefined)
  assert.deepEqual(revoked, [1, 2])
  for (const way of ways) way?.release()
  assert.equal(budget.inUse('provider'), 1)
})

test('a standby of one way makes room for the same source on air in another', () => {
  const budget = new ConnectionBudget()
  const use = 'stream source'
  const standby = budget.lease(one, 'standby', () => assert.fail('revoked'), use)
  const onAir = budget.lease(one, 'on_air', undefined, use)
  assert.ok(onAir !== undefined)
  assert.equal(budget.hasRoomOnAir(one), false)
  onAir.release()
  assert.equal(budget.inUse('provider'), 1)
  standby?.release()
  assert.equal(budget.inUse('provider'), 0)
})

test('a source without an account is not counted', () => {
  const budget = new ConnectionBudget()
  for (let count = 0; count < 100; count += 1) assert.ok(budget.lease(undefined, 'on_air') !== undefined)
})

test('what goes on air takes the place of a probe, then of a standby', () => {
  const budget = new ConnectionBudget()
  const two = { name: 'provider', connectionsMax: 2 }
  const revoked: string[] = []
  budget.lease(two, 'standby', () => revoked.push('standby'))
  budget.lease(two, 'probe', () => revoked.push('probe'))
  assert.equal(budget.lease(two, 'standby'), undefined, 'a standby takes nobody’s place')
  assert.equal(budget.hasRoomOnAir(two), true)
  assert.ok(budget.lease(two, 'on_air') !== undefined)
  assert.ok(budget.lease(two, 'on_air') !== undefined)
  assert.deepEqual(revoked, ['probe', 'standby'])
  assert.equal(budget.lease(two, 'on_air'), undefined)
})

test('a standby that went on air gives its place to nobody', () => {
  const budget = new ConnectionBudget()
  const lease = budget.lease(one, 'standby', () => assert.fail('revoked'))
  lease?.goOnAir()
  assert.equal(budget.hasRoomOnAir(one), false)
  assert.equal(budget.lease(one, 'on_air'), undefined)
})

test('never more than allowed, whatever comes and goes', () => {
  const purpose = fc.constantFrom<ConnectionPurpose>('on_air', 'standby', 'probe')
  fc.assert(
    fc.property(fc.array(fc.tuple(purpose, fc.boolean(), fc.nat(10))), (steps) => {
      const budget = new ConnectionBudget()
      const account = { name: 'a', connectionsMax: 3 }
      const leases: ConnectionLease[] = []
      for (const [wanted, isOpening, index] of steps) {
        if (isOpening) {
          const lease = budget.lease(account, wanted)
          if (lease !== undefined) leases.push(lease)
        } else leases[index]?.release()
        assert.ok(budget.inUse('a') <= 3)
      }
      for (const lease of leases) lease.release()
      assert.equal(budget.inUse('a'), 0)
    }),
  )
})
