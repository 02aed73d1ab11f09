import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PACKET_BYTES } from '../packet.ts'
import { PacketRing } from './packet-ring.ts'

const BUDGET_BYTES = 1_024 * PACKET_BYTES

function fill(ring: PacketRing, from: number, to: number, nowMs: (number: number) => number): void {
  for (let number = from; number < to; number += 1) {
    ring.put(number, number * 3, Buffer.alloc(PACKET_BYTES, number & 0xff), 0, nowMs(number))
  }
}

test('grows until it holds the packets of 5 s', () => {
  const ring = new PacketRing({ bytesLeft: BUDGET_BYTES })
  fill(ring, 0, 900, (number) => number)
  const target = Buffer.alloc(PACKET_BYTES)
  for (const number of [0, 255, 256, 899]) {
    assert.equal(ring.signatureOf(number), number * 3)
    assert.ok(ring.copy(number, target, 0))
    assert.equal(target[100], number & 0xff)
  }
  assert.equal(ring.copy(900, target, 0), false)
})

test('takes no more memory than it needs for 5 s', () => {
  const budget = { bytesLeft: BUDGET_BYTES }
  const ring = new PacketRing(budget)
  fill(ring, 0, 5_000, (number) => number * 50)
  assert.equal(budget.bytesLeft, BUDGET_BYTES - 256 * PACKET_BYTES)
  assert.equal(ring.signatureOf(4_000), undefined)
  assert.equal(ring.signatureOf(4_950), 3 * 4_950)
})

test('takes no more memory than there is: then the oldest go', () => {
  const budget = { bytesLeft: BUDGET_BYTES }
  const ring = new PacketRing(budget)
  fill(ring, 0, 5_000, () => 0)
  assert.ok(budget.bytesLeft >= 0)
  assert.equal(ring.signatureOf(3_000), undefined)
  assert.equal(ring.signatureOf(4_999), 3 * 4_999)
})
