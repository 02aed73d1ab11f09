import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../../lib/errors.ts'
import { silentLog } from '../../lib/log.ts'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import { createMemoryStore } from '../../store/memory.ts'
import type { SwitchReceipt } from '../receipts/receipt.ts'
import type { StagedFault } from '../sources/staged-fault.ts'
import type { DrillChannel } from './drill-channel.ts'
import type { DrillMode } from './drill-mode.ts'
import { planDrill } from './drill-refusal.ts'
import type { DrillReport } from './drill-report.ts'
import { runDrill } from './drill.ts'
import { Drills } from './drills.ts'

type Facts = { -readonly [Key in keyof DrillChannel]: DrillChannel[Key] }

/** A channel of three sources of which nothing is known to be bad, with what happens to it noted down. */
function channelOf(facts: Partial<Facts> = {}) {
  const listeners = new Set<(receipt: SwitchReceipt) => void>()
  const notes: string[] = []
  const channel: Facts & { settle(to: number, changes?: Partial<SwitchReceipt>): void } = {
    streamId: 'stream',
    phase: 'live',
    container: 'mpegts',
    sources: [0, 1, 2].map((index) => ({
      ...{ index, url: `http://${index}/`, health: 'healthy' as const, lastFailureReason: undefined },
    })),
    onAirIndex: 0,
    nextIndex: 1,
    receivedIndex: undefined,
    isPinned: false,
    isProven: true,
    isByHand: false,
    failsOverByItself: true,
    viewerIds: new Set(['viewer']),
    outputDelayMs: 0,
    actionOf: () => 'fail',
    hasBetterThan: () => true,
    indexOf: (named) => {
      if (typeof named === 'number' && named < 3) return named
      throw new HoldfastError('failover_target_unknown', 'no such source')
    },
    look: async (index) => {
      notes.push(`look ${index}`)
      return { kind: 'good', connectMs: 1, firstMediaMs: 2, firstJoinMs: 3 }
    },
    watch: () => ({ [Symbol.dispose]: () => void notes.push('watched') }),
    stage: (fault: StagedFault | undefined) => {
      notes.push(fault === undefined ? 'unstage' : `stage ${fault.kind}`)
      return true
    },
    switchTo: (index, { byHand }) => {
      notes.push(`switch ${index}${byHand ? ' by hand' : ''}`)
      channel.settle(index)
    },
    onSwitched: (listener) => {
      listeners.add(listener)
      return { [Symbol.dispose]: () => void listeners.delete(listener) }
    },
    settle: (to, changes = {}) => {
      const receipt = receiptTo(to, channel.onAirIndex, changes)
      channel.onAirIndex = to
      for (const listener of listeners) listener(receipt)
    },
    ...facts,
  }
  return { channel, notes }
}

function receiptTo(to: number, from: number, changes: Partial<SwitchReceipt>): SwitchReceipt {
  const measured = { seam: 'seamless', gapMs: 40, outageMs: 40, slateMs: 0, mediaJumpMs: 0 } as const
  return {
    ...{ receiptId: 'r', streamId: 'stream', epoch: 2, decidedWallMs: 0, settledWallMs: 0, trigger: 'failover' },
    ...{ reason: 'stalled', message: undefined, evidence: {}, by: undefined, attempts: 1, detectionMs: 1 },
    ...{ connectMs: 1, wasStandby: false, viewers: 1, isDrill: true },
    measured: { ...measured, unitsDropped: 0, audioHoleMs: undefined, audioFilledMs: undefined },
    from: { url: `http://${from}/`, index: from },
    to: { url: `http://${to}/`, index: to },
    ...changes,
  }
}

function drillOn(channel: DrillChannel, mode: DrillMode, returns = true) {
  const clock = createSimulatedClock()
  const request = { mode, stayMs: 5_000, returns, by: 'drill' }
  const { signal } = new AbortController()
  const running = runDrill({ channel, request, clock, signal })
  return { clock, running }
}

async function reportOf(channel: DrillChannel, mode: DrillMode, returns = true): Promise<DrillReport> {
  const { clock, running } = drillOn(channel, mode, returns)
  await clock.advance(200_000)
  return running
}

test('a switch goes out by itself, comes back as the stream was, and is seamless', async () => {
  const { channel, notes } = channelOf({ isByHand: true })
  const { verdict, steps, viewers, findings } = await reportOf(channel, 'switch')
  assert.deepEqual(notes, ['look 1', 'switch 1', 'switch 0 by hand', 'unstage', 'watched'])
  assert.deepEqual([verdict, findings], ['seamless', []])
  assert.deepEqual(
    steps.map(({ name }) => name),
    ['out', 'back'],
  )
  assert.deepEqual(viewers, { before: 1, after: 1, kept: 1 })
})

