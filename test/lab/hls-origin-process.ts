import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Programme } from './media.ts'
import { until } from './poll.ts'

/** What the origin's process is told. */
export type HlsOriginCommand =
  | { readonly kind: 'start'; readonly options: HlsOriginProcessOptions }
  | { readonly kind: 'counts' }
  /** Requests are counted anew from here on. */
  | { readonly kind: 'forget' }

export interface HlsOriginProcessOptions {
  /** The name in its marks. */
  readonly source: string
  readonly programme: Programme
  readonly videoKbps?: number
  readonly segmentMs?: number
}

/** What has been asked of an origin. */
export interface HlsOriginCounts {
  readonly playlists: number
  readonly segmentRequests: number
  /** Different segments that were asked for. */
  readonly segments: number
  /** Requests for the segment that was asked for most often. */
  readonly mostForOne: number
}

export type HlsOriginReport =
  | { readonly kind: 'started'; readonly url: string }
  | { readonly kind: 'counts'; readonly counts: HlsOriginCounts }
  | { readonly kind: 'done' }

const CHILD = new URL('./hls-origin-child.ts', import.meta.url)

/** An HLS origin in a process of its own, which can be killed as a machine dies: without a word. */
export class HlsOriginProcess implements AsyncDisposable {
  readonly url: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, url: string) {
    this.#child = child
    this.url = url
  }

  static async start(options: HlsOriginProcessOptions): Promise<HlsOriginProcess> {
    const child = fork(CHILD, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const report = await ask(child, { kind: 'start', options })
    if (report.kind !== 'started') throw new Error(`the origin's process said ${report.kind}`)
    return new HlsOriginProcess(child, report.url)
  }

  async counts(): Promise<HlsOriginCounts> {
    const report = await ask(this.#child, { kind: 'counts' })
    if (report.kind !== 'counts') throw new Error(`the origin's process said ${report.kind}`)
    return report.counts
  }

  async forget(): Promise<void> {
    await ask(this.#child, { kind: 'forget' })
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

async function ask(child: ChildProcess, command: HlsOriginCommand): Promise<HlsOriginReport> {
  const answered = new AbortController()
  const { signal } = answered
  try {
    child.send(command)
    return await Promise.race([
      once(child, 'message', { signal }).then(([message]) => message as HlsOriginReport),
      once(child, 'exit', { signal }).then(([code]) => {
        throw new Error(`the origin's process ended with ${String(code)}`)
      }),
    ])
  } finally {
    answered.abort()
  }
}
