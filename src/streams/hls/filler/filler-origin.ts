import type { Clock } from '../../../lib/clock.ts'
import type { SourceReader, SourceResponseHandler } from '../../sources/http-client.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { WantedStreams } from '../transmux/recipe.ts'
import type { SourceAccess } from '../upstream/hls-session.ts'
import type { FetchTimeouts, ResourceAnswer } from '../upstream/resource.ts'
import type { FillerSegments } from './filler-segments.ts'

export interface FillerOriginOptions {
  /** Tells it from sources and from others of its kind; letters, digits and dots. */
  readonly id: string
  readonly segments: FillerSegments
  readonly clock: Clock
}

/** There at once, so that players that have nothing left need not wait. */
const PREROLL = 3
const WINDOW = 6
/** Names that no resolver knows (RFC 2606 §2): nothing of it goes over a network. */
const HOST = 'http://filler.invalid'
const PLAYLIST_TYPE = 'application/vnd.apple.mpegurl'
const TIMEOUTS: FetchTimeouts = { connectMs: 1_000, answerMs: 1_000, silenceMs: 1_000, totalMs: 5_000 }
const GONE: SourceFailure = { kind: 'segment_missing', message: 'is not kept any more', status: 404 }

/** The playlist of one kind of media below the entry. */
export function fillerPlaylist(streams: WantedStreams): string {
  return `${streams}/index.m3u8`
}

/** Answers as an HLS source does, out of memory: a slate that is published in real time, a segment whenever one is due. */
export class FillerOrigin implements SourceAccess {
  readonly #options: FillerOriginOptions
  readonly #startMs: number

  constructor(options: FillerOriginOptions) {
    this.#options = options
    this.#startMs = options.clock.nowMs()
  }

  get key(): string {
    return this.#options.id
  }

  get timeouts(): FetchTimeouts {
    return TIMEOUTS
  }

  get segmentTimeouts(): FetchTimeouts {
    return TIMEOUTS
  }

  get entryUrl(): string {
    return `${HOST}/${this.#options.id}/index.m3u8`
  }

  entryAnswered(): void {}

  entryFailed(): boolean {
    return false
  }

  suspend(): void {}

  resume(): void {}

  closeConnections(): void {}

  [Symbol.dispose](): void {}

  async fetch(url: string): Promise<ResourceAnswer> {
    const text = url === this.entryUrl ? MASTER : this.#mediaText()
    const head = { status: 200, headers: { 'content-type': PLAYLIST_TYPE }, finalUrl: url, elapsedMs: 0 }
    return { kind: 'answered', resource: { ...head, body: Buffer.from(text) } }
  }

  open(url: string, _range: string | undefined, handler: SourceResponseHandler): SourceReader {
    let isClosed = false
    const [, streams, number] = /\/(all|video|audio)\/(\d+)\.ts(?:#.*)?$/.exec(url) ?? []
    queueMicrotask(() => {
      if (isClosed) return
      const index = Number(number)
      const isDue = number !== undefined && index < this.#edge
      const body = isDue ? this.#options.segments.segment(index, streams as WantedStreams) : undefined
      if (body === undefined) {
        handler.onFailure(GONE)
        return
      }
      const headers = { 'content-type': 'video/mp2t', 'content-length': String(body.length) }
      if (handler.onHead({ status: 200, headers, finalUrl: url, elapsedMs: 0 }) === 'reject') return
      handler.onData(body)
      if (!isClosed) handler.onEnd()
    })
    return { close: () => void (isClosed = true), pause: () => {}, resume: () => {} }
  }

  /** The number of the next segment to appear. */
  get #edge(): number {
    const { clock, segments } = this.#options
    return PREROLL + segments.countWithin(clock.nowMs() - this.#startMs)
  }

  #mediaText(): string {
    const { segments } = this.#options
    const first = Math.max(0, this.#edge - WINDOW)
    const numbers = Array.from({ length: this.#edge - first }, (_, at) => first + at)
    const durations = numbers.map((index) => segments.durationMs(index) / 1_000)
    const named = numbers.flatMap((index, at) => [`#EXTINF:${(durations[at] ?? 0).toFixed(5)},`, `${index}.ts`])
    const targetS = Math.max(1, ...durations.map((durationS) => Math.round(durationS)))
    const head = ['#EXTM3U', '#EXT-X-VERSION:3', `#EXT-X-TARGETDURATION:${targetS}`]
    return [...head, `#EXT-X-MEDIA-SEQUENCE:${first}`, ...named, ''].join('\n')
  }
}

const KINDS: readonly WantedStreams[] = ['all', 'video', 'audio']
const MASTER = [
  '#EXTM3U',
  ...KINDS.flatMap((kind) => ['#EXT-X-STREAM-INF:BANDWIDTH=1', fillerPlaylist(kind)]),
  '',
].join('\n')
