import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId } from '../../failover/candidate.ts'
import type { CandidateId, GroupEvent } from '../../failover/group.ts'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import type { StandbyKind } from '../service.ts'
import { StandbyKeeper } from './standby-keeper.ts'
import type { StandbyLeg } from './standby-keeper.ts'

const [a, b] = [candidateId('a'), candidateId('b')]

class FakeLeg implements StandbyLeg {
  standby: { id: CandidateId; isReady: boolean } | undefined
  runs = true
  hasRoom = true
  isReady = true

  isLive(): boolean {
    return this.runs
  }

  prepare(id: CandidateId | undefined): boolean {
    this.standby = id === undefined || !this.hasRoom ? undefined : { id, isReady: this.isReady }
    return this.hasRoom
  }
}

function lab(kind: StandbyKind = 'hot') {
  const clock = createSimulatedClock()
  const legs = [new FakeLeg(), new FakeLeg()] as const
  const events: GroupEvent[] = []
  const looks: CandidateId[] = []
  const wish: { next: CandidateId | undefined; kind: StandbyKind } = { next: a, kind }
  const keeper = new StandbyKeeper({
    ...{ clock, legs, keyframeWaitMs: 1_000 },
    kind: () => wish.kind,
    next: () => wish.next,
    opener: {
      open: (id) => {
        looks.push(id)
        return 'no_connection_left'
      },
    },
    dispatch: (event) => events.push(event),
    onProbed: () => {},
  })
  const standbys = () => legs.map(({ standby }) => standby?.id)
  return { clock, keeper, legs, events, looks, wish, standbys }
}

test('each way that is live has the source ready that would take over, and only where that is wished', () => {
  const { keeper, legs, wish, standbys } = lab()
  legs[1].runs = false
  keeper.arrange()
  assert.deepEqual(standbys(), [a, undefined])
  legs[1].runs = true
  wish.next = b
  keeper.arrange()
  assert.deepEqual(standbys(), [b, b])
  wish.kind = 'warm'
  keeper.arrange()
  assert.deepEqual(standbys(), [undefined, undefined])
})

test('a way whose account has no connection left tries again, and the other keeps what it has', async () => {
  const { clock, keeper, legs, standbys } = lab()
  legs[1].hasRoom = false
  keeper.arrange()
  assert.deepEqual(standbys(), [a, undefined])
  legs[1].hasRoom = true
  await clock.advance(5_000)
  assert.deepEqual(standbys(), [a, a])
  keeper.stop()
})

test('what stands by is not looked at: it is good once it is ready in every way', async () => {
  const { clock, keeper, legs, events, looks } = lab()
  legs[1].isReady = false
  keeper.arrange()
  keeper.startProbing(a, 1_000)
  keeper.startProbing(b, 1_000)
  await clock.advance(1_500)
  assert.deepEqual(looks, [b])
  assert.deepEqual(events, [])
  if (legs[1].standby !== undefined) legs[1].standby.isReady = true
  await clock.advance(1_000)
  assert.deepEqual(events, [{ kind: 'probe_succeeded', id: a }])
  keeper.stop()
})

test('a standby that failed is told to the engine, and the next one comes after a pause', async () => {
  const { clock, keeper, legs, events, wish, standbys } = lab()
  keeper.arrange()
  legs[0].standby = undefined
  wish.next = b
  keeper.failed(a, { reason: 'playlist_frozen', message: '', status: undefined, detectionMs: 1, evidence: {} })
  assert.deepEqual(events, [{ kind: 'probe_failed', id: a, reason: 'playlist_frozen', evidence: {} }])
  keeper.arrange()
  assert.deepEqual(standbys(), [undefined, a])
  await clock.advance(5_000)
  assert.deepEqual(standbys(), [b, b])
  keeper.stop()
})
