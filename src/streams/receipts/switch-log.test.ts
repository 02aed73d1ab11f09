import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../lib/log.ts'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import { createMemoryStore } from '../../store/memory.ts'
import type { Store } from '../../store/store.ts'
import type { SwitchReceipt } from './receipt.ts'
import { SwitchLog } from './switch-log.ts'

function receipt(number: number, streamId = 'one'): SwitchReceipt {
  return {
    receiptId: `receipt-${number}`,
    streamId,
    epoch: number,
    decidedWallMs: number,
    settledWallMs: number + 0.5,
    from: { url: 'http://a/', index: 0 },
    to: { url: 'http://b/', index: 1 },
    trigger: 'failover',
    reason: 'stalled',
    message: undefined,
    evidence: {},
    by: undefined,
    attempts: 1,
    detectionMs: 1,
    connectMs: undefined,
    wasStandby: false,
    measured: undefined,
    viewers: 0,
    isDrill: false,
  }
}

function opened(store: Store, receiptsKept = 1_000) {
  const clock = createSimulatedClock()
  return { clock, switches: new SwitchLog({ store, clock, log: silentLog, receiptsKept }) }
}

async function idsOf(switches: SwitchLog, query: { limit: number; before?: number }, streamId = 'one') {
  const { receipts, nextBefore } = await switches.history(streamId, query)
  return { ids: receipts.map(({ receiptId }) => receiptId), nextBefore }
}

test('receipts come newest first, page by page, each stream its own', async () => {
  const store = createMemoryStore()
  const { switches } = opened(store)
  for (let number = 1; number <= 5; number += 1) switches.record(receipt(number, number === 3 ? 'other' : 'one'))
  await switches[Symbol.asyncDispose]()
  const first = await idsOf(switches, { limit: 2 })
  assert.deepEqual(first.ids, ['receipt-5', 'receipt-4'])
  const second = await idsOf(switches, { limit: 2, before: first.nextBefore ?? 0 })
  assert.deepEqual(second, { ids: ['receipt-2', 'receipt-1'], nextBefore: undefined })
  assert.deepEqual((await idsOf(switches, { limit: 9 }, 'other')).ids, ['receipt-3'])
})

test('only the newest receipts are kept', async () => {
  const store = createMemoryStore()
  const { switches } = opened(store, 10)
  for (let number = 1; number <= 150; number += 1) switches.record(receipt(number))
  await switches[Symbol.asyncDispose]()
  const { ids } = await idsOf(switches, { limit: 999 })
  assert.ok(ids.length < 120, `${ids.length} receipts are kept`)
  assert.equal(ids[0], 'receipt-150')
})

test('receipts wait while the store fails, and are stored in order when it works again', async () => {
  const memory = createMemoryStore()
  let isDown = true
  const store: Store = Object.assign(Object.create(memory) as Store, {
    append: async (...record: Parameters<Store['append']>) => {
      if (isDown) throw new Error('the disk is full')
      return memory.append(...record)
    },
    read: (...query: Parameters<Store['read']>) => memory.read(...query),
    trim: (...keep: Parameters<Store['trim']>) => memory.trim(...keep),
  })
  const { clock, switches } = opened(store)
  switches.record(receipt(1))
  switches.record(receipt(2))
  await clock.advance(5_000)
  assert.deepEqual((await idsOf(switches, { limit: 9 })).ids, [])
  isDown = false
  await clock.advance(5_000)
  assert.deepEqual((await idsOf(switches, { limit: 9 })).ids, ['receipt-2', 'receipt-1'])
})
