import { systemClock } from '../../src/lib/clock.ts'
import type { SourceFailure, SourceHead, SourceReader, SourceTransport } from '../../src/streams/sources/http-client.ts'
import { until } from './poll.ts'
import { TsRecord } from './ts-record.ts'

export interface ReadingOptions {
  readonly transport: SourceTransport
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  /** Hosts that may be private; that of the URL by default. */
  readonly operatorHosts?: readonly string[]
  readonly answerTimeoutMs?: number
}

/** A source that is read by one transport, with all that came of it. */
export class HlsReading implements Disposable {
  readonly record = new TsRecord()
  readonly #chunks: Buffer[] = []
  readonly #reader: SourceReader
  readonly startMs = systemClock.nowMs()
  head: SourceHead | undefined
  failure: SourceFailure | undefined
  isEnded = false
  bytes = 0
  endMs: number | undefined

  constructor({ transport, url, headers = {}, operatorHosts, answerTimeoutMs = 8_000 }: ReadingOptions) {
    this.#reader = transport(
      {
        ...{ url, method: 'GET', headers, userAgent: 'holdfast-lab', connectTimeoutMs: 2_000, answerTimeoutMs },
        operatorHosts: new Set(operatorHosts ?? [new URL(url).hostname]),
        signal: new AbortController().signal,
      },
      {
        onHead: (head) => {
          this.head = head
          return 'accept'
        },
        onData: (chunk) => {
          this.bytes += chunk.length
          this.#chunks.push(Buffer.from(chunk))
          this.record.push(chunk, systemClock.nowMs())
          return true
        },
        onEnd: () => {
          this.isEnded = true
          this.endMs = systemClock.nowMs()
        },
        onFailure: (failure) => {
          this.failure = failure
          this.endMs = systemClock.nowMs()
        },
      },
      { clock: systemClock },
    )
  }

  get content(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  pause(): void {
    this.#reader.pause()
  }

  resume(): void {
    this.#reader.resume()
  }

  async untilFailed(deadlineMs = 15_000): Promise<SourceFailure> {
    return await until(() => this.failure, { what: 'a failure', deadlineMs, evidence: () => this.bytes })
  }

  /** Until so much media has come since the reading began, by the marks of the lab. */
  async untilMedia(ms: number, deadlineMs = ms + 10_000): Promise<void> {
    await until(
      () => {
        const first = this.record.stretches[0]
        const last = this.record.lastMark
        return first !== undefined && last !== undefined && last.dueMs - first.dueMs >= ms
      },
      { what: `${ms} ms of media`, deadlineMs, evidence: () => ({ bytes: this.bytes, failure: this.failure }) },
    )
  }

  [Symbol.dispose](): void {
    this.#reader.close()
  }
}
