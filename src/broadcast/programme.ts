import type { Clock } from '../lib/clock.ts'
import { errorMessage } from '../lib/errors.ts'
import { ProcessUnavailable } from '../process/process-spec.ts'
import type { Processes } from '../process/processes.ts'
import type { BroadcastRequest } from './broadcast-request.ts'
import type { InputRelay } from './input-relay.ts'
import { ProgrammeRun } from './programme-run.ts'
import type { RunEnd } from './programme-run.ts'

export interface ProgrammeOptions {
  readonly request: BroadcastRequest
  /** How much of it has been played before, in seconds. */
  readonly playedS: number
  readonly processes: Processes
  readonly relay: InputRelay
  readonly clock: Clock
  readonly userAgent: string
  readonly directory: string
  /** Failures that are tolerated within a time. */
  readonly retriesMax: number
  readonly retryWindowMs: number
  /** The number of the next run, which no run has had before. */
  readonly nextRun: () => number
  readonly listener: ProgrammeListener
}

export interface ProgrammeListener {
  /** An ffmpeg is about to begin: its timestamps begin anew. */
  begins(): void
  /** Media has come. */
  started(): void
  segment(file: string, durationS: number): void
  /** It failed and is gone on with, at the source with that index. */
  retried(problem: string, index: number): void
}

/** How a programme ended: by itself, because it was told to, or for good after failures. */
export interface ProgrammeEnd extends RunEnd {
  readonly playedS: number
}

const WAIT_MS_MIN = 500
const WAIT_MS_MAX = 15_000
/** Less than this of a programme is not worth an ffmpeg. */
const REST_S_MIN = 0.5

/**
 * Plays one programme to its end. When ffmpeg or the source fails it goes on where it was, with the next address, until too
 * many failures came within too short a time.
 */
export class Programme {
  readonly #options: ProgrammeOptions
  readonly #abort = new AbortController()
  readonly ended: Promise<ProgrammeEnd>
  #run: ProgrammeRun | undefined
  #playedS: number

  constructor(options: ProgrammeOptions) {
    this.#options = options
    this.#playedS = options.playedS
    this.ended = this.#play()
  }

  get pid(): number | undefined {
    return this.#run?.pid
  }

  /** Ends it with the segment that is being written. */
  async stop(): Promise<ProgrammeEnd> {
    this.#abort.abort()
    await this.#run?.stop()
    return this.ended
  }

  async #play(): Promise<ProgrammeEnd> {
    const { request, clock, retriesMax, retryWindowMs, listener } = this.#options
    const failedAtMs: number[] = []
    let index = 0
    // Whoever waits for its end has it before it begins.
    await Promise.resolve()
    for (;;) {
      const end = await this.#playOnce(request.urls[index] ?? '')
      const isStopped = this.#abort.signal.aborted
      if (isStopped || end.kind !== 'failed') {
        return { ...end, kind: isStopped ? 'stopped' : end.kind, playedS: this.#playedS }
      }
      const nowMs = clock.nowMs()
      failedAtMs.push(nowMs)
      while ((failedAtMs[0] ?? nowMs) < nowMs - retryWindowMs) failedAtMs.shift()
      if (failedAtMs.length > retriesMax) return { ...end, playedS: this.#playedS }
      if (end.wasKilled !== true) index = (index + 1) % request.urls.length
      listener.retried(end.message, index)
      const waitMs = Math.min(WAIT_MS_MIN * 2 ** (failedAtMs.length - 1), WAIT_MS_MAX)
      await clock.sleep(waitMs, this.#abort.signal).catch(() => undefined)
    }
  }

  async #playOnce(url: string): Promise<RunEnd> {
    const { request, processes, relay, clock, userAgent, directory, listener, nextRun } = this.#options
    const restS = request.durationS === 0 ? 0 : request.durationS - this.#playedS
    if (this.#abort.signal.aborted) return { kind: 'stopped', message: 'stopped', exitCode: null }
    if (request.durationS > 0 && restS < REST_S_MIN) {
      return { kind: 'completed', message: 'the programme has ended', exitCode: 0 }
    }
    using address = relay.add({ url, headers: request.headers, userAgent })
    try {
      listener.begins()
      const run = new ProgrammeRun({
        ...{ processes, clock, directory, inputUrl: address.url, encoding: request.encoding },
        ...{ seekS: Math.floor(request.seekS + this.#playedS), durationS: restS, segmentS: request.segmentS },
        ...{ filePattern: `run${nextRun()}_%06d.ts`, isPaced: /^https?:/i.test(url) },
        onStarted: () => listener.started(),
        onSegment: (file, durationS) => {
          listener.segment(file, durationS)
          this.#playedS += durationS
        },
      })
      this.#run = run
      return await run.ended
    } catch (error) {
      const reason = error instanceof ProcessUnavailable ? error.message : errorMessage(error)
      return { kind: 'failed', message: reason, exitCode: null }
    } finally {
      this.#run = undefined
    }
  }
}
