import { fork } from 'node:child_process'
import type { ChildProcess, Serializable } from 'node:child_process'
import { once } from 'node:events'
import { until } from './poll.ts'

/** A module in a process of its own that answers each command with one report, and can be killed as a machine dies: without a word. */
export class AnsweringChild<Command extends Serializable, Report> implements AsyncDisposable {
  readonly #name: string
  readonly #child: ChildProcess

  /** `name` is for what is said of failures. */
  constructor(module: URL, name: string) {
    this.#name = name
    this.#child = fork(module, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.#name} has no process`)
    return this.#child.pid
  }

  async ask(command: Command): Promise<Report> {
    const answered = new AbortController()
    const { signal } = answered
    try {
      this.#child.send(command)
      return await Promise.race([
        once(this.#child, 'message', { signal }).then(([message]) => message as Report),
        once(this.#child, 'exit', { signal }).then(([code]) => {
          throw new Error(`the process of ${this.#name} ended with ${String(code)}`)
        }),
      ])
    } finally {
      answered.abort()
    }
  }

  /** SIGSTOP: it answers nothing any more and says nothing. */
  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  /** SIGKILL: the system closes its sockets, nobody says goodbye. */
  async kill(): Promise<void> {
    if (this.#hasEnded) return
    this.#child.kill('SIGKILL')
    await until(() => this.#hasEnded, { what: `the end of ${this.#name}` })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }
}
