import { z } from 'zod'
import { URL_CHARACTERS_MAX } from '../../http/http-url.ts'
import { DRILL_MODES, STAY_SECONDS_DEFAULT, STAY_SECONDS_MAX } from '../drill/drill-mode.ts'
import type { DrillRequest } from '../drill/drill-mode.ts'
import type { DrillSchedule } from '../drill/drill-schedule.ts'
import { lenientBoolean } from './input.ts'

const mode = z.enum(DRILL_MODES, `must be one of ${DRILL_MODES.join(', ')}`)
const target = z
  .union([z.int().min(0), z.string().min(1).max(URL_CHARACTERS_MAX)], 'must be an index from 0 or a URL of the stream')
  .nullish()
  .meta({ description: 'Where to go: an index (0 the primary) or a URL; where the stream would go by default' })
const staySeconds = z
  .number()
  .min(1, 'must be at least 1')
  .max(STAY_SECONDS_MAX, `must be at most ${STAY_SECONDS_MAX}`)
  .nullish()
  .meta({ description: `How long the other source stays on air; ${STAY_SECONDS_DEFAULT} by default` })
const returns = lenientBoolean.nullish().meta({ description: 'Go back to the source that was on air; true by default' })

const EVERY_HOURS_MIN = 0.25
const EVERY_HOURS_MAX = 720
const MS_PER_HOUR = 3_600_000
const MS_PER_SECOND = 1_000

const rehearsal = { mode, target, stay_seconds: staySeconds, return: returns }

/** POST /streams/{streamId}/drill. */
export const drillBody = z.object(rehearsal)

/** `drill` in POST /streams. */
export const drillScheduleBody = z
  .object({
    ...rehearsal,
    every_hours: z
      .number()
      .min(EVERY_HOURS_MIN, `must be at least ${EVERY_HOURS_MIN}`)
      .max(EVERY_HOURS_MAX, `must be at most ${EVERY_HOURS_MAX}`)
      .nullish()
      .meta({ description: 'From the creation of the stream on' }),
    at: z
      .string()
      .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day from 00:00 to 23:59')
      .nullish()
      .meta({ description: 'Each day at this time of the system’s time zone' }),
  })
  .superRefine(({ every_hours: everyHours, at }, context) => {
    if (typeof everyHours === 'number' ? typeof at !== 'string' : typeof at === 'string') return
    context.addIssue({ code: 'custom', path: ['every_hours'], message: 'needs either every_hours or at' })
  })

type Rehearsal = z.output<typeof drillBody>

function toRehearsal(body: Rehearsal): Omit<DrillRequest, 'by'> {
  const named = body.target ?? undefined
  const indexOrUrl = typeof named === 'string' && /^\d{1,4}$/.test(named) ? Number(named) : named
  return {
    mode: body.mode,
    ...(indexOrUrl === undefined ? {} : { target: indexOrUrl }),
    stayMs: (body.stay_seconds ?? STAY_SECONDS_DEFAULT) * MS_PER_SECOND,
    returns: body.return ?? true,
  }
}

export function toDrillRequest(body: Rehearsal, by: string): DrillRequest {
  return { ...toRehearsal(body), by }
}

export function toDrillSchedule(body: z.output<typeof drillScheduleBody>): DrillSchedule {
  const { at, every_hours: everyHours } = body
  const [hours = 0, minutes = 0] = (at ?? '').split(':').map(Number)
  return {
    ...toRehearsal(body),
    time:
      typeof everyHours === 'number'
        ? { kind: 'every', ms: everyHours * MS_PER_HOUR }
        : { kind: 'daily', minute: hours * 60 + minutes },
  }
}

export const drillScheduleObject = z.object({
  mode: z.string(),
  target: z.union([z.number(), z.string()]).nullable(),
  stay_seconds: z.number(),
  return: z.boolean(),
  every_hours: z.number().nullable(),
  at: z.string().nullable(),
})

/** A schedule as the stream's object shows it. */
export function toDrillScheduleObject(schedule: DrillSchedule): z.output<typeof drillScheduleObject> {
  const { time } = schedule
  const twoDigits = (value: number) => String(value).padStart(2, '0')
  return {
    mode: schedule.mode,
    target: schedule.target ?? null,
    stay_seconds: schedule.stayMs / MS_PER_SECOND,
    return: schedule.returns,
    every_hours: time.kind === 'every' ? time.ms / MS_PER_HOUR : null,
    at: time.kind === 'daily' ? `${twoDigits(Math.floor(time.minute / 60))}:${twoDigits(time.minute % 60)}` : null,
  }
}
