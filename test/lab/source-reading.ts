import { systemClock } from '../../src/lib/clock.ts'
import type {
  SourceFailure,
  SourceHead,
  SourceReader,
  SourceRequest,
  SourceTransport,
} from '../../src/streams/sources/http-client.ts'
import { until } from './poll.ts'
import { TsRecord } from './ts-record.ts'

/** A source that is read by one transport, with all that came of it. */
export class SourceReading implements Disposable {
  /** What the marks of the lab in it say. */
  readonly record = new TsRecord()
  /** Its head and its end, in order. */
  readonly calls: string[] = []
  readonly startMs = systemClock.nowMs()
  head: SourceHead | undefined
  failure: SourceFailure | undefined
  isEnded = false
  bytes = 0
  /** Whether the handler asks for more. */
  takesMore = true
  readonly reader: SourceReader
  readonly #chunks: Buffer[] = []
  readonly #abort = new AbortController()

  constructor(transport: SourceTransport, request: Pick<SourceRequest, 'url'> & Partial<SourceRequest>) {
    this.reader = transport(
      {
        ...{ method: 'GET', headers: {}, userAgent: 'lab', connectTimeoutMs: 5_000, answerTimeoutMs: 10_000 },
        ...{ operatorHosts: new Set([new URL(request.url).hostname]), signal: this.#abort.signal, ...request },
      },
      {
        onHead: (head) => {
          this.head = head
          this.calls.push(`head ${head.status}`)
          return 'accept'
        },
        onData: (chunk) => {
          this.#chunks.push(Buffer.from(chunk))
          this.bytes += chunk.length
          this.record.push(chunk, systemClock.nowMs())
          return this.takesMore
        },
        onEnd: () => {
          this.isEnded = true
          this.calls.push('end')
        },
        onFailure: (failure) => {
          this.failure = failure
          this.calls.push(`failure ${failure.kind}`)
        },
      },
      { clock: systemClock },
    )
  }

  get body(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  async untilBytes(count: number): Promise<void> {
    await until(() => this.bytes >= count || this.failure !== undefined, { what: `${count} bytes`, deadlineMs: 20_000 })
    if (this.bytes < count) throw new Error(`only ${this.bytes} bytes: ${JSON.stringify(this.failure)}`)
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

  async untilFailed(deadlineMs = 15_000): Promise<SourceFailure> {
    return await until(() => this.failure, { what: 'a failure', deadlineMs, evidence: () => this.bytes })
  }

  /** How it ended. */
  async end(): Promise<SourceFailure | 'end'> {
    await until(() => this.isEnded || this.failure !== undefined, { what: 'an end', deadlineMs: 20_000 })
    return this.failure ?? 'end'
  }

  [Symbol.dispose](): void {
    this.reader.close()
  }
}
