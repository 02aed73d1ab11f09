import { AnsweringChild } from './answering-child.ts'
import { steadyPort } from './steady-port.ts'

/** What the replica's process is told, and what it tells. */
export type ReplicaCommand =
  { readonly kind: 'start'; readonly name: string; readonly port: number } | { readonly kind: 'seen' }

export interface SeenRequest {
  readonly method: string
  readonly url: string
  /** Names and values as they were sent. */
  readonly fields: readonly string[]
}

export interface ReplicaReport {
  readonly kind: 'started' | 'seen'
  readonly port: number
  /** Requests but HEAD, oldest first. */
  readonly seen: readonly SeenRequest[]
  /** Answers that whoever asked did not wait for. */
  readonly cancelled: number
}

const CHILD = new URL('./replica-child.ts', import.meta.url)

/** A replica in a process of its own, which can be killed as a machine dies and brought back on the same port. */
export class ReplicaProcess implements AsyncDisposable {
  readonly name: string
  #child: AnsweringChild<ReplicaCommand, ReplicaReport> | undefined
  #port = 0

  private constructor(name: string) {
    this.name = name
  }

  static async start(name: string): Promise<ReplicaProcess> {
    const replica = new ReplicaProcess(name)
    await replica.up()
    return replica
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async up(): Promise<void> {
    if (this.#port === 0) this.#port = await steadyPort()
    this.#child = new AnsweringChild(CHILD, `replica ${this.name}`)
    await this.#ask({ kind: 'start', name: this.name, port: this.#port })
  }

  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    await child?.kill()
  }

  /** It answers nothing any more and says nothing: connections stand and are even accepted. */
  freeze(): void {
    this.#child?.freeze()
  }

  thaw(): void {
    this.#child?.thaw()
  }

  /** Since it was brought up last. */
  async seen(): Promise<readonly SeenRequest[]> {
    return (await this.#ask({ kind: 'seen' })).seen
  }

  async cancelled(): Promise<number> {
    return (await this.#ask({ kind: 'seen' })).cancelled
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  async #ask(command: ReplicaCommand): Promise<ReplicaReport> {
    if (this.#child === undefined) throw new Error(`replica ${this.name} is down`)
    return await this.#child.ask(command)
  }
}
