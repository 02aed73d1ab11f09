import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import type { DrillSchedule } from './drill-schedule.ts'
import { DrillTimetable, nextDrillWallMs } from './drill-schedule.ts'

const HOUR_MS = 3_600_000

test('a drill every so many hours keeps its beat over restarts', () => {
  const created = 1_000_000
  const time = { kind: 'every', ms: 6 * HOUR_MS } as const
  assert.equal(nextDrillWallMs(time, created, created), created + 6 * HOUR_MS)
  assert.equal(nextDrillWallMs(time, created - 5_000, created), created + 6 * HOUR_MS, 'not at once')
  assert.equal(nextDrillWallMs(time, created + 7 * HOUR_MS, created), created + 12 * HOUR_MS)
  assert.equal(nextDrillWallMs(time, created + 12 * HOUR_MS, created), created + 18 * HOUR_MS)
})

test('a daily drill comes at its minute of local time, today or tomorrow', () => {
  const time = { kind: 'daily', minute: 3 * 60 + 30 } as const
  const at = (day: number, hours: number, minutes: number) => new Date(2026, 4, day, hours, minutes).getTime()
  assert.equal(nextDrillWallMs(time, at(5, 1, 0), 0), at(5, 3, 30))
  assert.equal(nextDrillWallMs(time, at(5, 3, 30), 0), at(6, 3, 30))
  assert.equal(nextDrillWallMs(time, at(31, 22, 0), 0), new Date(2026, 5, 1, 3, 30).getTime())
})

test('each drill that is due starts once, with what the stream asks for at the time', async () => {
  const clock = createSimulatedClock()
  const createdWallMs = clock.wallMs()
  const schedule: DrillSchedule = { mode: 'stall', stayMs: 1_000, returns: true, time: { kind: 'every', ms: HOUR_MS } }
  let streams = [{ streamId: 'one', createdWallMs, schedule }]
  const started: string[] = []
  using _timetable = new DrillTimetable({
    clock,
    streams: () => streams,
    run: (streamId, { mode, by }) => started.push(`${streamId} ${mode} by ${by}`),
  })
  await clock.advance(HOUR_MS - 20_000)
  assert.deepEqual(started, [])
  await clock.advance(40_000)
  assert.deepEqual(started, ['one stall by schedule'])
  streams = []
  await clock.advance(3 * HOUR_MS)
  assert.equal(started.length, 1)
})
