import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../../lib/errors.ts'
import { silentLog } from '../../lib/log.ts'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import { createMemoryStore } from '../../store/memory.ts'
import type { DrillSchedule } from './drill-schedule.ts'
import { Drills } from './drills.ts'

const HOUR_MS = 3_600_000

test('a scheduled drill of a source that the stream has no more is in the journal as refused', async () => {
  const clock = createSimulatedClock()
  const told: (readonly [string, unknown])[] = []
  const schedule: DrillSchedule = {
    ...{ mode: 'switch', target: 7, stayMs: 5_000, returns: true },
    time: { kind: 'every', ms: HOUR_MS },
  }
  using drills = new Drills({
    store: createMemoryStore(),
    clock,
    log: silentLog,
    events: { emit: (type, _streamId, data) => void told.push([type, data]) },
    metrics: { drilled: () => {} },
    streams: {
      drillChannel: () => {
        throw new HoldfastError('failover_target_unknown', 'target 7 is not a source of this stream')
      },
      scheduledDrills: [{ streamId: 'stream', createdWallMs: clock.wallMs(), schedule }],
    },
  })
  await clock.advance(HOUR_MS + 20_000)
  assert.deepEqual(told, [
    ['drill_refused', { mode: 'switch', by: 'schedule', reason: 'target 7 is not a source of this stream' }],
  ])
  await assert.rejects(drills.run('stream', { ...schedule, by: 'drill' }), { code: 'failover_target_unknown' })
  assert.equal(told.length, 1, 'whoever asks is told by the answer')
})
