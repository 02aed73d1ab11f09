import { AnsweringChild } from './answering-child.ts'
import type { Programme } from './media.ts'

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

type HlsOriginChild = AnsweringChild<HlsOriginCommand, HlsOriginReport>

const CHILD = new URL('./hls-origin-child.ts', import.meta.url)

/** An HLS origin in a process of its own, which can be killed as a machine dies: without a word. */
export class HlsOriginProcess implements AsyncDisposable {
  readonly url: string
  readonly #child: HlsOriginChild

  private constructor(child: HlsOriginChild, url: string) {
    this.#child = child
    this.url = url
  }

  static async start(options: HlsOriginProcessOptions): Promise<HlsOriginProcess> {
    const child: HlsOriginChild = new AnsweringChild(CHILD, 'the HLS origin')
    const report = await child.ask({ kind: 'start', options })
    if (report.kind !== 'started') throw new Error(`the origin's process said ${report.kind}`)
    return new HlsOriginProcess(child, report.url)
  }

  async counts(): Promise<HlsOriginCounts> {
    const report = await this.#child.ask({ kind: 'counts' })
    if (report.kind !== 'counts') throw new Error(`the origin's process said ${report.kind}`)
    return report.counts
  }

  async forget(): Promise<void> {
    await this.#child.ask({ kind: 'forget' })
  }

  async kill(): Promise<void> {
    await this.#child.kill()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}
