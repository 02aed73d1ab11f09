import { AnsweringChild } from './answering-child.ts'
import type { Answer, Fault } from './fault.ts'
import type { FaultOriginOptions } from './fault-origin.ts'

/** What the origin's process is told, and what it tells. */
export type OriginCommand =
  | { readonly kind: 'start'; readonly origins: readonly FaultOriginOptions[] }
  | { readonly kind: 'answer'; readonly name: string; readonly answer: Answer }
  | { readonly kind: 'inject'; readonly name: string; readonly fault: Fault }
  | { readonly kind: 'refuse'; readonly name: string }
  | { readonly kind: 'accept'; readonly name: string }

export type OriginReport =
  { readonly kind: 'started'; readonly urls: Readonly<Record<string, string>> } | { readonly kind: 'done' }

type OriginChild = AnsweringChild<OriginCommand, OriginReport>

const CHILD = new URL('./origin-child.ts', import.meta.url)

/** Origins in a process of their own, which can be killed as a machine dies: without a word. */
export class OriginProcess implements AsyncDisposable {
  readonly urls: Readonly<Record<string, string>>
  readonly #child: OriginChild

  private constructor(child: OriginChild, urls: Readonly<Record<string, string>>) {
    this.#child = child
    this.urls = urls
  }

  static async start(origins: readonly FaultOriginOptions[]): Promise<OriginProcess> {
    const child: OriginChild = new AnsweringChild(CHILD, 'the origin')
    const report = await child.ask({ kind: 'start', origins })
    if (report.kind !== 'started') throw new Error(`the origin's process said ${report.kind}`)
    return new OriginProcess(child, report.urls)
  }

  get pid(): number {
    return this.#child.pid
  }

  url(name: string): string {
    const url = this.urls[name]
    if (url === undefined) throw new Error(`no origin is called ${name}`)
    return url
  }

  async command(command: Exclude<OriginCommand, { kind: 'start' }>): Promise<void> {
    await this.#child.ask(command)
  }

  async kill(): Promise<void> {
    await this.#child.kill()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}
