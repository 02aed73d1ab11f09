import { StringDecoder } from 'node:string_decoder'
import type { Readable } from 'node:stream'
import type { Clock, Timer } from '../lib/clock.ts'
import { describeExit } from '../process/process-spec.ts'
import type { Processes } from '../process/processes.ts'
import type { SupervisedProcess } from '../process/supervised-process.ts'
import { programmeArguments } from './programme-arguments.ts'
import type { ProgrammeArguments } from './programme-arguments.ts'

export interface ProgrammeRunOptions extends ProgrammeArguments {
  readonly processes: Processes
  readonly clock: Clock
  /** Where its segments go. */
  readonly directory: string
  readonly onStarted: () => void
  /** A segment is complete. */
  readonly onSegment: (file: string, durationS: number) => void
}

export interface RunEnd {
  /** `completed`: the source or the duration has ended. */
  readonly kind: 'completed' | 'stopped' | 'failed'
  readonly message: string
  readonly exitCode: number | null
  /** Somebody else ended the process, which says nothing of the source. */
  readonly wasKilled?: boolean
}

/** Media that does not go forward for so long has stopped, whatever the process does. */
const STALL_MS = 20_000
const START_MS = 60_000
const STOP_LIMIT_MS = 5_000
const US_PER_S = 1_000_000
const LINE_CHARACTERS_MAX = 4_096

/** One ffmpeg that plays one programme, or a part of it, into segments. */
export class ProgrammeRun {
  readonly #options: ProgrammeRunOptions
  readonly #process: SupervisedProcess
  readonly ended: Promise<RunEnd>
  #watch: Timer | undefined
  #problem: string | undefined
  #hasStarted = false
  #isStopping = false
  /** Media that it has put out, in seconds. */
  streamedS = 0

  /** Throws ProcessUnavailable. */
  constructor(options: ProgrammeRunOptions) {
    this.#options = options
    this.#process = options.processes.start({
      ...{ kind: 'broadcast', program: 'ffmpeg', args: programmeArguments(options), directory: options.directory },
      ...{ stdout: 'ignore', extraPipes: 2, stopLimitMs: STOP_LIMIT_MS },
    })
    readLines(this.#process.extraPipe(0), (line) => this.#segment(line))
    readLines(this.#process.extraPipe(1), (line) => this.#progress(line))
    this.#arm(START_MS, 'nothing came of the source')
    this.ended = this.#end()
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Ends it with the segment that it is writing, which is told before `ended`. */
  async stop(): Promise<RunEnd> {
    this.#isStopping = true
    await this.#process.stop()
    return this.ended
  }

  /** `run3_000012.ts,72.0,78.0` */
  #segment(line: string): void {
    const [file = '', start, end] = line.split(',')
    const durationS = Number(end) - Number(start)
    if (/^[\w-]+\.ts$/.test(file) && durationS > 0) this.#options.onSegment(file, durationS)
  }

  #progress(line: string): void {
    const us = Number(/^out_time_us=(\d+)/.exec(line)?.[1])
    const streamedS = us / US_PER_S
    if (!(streamedS > this.streamedS)) return
    this.streamedS = streamedS
    this.#arm(STALL_MS, `no media for ${STALL_MS / 1_000} s`)
    if (this.#hasStarted) return
    this.#hasStarted = true
    this.#options.onStarted()
  }

  #arm(ms: number, problem: string): void {
    this.#watch?.cancel()
    this.#watch = this.#options.clock.schedule(ms, () => {
      this.#problem = problem
      this.#process.kill()
    })
  }

  async #end(): Promise<RunEnd> {
    const exit = await this.#process.exited
    this.#watch?.cancel()
    const exitCode = exit.code
    if (this.#isStopping) return { kind: 'stopped', message: 'stopped', exitCode }
    const problem = this.#problem ?? (exit.code === 0 && this.#hasStarted ? undefined : describeExit(exit, 'ffmpeg'))
    return problem === undefined
      ? { kind: 'completed', message: 'the programme has ended', exitCode }
      : { kind: 'failed', message: problem, exitCode, wasKilled: exit.signal !== null && this.#problem === undefined }
  }
}

function readLines(pipe: Readable | undefined, onLine: (line: string) => void): void {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  pipe?.on('data', (bytes: Buffer) => {
    const lines = (rest + decoder.write(bytes)).split('\n')
    rest = (lines.pop() ?? '').slice(-LINE_CHARACTERS_MAX)
    for (const line of lines) onLine(line.trim())
  })
}
