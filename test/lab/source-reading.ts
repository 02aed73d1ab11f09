import { systemClock } from '../../src/lib/clock.ts'
import type {
  SourceFailure,
  SourceReader,
  SourceRequest,
  SourceTransport,
} from '../../src/streams/sources/http-client.ts'
import { until } from './poll.ts'

/** What has come of a source so far. */
export class SourceReading implements Disposable {
  readonly chunks: Buffer[] = []
  readonly calls: string[] = []
  failure: SourceFailure | undefined
  bytes = 0
  /** Whether the handler asks for more. */
  takesMore = true
  readonly reader: SourceReader
  readonly #abort = new AbortController()

  constructor(transport: SourceTransport, request: Pick<SourceRequest, 'url'> & Partial<SourceRequest>) {
    this.reader = transport(
      {
        ...{ method: 'GET', headers: {}, userAgent: 'lab', connectTimeoutMs: 5_000, answerTimeoutMs: 10_000 },
        ...{ operatorHosts: new Set([new URL(request.url).hostname]), signal: this.#abort.signal, ...request },
      },
      {
        onHead: ({ status }) => {
          this.calls.push(`head ${status}`)
          return 'accept'
        },
        onData: (chunk) => {
          this.chunks.push(chunk)
          this.bytes += chunk.length
          return this.takesMore
        },
        onEnd: () => void this.calls.push('end'),
        onFailure: (failure) => {
          this.failure = failure
          this.calls.push(`failure ${failure.kind}`)
        },
      },
      { clock: systemClock },
    )
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks)
  }

  async untilBytes(count: number): Promise<void> {
    await until(() => this.bytes >= count || this.failure !== undefined, { what: `${count} bytes`, deadlineMs: 20_000 })
    if (this.bytes < count) throw new Error(`only ${this.bytes} bytes: ${JSON.stringify(this.failure)}`)
  }

  /** How it ended. */
  async end(): Promise<SourceFailure | 'end'> {
    await until(() => this.calls.some((call) => !call.startsWith('head')), { what: 'an end', deadlineMs: 20_000 })
    return this.failure ?? 'end'
  }

  [Symbol.dispose](): void {
    this.reader.close()
  }
}
