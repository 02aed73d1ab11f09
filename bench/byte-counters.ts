import { AnsweringChild } from '../test/lab/answering-child.ts'

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
  readonly #child = new AnsweringChild<CounterCommand, Count>(CHILD, 'the viewers')

  async open(url: string, paths: readonly string[], bytesPerSecond?: number): Promise<Count> {
    const { hostname, port } = new URL(url)
    return await this.#child.ask({ kind: 'open', host: hostname, port: Number(port), paths, bytesPerSecond })
  }

  async count(): Promise<Count> {
    return await this.#child.ask({ kind: 'count' })
  }

  async close(): Promise<void> {
    await this.#child.ask({ kind: 'close' })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.kill()
  }
}
