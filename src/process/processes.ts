import { spawnSync } from 'node:child_process'
import type { Clock } from '../lib/clock.ts'
import { errorMessage } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { childEnvironment, programPath } from './environment.ts'
import { ProcessLedger } from './process-ledger.ts'
import { ProcessUnavailable } from './process-spec.ts'
import type { ProcessKind, ProcessSpec } from './process-spec.ts'
import { SupervisedProcess } from './supervised-process.ts'

export interface ProcessesOptions {
  /** Where the ledger is kept; below the data directory. */
  readonly directory: string
  readonly clock: Clock
  readonly log: Log
  /** How many of a kind may run at once; without: as many as are asked for. */
  readonly limits?: Readonly<Partial<Record<ProcessKind, number>>>
  /** Whether children are to be ended by the kernel when the gateway dies; by default where `setpriv` can do it. */
  readonly endsWithParent?: boolean
}

/** Starts the gateway's child processes, and sees to it that none outlives it. */
export class Processes implements AsyncDisposable {
  readonly #options: ProcessesOptions
  readonly #ledger: ProcessLedger
  readonly #running = new Map<SupervisedProcess, ProcessKind>()
  /** `setpriv --pdeathsig KILL --`, where there is one (Linux); it becomes the program, under the same number. */
  readonly #before: readonly string[]
  readonly #onExit = () => this.killAll()
  #isClosed = false

  /** Ends what a gateway that was killed has left running in the same directory. */
  constructor(options: ProcessesOptions) {
    this.#options = options
    this.#ledger = new ProcessLedger(options.directory)
    for (const { pid, program } of this.#ledger.endLeftOvers()) {
      options.log.warn('process_left_over', 'A process that an earlier run of the gateway had left behind was ended', {
        pid,
        program,
      })
    }
    this.#before = (options.endsWithParent ?? true) ? deathSignalCommand() : []
    process.on('exit', this.#onExit)
  }

  /** Whether the kernel ends the children when the gateway dies; if not, the next start does. */
  get endsWithParent(): boolean {
    return this.#before.length > 0
  }

  /** How many run of one kind, or of all. */
  running(kind?: ProcessKind): number {
    if (kind === undefined) return this.#running.size
    return [...this.#running.values()].filter((each) => each === kind).length
  }

  hasRoom(kind: ProcessKind): boolean {
    const limit = this.#options.limits?.[kind]
    return limit === undefined || this.running(kind) < limit
  }

  /** Whether there is such a program on the PATH. */
  isInstalled(program: string): boolean {
    return programPath(program) !== undefined
  }

  /** Starts a program. Throws ProcessUnavailable when it is not installed, as many run as may, or the gateway is ending. */
  start(spec: ProcessSpec): SupervisedProcess {
    const { kind, program } = spec
    if (this.#isClosed) throw new ProcessUnavailable('closed', 'the gateway is shutting down')
    const path = programPath(program)
    if (path === undefined) throw new ProcessUnavailable('program_missing', `${program} is not installed`)
    if (!this.hasRoom(kind)) {
      const limit = this.#options.limits?.[kind] ?? 0
      throw new ProcessUnavailable('limit_reached', `${limit} processes of the kind "${kind}" run already, no more may`)
    }
    const started = this.#launch(spec, path)
    if (started.isRunning) this.#running.set(started, kind)
    return started
  }

  /** Ends every process at once, without waiting. */
  killAll(): void {
    for (const running of this.#running.keys()) running.kill()
  }

  /** Stops every process and waits until all are gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#running.keys()].map(async (running) => running.stop()))
    process.off('exit', this.#onExit)
  }

  #launch(spec: ProcessSpec, path: string): SupervisedProcess {
    const [first, ...rest] = [...this.#before, path]
    try {
      const started: SupervisedProcess = new SupervisedProcess(spec, {
        clock: this.#options.clock,
        command: [first, ...rest],
        onStarted: (pid) => this.#record(pid, spec.program),
        onGone: (pid) => {
          this.#running.delete(started)
          if (pid !== undefined) this.#ledger.forget(pid)
        },
      })
      return started
    } catch (error) {
      // Some refusals of the system (too long a list of arguments) are thrown, others told later.
      throw new ProcessUnavailable('refused', `${spec.program} could not be run: ${errorMessage(error)}`)
    }
  }

  #record(pid: number, program: string): void {
    try {
      this.#ledger.record(pid, program)
    } catch (error) {
      // A full disk is no reason to take a channel off the air; the kernel still ends the process with the gateway.
      this.#options.log.warn('process_not_recorded', 'A child process could not be noted in the ledger', {
        pid,
        program,
        error: errorMessage(error),
      })
    }
  }
}

const SETPRIV_LIMIT_MS = 2_000

/** Tried, not assumed: the `setpriv` of BusyBox has no such option. */
function deathSignalCommand(): readonly string[] {
  const path = process.platform === 'linux' ? programPath('setpriv') : undefined
  const harmless = programPath('true')
  if (path === undefined || harmless === undefined) return []
  const command = [path, '--pdeathsig', 'KILL', '--']
  const { status } = spawnSync(path, [...command.slice(1), harmless], {
    ...{ env: childEnvironment(), stdio: 'ignore', timeout: SETPRIV_LIMIT_MS },
  })
  return status === 0 ? command : []
}
