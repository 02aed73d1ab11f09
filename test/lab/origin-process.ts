import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Answer, Fault } from './fault.ts'
import type { FaultOriginOptions } from './fault-origin.ts'
import { until } from './poll.ts'

/** What the origin's process is told, and what it tells. */
export type OriginCommand =
  | { readonly kind: 'start'; readonly origins: readonly FaultOriginOptions[] }
  | { readonly kind: 'answer'; readonly name: string; readonly answer: Answer }
  | { readonly kind: 'inject'; readonly name: string; readonly fault: Fault }
  | { readonly kind: 'refuse'; readonly name: string }
  | { readonly kind: 'accept'; readonly name: string }

export type OriginReport =
  { readonly kind: 'started'; readonly urls: Readonly<Record<string, string>> } | { readonly kind: 'done' }

const CHILD = new URL('./origin-child.ts', import.meta.url)

/** Origins in a process of their own, which can be killed as a machine dies: without a word. */
export class OriginProcess implements AsyncDisposable {
  readonly urls: Readonly<Record<string, string>>
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, urls: Readonly<Record<string, string>>) {
    this.#child = child
    this.urls = urls
  }

  static async start(origins: readonly FaultOriginOptions[]): Promise<OriginProcess> {
    const child = fork(CHILD, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const report = await ask(child, { kind: 'start', origins })
    if (report.kind !== 'started') throw new Error(`the origin's process said ${report.kind}`)
    return new OriginProcess(child, report.urls)
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the origin has no process')
    return this.#child.pid
  }

  url(name: string): string {
    const url = this.urls[name]
    if (url === undefined) throw new Error(`no origin is called ${name}`)
    return url
  }

  async command(command: Exclude<OriginCommand, { kind: 'start' }>): Promise<void> {
    await ask(this.#child, command)
  }

  /** SIGKILL: the system closes its sockets, nobody says goodbye. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await until(() => this.#child.signalCode !== null || this.#child.exitCode !== null, {
      what: 'the end of the origin',
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

async function ask(child: ChildProcess, command: OriginCommand): Promise<OriginReport> {
  const answered = new AbortController()
  const { signal } = answered
  try {
    child.send(command)
    return await Promise.race([
      once(child, 'message', { signal }).then(([message]) => message as OriginReport),
      once(child, 'exit', { signal }).then(([code]) => {
        throw new Error(`the origin's process ended with ${String(code)}`)
      }),
    ])
  } finally {
    answered.abort()
  }
}