test('a switch that stays is a person’s choice', async () => {
  const { channel, notes } = channelOf()
  await reportOf(channel, 'switch', false)
  assert.deepEqual(notes.slice(0, 2), ['look 1', 'switch 1 by hand'])
  assert.equal(channel.onAirIndex, 1)
})

test('a failure that nobody notices is taken away again, and the drill has failed', async () => {
  const { channel, notes } = channelOf()
  const { verdict, findings } = await reportOf(channel, 'stall')
  assert.equal(verdict, 'failed')
  assert.deepEqual(findings, ['nothing was switched within 30 s'])
  assert.deepEqual(notes.slice(0, 3), ['look 1', 'stage altered', 'unstage'])
})

test('a long pause is visible, and what happens in earnest meanwhile is a failure', async () => {
  const { channel } = channelOf()
  const { clock, running } = drillOn(channel, 'stall')
  await clock.advance(4_000)
  const measured = { seam: 'seamless', gapMs: 4_000, outageMs: 4_000, slateMs: 0, mediaJumpMs: 0 } as const
  channel.settle(1, { measured: { ...measured, unitsDropped: 0, audioHoleMs: undefined, audioFilledMs: undefined } })
  await clock.advance(1_000)
  channel.settle(0, { isDrill: false, trigger: 'failover', reason: 'reset' })
  await clock.advance(60_000)
  const { verdict, findings } = await running
  assert.equal(verdict, 'failed')
  assert.deepEqual(findings, [
    'source 0 came on air by failover (reset) meanwhile',
    'on the way out viewers were given nothing for 4000 ms',
  ])
})

test('a target that does not stand up to a look is refused before anything is done', async () => {
  const failure = {
    reason: 'refused',
    message: 'refused the connection',
    status: undefined,
    detectionMs: 1,
    evidence: {},
  }
  const { channel, notes } = channelOf({ look: async () => ({ kind: 'bad', failure }) })
  const { running } = drillOn(channel, 'reset')
  await assert.rejects(running, {
    code: 'drill_refused',
    message: /source 1 refused the connection when it was looked at/,
  })
  assert.deepEqual(notes, [])
})

test('what speaks against a drill is said in words', () => {
  const request = { mode: 'no_video', stayMs: 1, returns: true, by: 'drill' } as const
  const cases: readonly (readonly [Partial<Facts>, RegExp])[] = [
    [{ phase: 'idle' }, /not live/],
    [{ phase: 'recovering' }, /a failover is under way/],
    [{ isProven: false }, /for long enough/],
    [{ isPinned: true }, /pinned/],
    [{ failsOverByItself: false }, /not to fail over by itself/],
    [{ container: 'flv' }, /needs a source of MPEG-TS, this one sends flv/],
    [{ actionOf: () => 'warn' }, /no_video is not set to fail/],
    [{ hasBetterThan: () => false }, /every other source was left for no_video, or worse, a moment ago/],
    [{ nextIndex: undefined }, /every other source is known to be worse/],
  ]
  for (const [facts, reason] of cases) {
    const plan = planDrill(channelOf(facts).channel, request)
    assert.match(plan.kind === 'refused' ? plan.reason : 'go', reason)
  }
  assert.deepEqual(planDrill(channelOf().channel, request), { kind: 'go', to: 1 })
  assert.throws(() => planDrill(channelOf().channel, { ...request, target: 7 }), { code: 'failover_target_unknown' })
})

test('the report of a stream that is deleted meanwhile is not kept for the next one of its URL', async () => {
  const { channel } = channelOf()
  const clock = createSimulatedClock()
  const told: string[] = []
  let isDeleted = false
  using drills = new Drills({
    store: createMemoryStore(),
    clock,
    log: silentLog,
    events: { emit: (type) => void told.push(type) },
    metrics: { drilled: () => {} },
    streams: {
      drillChannel: () => {
        if (isDeleted) throw new HoldfastError('stream_not_found', 'Stream not found')
        return channel
      },
      scheduledDrills: [],
    },
  })
  const request = { mode: 'switch', stayMs: 5_000, returns: true, by: 'drill' } as const
  for (const wasDeleted of [false, true]) {
    const running = drills.run('stream', request)
    await clock.advance(1_000)
    isDeleted = wasDeleted
    await clock.advance(200_000)
    const { drillId } = await running
    const kept = JSON.stringify(await drills.last('stream'))
    assert.equal(kept.includes(drillId), !wasDeleted)
  }
  assert.deepEqual(told, ['drill_completed', 'drill_completed'])
})
