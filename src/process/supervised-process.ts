import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import type { Clock, Timer } from '../lib/clock.ts'
import { errorMessage } from '../lib/errors.ts'
import { childEnvironment } from './environment.ts'
import { LineTail } from './line-tail.ts'
import type { ProcessExit, ProcessSpec } from './process-spec.ts'

const STOP_LIMIT_MS = 2_000
/** What a process wrote last is read for so long after its end; a child of its own may hold the pipe open for ever. */
const PIPES_LIMIT_MS = 1_000

const PRIORITIES = {
  below_normal: constants.priority.PRIORITY_BELOW_NORMAL,
  low: constants.priority.PRIORITY_LOW,
} as const

/** What the supervision of a process needs besides the process. */
export interface Supervision {
  readonly clock: Clock
  /** The program as it is run, with whatever goes before it. */
  readonly command: readonly [program: string, ...args: readonly string[]]
  readonly onStarted: (pid: number) => void
  /** It is gone. Called once, before anybody else hears of it. */
  readonly onGone: (pid: number | undefined) => void
}

/**
 * One running program: ended when it is asked to, within limits, and its end is told exactly once. It leads a process group
 * of its own, which goes with it.
 */
export class SupervisedProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #spec: ProcessSpec
  readonly #supervision: Supervision
  readonly #tail: LineTail
  readonly #exit = Promise.withResolvers<ProcessExit>()
  #startTimer: Timer | undefined
  #runTimer: Timer | undefined
  #killTimer: Timer | undefined
  #pipesTimer: Timer | undefined
  #reason: ProcessExit['reason'] | undefined
  #isGone = false
  #isTold = false

  constructor(spec: ProcessSpec, supervision: Supervision) {
    this.#spec = spec
    this.#supervision = supervision
    this.#tail = new LineTail({ secrets: spec.secrets ?? [], onLine: spec.onLine })
    const [program, ...before] = supervision.command
    const extraPipes = Array.from({ length: spec.extraPipes ?? 0 }, () => 'pipe' as const)
    const child = spawn(program, [...before, ...spec.args], {
      stdio: [spec.stdin ?? 'ignore', spec.stdout ?? 'pipe', 'pipe', ...extraPipes],
      env: { ...childEnvironment(), ...spec.environment },
      // A group of its own: Ctrl-C in a terminal is for the gateway, which then ends its children in order.
      detached: true,
      shell: false,
      ...(spec.directory === undefined ? {} : { cwd: spec.directory }),
    })
    this.#child = child
    child.on('error', (error) => this.#failed(error))
    child.on('exit', () => this.#gone())
    child.on('close', () => this.#tell())
    child.stderr?.on('data', (bytes: Buffer) => this.#tail.push(bytes))
    // Whoever reads or writes has handlers of his own; a broken pipe must not end the gateway where nobody has.
    for (const pipe of child.stdio) pipe?.on('error', () => {})
    if (child.pid === undefined) return
    this.#lowerPriority(child.pid)
    supervision.onStarted(child.pid)
    this.#armLimits()
  }

  /** Undefined when the system refused to run it. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Where `stdin` is `pipe`. Its errors (EPIPE after the end) are swallowed; `exited` tells. */
  get stdin(): Writable | undefined {
    return this.#child.stdin ?? undefined
  }

  get stdout(): Readable | undefined {
    return this.#child.stdout ?? undefined
  }

  /** What it writes to descriptor 3 + `index`. */
  extraPipe(index: number): Readable | undefined {
    // Node makes a duplex socket of each pipe beyond the third.
    return (this.#child.stdio[3 + index] as Readable | null | undefined) ?? undefined
  }

  get isRunning(): boolean {
    return !this.#isGone && this.#child.pid !== undefined
  }

  /** The last lines on standard error so far, without credentials. */
  get stderrTail(): readonly string[] {
    return this.#tail.lines
  }

  /** Resolves when it is gone and what it wrote has been read (or a second later); never rejects. */
  get exited(): Promise<ProcessExit> {
    return this.#exit.promise
  }

  /** It does what it is for: the limit for its start is over. */
  started(): void {
    this.#startTimer?.cancel()
  }

  /** Asks it to end (SIGTERM), and kills it when it does not. Resolves with its end; may be called often. */
  async stop(): Promise<ProcessExit> {
    if (this.isRunning && this.#killTimer === undefined) {
      this.#reason ??= 'stopped'
      this.#signal('SIGTERM')
      this.#killTimer = this.#supervision.clock.schedule(this.#spec.stopLimitMs ?? STOP_LIMIT_MS, () =>
        this.#signal('SIGKILL'),
      )
    }
    return this.exited
  }

  /** Ends it at once (SIGKILL). */
  kill(): void {
    this.#reason ??= 'stopped'
    this.#signal('SIGKILL')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #armLimits(): void {
    const { clock } = this.#supervision
    const { startLimitMs, runLimitMs } = this.#spec
    const end = (reason: ProcessExit['reason']) => () => {
      this.#reason ??= reason
      this.#signal('SIGKILL')
    }
    if (startLimitMs !== undefined) this.#startTimer = clock.schedule(startLimitMs, end('start_timeout'))
    if (runLimitMs !== undefined) this.#runTimer = clock.schedule(runLimitMs, end('run_timeout'))
  }

  /** To the process and its group, while it is ours: a number is given to another only after its end was collected. */
  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child
    if (!this.#isGone && pid !== undefined) signalGroup(pid, signal)
  }

  #gone(): void {
    if (this.#isGone) return
    const { pid } = this.#child
    // While anything is left of its group, its number is not given away; so this reaches only what it started itself.
    if (pid !== undefined) signalGroup(pid, 'SIGKILL')
    this.#isGone = true
    for (const timer of [this.#startTimer, this.#runTimer, this.#killTimer]) timer?.cancel()
    this.#supervision.onGone(pid)
    this.#pipesTimer = this.#supervision.clock.schedule(PIPES_LIMIT_MS, () => this.#tell())
  }

  #failed(error: Error): void {
    // Node also says so when a signal could not be sent; only a process without a number was never there.
    if (this.#child.pid !== undefined) return
    this.#reason = 'not_started'
    this.#tail.push(Buffer.from(`${errorMessage(error)}\n`))
    this.#gone()
    this.#tell()
  }

  #tell(): void {
    if (this.#isTold || !this.#isGone) return
    this.#isTold = true
    this.#pipesTimer?.cancel()
    this.#tail.end()
    const { exitCode: code, signalCode: signal } = this.#child
    this.#exit.resolve({ reason: this.#reason ?? 'exited', code, signal, stderrTail: [...this.#tail.lines] })
  }

  #lowerPriority(pid: number): void {
    const { priority = 'normal' } = this.#spec
    if (priority === 'normal') return
    try {
      setPriority(pid, PRIORITIES[priority])
    } catch {
      // It has ended already, or may not be changed.
    }
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // Nothing is left of the group.
  }
}
