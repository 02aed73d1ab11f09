import { ProcessUnavailable } from './process-spec.ts'
import type { Processes } from './processes.ts'
import { runProcess } from './run-process.ts'

const ANSWER_LIMIT_MS = 5_000
const ANSWER_BYTES_MAX = 64 * 1024

/** What installed programs say of their version, each asked once. */
export class ProgramVersions {
  readonly #processes: Processes
  readonly #answers = new Map<string, Promise<string | undefined>>()

  constructor(processes: Processes) {
    this.#processes = processes
  }

  /** The first line that `program` answers to `args`; undefined where there is no such program, or it gives no answer. */
  async of(program: string, args: readonly string[]): Promise<string | undefined> {
    const known = this.#answers.get(program) ?? this.#ask(program, args)
    this.#answers.set(program, known)
    const answer = await known
    // It may be installed, or answer, later.
    if (answer === undefined) this.#answers.delete(program)
    return answer
  }

  async #ask(program: string, args: readonly string[]): Promise<string | undefined> {
    try {
      const { exit, output } = await runProcess(this.#processes, {
        ...{ kind: 'probe', program, args, runLimitMs: ANSWER_LIMIT_MS, outputBytesMax: ANSWER_BYTES_MAX },
      })
      return exit.code === 0 ? output.toString('utf8').split('\n')[0]?.trim() : undefined
    } catch (error) {
      if (error instanceof ProcessUnavailable) return undefined
      throw error
    }
  }
}
