import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** What the process that plays is told. */
export type HlsViewersCommand =
  { readonly kind: 'open'; readonly playlists: readonly string[] } | { readonly kind: 'count' }

/** What all viewers together have come to. */
export interface HlsViewersCount {
  readonly bytes: number
  readonly playlists: number
  readonly segments: number
  /** Answers other than 200, connections that broke, and segments that were gone before they could be had. */
  readonly failures: number
  /** Of the viewer that has got the fewest segments, and the most. */
  readonly fewestSegments: number
  readonly mostSegments: number
  /** From the request to the last byte, milliseconds, since the last count: the median and all but one in a hundred. */
  readonly segmentMsMedian: number
  readonly segmentMs99: number
}

const CHILD = new URL('./hls-viewers-child.ts', import.meta.url)

/** Players in a process of their own that follow playlists and load segments and do nothing with them. */
export class HlsViewers implements AsyncDisposable {
  readonly #child: ChildProcess

  constructor() {
    this.#child = fork(CHILD, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  }

  /** One viewer for each address. They come evenly over a target duration. */
  async open(playlists: readonly string[]): Promise<void> {
    await this.#ask({ kind: 'open', playlists })
  }

  async count(): Promise<HlsViewersCount> {
    return await this.#ask({ kind: 'count' })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  async #ask(command: HlsViewersCommand): Promise<HlsViewersCount> {
    this.#child.send(command)
    const [count] = (await once(this.#child, 'message')) as [HlsViewersCount]
    return count
  }
}
