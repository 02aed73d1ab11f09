import type { EventSink } from '../../events/event.ts'
import type { Clock } from '../../lib/clock.ts'
import { errorMessage, HoldfastError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Json, Store } from '../../store/store.ts'
import { DrillTimetable } from './drill-schedule.ts'
import type { ScheduledStream } from './drill-schedule.ts'
import { runDrill } from './drill.ts'
import type { DrillChannel } from './drill-channel.ts'
import type { DrillRequest } from './drill-mode.ts'
import { drillObject } from './drill-report.ts'
import type { DrillReport } from './drill-report.ts'

export interface DrillsOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly events: EventSink
  readonly metrics: { drilled(mode: string, verdict: string): void }
  readonly streams: DrilledStreams
}

/** What drills need of the streams hall. */
export interface DrilledStreams {
  /** Undefined for a stream that is not live television. Throws stream_not_found. */
  drillChannel(streamId: string): DrillChannel | undefined
  /** The streams that rehearse by themselves. */
  readonly scheduledDrills: readonly ScheduledStream[]
}

/** Each looks at a stream's bytes as a decoder would, which costs a share of a core. */
const AT_ONCE_MAX = 4

/** The drills of a gateway, asked for or scheduled: one for a stream at a time, its report kept, refusals journalled. */
export class Drills implements Disposable {
  readonly #options: DrillsOptions
  readonly #running = new Set<string>()
  readonly #stop = new AbortController()
  readonly #timetable: DrillTimetable

  constructor(options: DrillsOptions) {
    const { clock, streams } = options
    this.#options = options
    this.#timetable = new DrillTimetable({
      clock,
      streams: () => streams.scheduledDrills,
      // What came of it is in the journal, a refusal too; nobody waits for it.
      run: (streamId, request) => void this.run(streamId, request).catch(() => undefined),
    })
  }

  /** Resolves with the report. Throws stream_not_found, failover_target_unknown, drill_refused. */
  async run(streamId: string, request: DrillRequest): Promise<DrillReport> {
    const { clock, streams } = this.#options
    try {
      const channel = streams.drillChannel(streamId)
      if (channel === undefined) throw refused('only live streams can be rehearsed')
      if (this.#running.has(streamId)) throw refused('a drill of this stream is running')
      if (this.#running.size >= AT_ONCE_MAX) throw refused(`${AT_ONCE_MAX} drills are running, as many as there may be`)
      this.#running.add(streamId)
      try {
        const report = await runDrill({ channel, request, clock, signal: this.#stop.signal })
        await this.#completed(report)
        return report
      } finally {
        this.#running.delete(streamId)
      }
    } catch (error) {
      if (this.#stop.signal.aborted) throw refused('the gateway is stopping')
      if (error instanceof HoldfastError && isRefusal(error, request)) this.#refused(streamId, request, error)
      throw error
    }
  }

  /** The report of the latest drill of a stream; undefined when there was none. */
  async last(streamId: string): Promise<Json | undefined> {
    return (await this.#options.store.get('drills', streamId))?.value
  }

  /** Drills under way end without a report. */
  [Symbol.dispose](): void {
    this.#timetable[Symbol.dispose]()
    this.#stop.abort()
  }

  async #completed(report: DrillReport): Promise<void> {
    const { store, events, log, metrics } = this.#options
    const { streamId, mode, verdict } = report
    metrics.drilled(mode, verdict)
    events.emit('drill_completed', streamId, drillObject(report))
    log.info('drill_completed', `The drill ${mode} of stream ${streamId} is over: ${verdict}`, {
      ...{ stream_id: streamId, mode, verdict },
      findings: report.findings.join('; '),
    })
    if (!this.#exists(streamId)) return
    await store.put('drills', streamId, drillObject(report)).catch((error: unknown) => {
      log.error('drill_not_saved', `The report of a drill of stream ${streamId} could not be saved`, {
        detail: errorMessage(error),
      })
    })
  }

  /** A stream may be deleted while it is rehearsed, and the report would be that of the next one of its URL. */
  #exists(streamId: string): boolean {
    try {
      return this.#options.streams.drillChannel(streamId) !== undefined
    } catch {
      return false
    }
  }

  #refused(streamId: string, { mode, by }: DrillRequest, { message }: HoldfastError): void {
    const { events, log } = this.#options
    events.emit('drill_refused', streamId, { mode, by, reason: message })
    log.warn('drill_refused', message, { stream_id: streamId, mode })
  }
}

/** Of a target that the stream does not have any more nobody hears but through the journal, where nobody has asked. */
function isRefusal({ code }: HoldfastError, { by }: DrillRequest): boolean {
  return code === 'drill_refused' || (code === 'failover_target_unknown' && by === 'schedule')
}

function refused(reason: string): HoldfastError {
  return new HoldfastError('drill_refused', `The drill was refused: ${reason}`)
}
