import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** What the process that counts bytes is told. */
export type CounterCommand =
  | {
      readonly kind: 'open'
      readonly host: string
      readonly port: number
      readonly paths: readonly string[]
      /** Each reads at most so much a second; unset: as fast as it comes. */
      readonly bytesPerSecond: number | undefined
    }
  | { readonly kind: 'count' }
  | { readonly kind: 'close' }

export interface Count {
  /** Viewers whose connection is open. */
  readonly open: number
  readonly totalBytes: number
  /** Of the viewer that got the least and the most. */
  readonly leastBytes: number
  readonly mostBytes: number
}

const CHILD = new URL('./byte-counter-child.ts', import.meta.url)

/** Viewers in a process of their own that do nothing but count, so that what they cost is not the gateway's cost. */
export class ByteCounters implements AsyncDisposable {
  readonly #child: ChildProcess

  constructor() {
    this.#child = fork(CHILD, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  }

  async open(url: string, paths: readonly string[], bytesPerSecond?: number): Promise<Count> {
    const { hostname, port } = new URL(url)
    return await this.#ask({ kind: 'open', host: hostname, port: Number(port), paths, bytesPerSecond })
  }

  async count(): Promise<Count> {
    return await this.#ask({ kind: 'count' })
  }

  async close(): Promise<void> {
    await this.#ask({ kind: 'close' })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  async #ask(command: CounterCommand): Promise<Count> {
    this.#child.send(command)
    const [count] = (await once(this.#child, 'message')) as [Count]
    return count
  }
}
