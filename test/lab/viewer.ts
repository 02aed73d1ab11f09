import { request } from 'node:http'
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { systemClock } from '../../src/lib/clock.ts'
import type { Timer } from '../../src/lib/clock.ts'
import { until } from './poll.ts'
import { TsRecord } from './ts-record.ts'

export interface ViewerOptions {
  readonly url: string
  readonly method?: 'GET' | 'HEAD'
  readonly headers?: Readonly<Record<string, string>>
  /** Reads at most this many bytes a second; unset: as fast as they come. */
  readonly bytesPerSecond?: number
  /** How much of the body to keep for later inspection. */
  readonly keepBytesMax?: number
}

export interface Arrival {
  readonly atMs: number
  readonly bytes: number
}

/** `open`: no answer yet; `reading`; `ended`: the body's proper end; `cut`: anything else. */
export type ViewerState = 'open' | 'reading' | 'ended' | 'cut'

const KEEP_BYTES_MAX = 32 * 1024 * 1024
const ARRIVALS_MAX = 200_000
const SLOW_TICK_MS = 50
const START_DEADLINE_MS = 20_000

/** One viewer on one connection; it never reconnects, so whatever it sees after a fault came over the same connection. */
export class Viewer implements Disposable {
  readonly record = new TsRecord()
  readonly arrivals: Arrival[] = []
  readonly #options: ViewerOptions
  readonly #request: ClientRequest
  readonly #kept: Buffer[] = []
  readonly openedMs: number
  #keptBytes = 0
  #response: IncomingMessage | undefined
  #slowTimer: Timer | undefined
  #paused = false
  state: ViewerState = 'open'
  /** Why the connection ended, when it was cut. */
  reason = ''
  totalBytes = 0
  status = 0
  headers: IncomingHttpHeaders = {}

  constructor(options: ViewerOptions) {
    this.#options = options
    this.openedMs = systemClock.nowMs()
    this.#request = request(options.url, {
      agent: false,
      method: options.method ?? 'GET',
      headers: { 'user-agent': 'holdfast-lab', ...options.headers },
    })
    this.#request.on('response', (response) => this.#answered(response))
    this.#request.on('error', (error) => this.#ended('cut', error.message))
    this.#request.end()
  }

  get body(): Buffer {
    return Buffer.concat(this.#kept)
  }

  get text(): string {
    return this.body.toString('utf8')
  }

  /** The body as JSON, for an answer that is an error. */
  get json(): unknown {
    return JSON.parse(this.text) as unknown
  }

  get sources(): readonly string[] {
    return this.record.sources
  }

  /** The source of the latest bytes. */
  get source(): string | undefined {
    return this.record.stretches.at(-1)?.source
  }

  get isAlive(): boolean {
    return this.state === 'open' || this.state === 'reading'
  }

  /** Milliseconds from the request to the first byte of the body. */
  get firstByteMs(): number | undefined {
    const first = this.arrivals[0]
    return first === undefined ? undefined : first.atMs - this.openedMs
  }

  /** The longest pause between two arrivals that ended after `sinceMs`. */
  longestGapMs(sinceMs = this.openedMs): number {
    let longest = 0
    for (const [index, arrival] of this.arrivals.entries()) {
      const before = this.arrivals[index - 1]
      if (before !== undefined && arrival.atMs > sinceMs) longest = Math.max(longest, arrival.atMs - before.atMs)
    }
    return longest
  }

  /** Resolves when the head of the answer is there. */
  async answered(deadlineMs = START_DEADLINE_MS): Promise<this> {
    await until(() => this.status > 0 || !this.isAlive, { what: 'an answer', deadlineMs })
    return this
  }

  /** Resolves when the viewer has `bytes` in all; throws if the connection ends first. */
  async hasRead(bytes: number, deadlineMs = START_DEADLINE_MS): Promise<void> {
    await this.#sees(() => this.totalBytes >= bytes, `${bytes} bytes`, deadlineMs)
  }

  /** Resolves with the stretch once the viewer reads bytes of `source`, at least `marks` of its marks. */
  async sees(source: string, { marks = 3, deadlineMs = START_DEADLINE_MS } = {}): Promise<void> {
    const isThere = () => this.source === source && (this.record.stretches.at(-1)?.marks ?? 0) >= marks
    await this.#sees(isThere, `media of ${source}`, deadlineMs)
  }

  /** Resolves with how the connection ended. */
  async finished(deadlineMs = START_DEADLINE_MS): Promise<ViewerState> {
    await until(() => !this.isAlive, { what: 'the end of the viewer', deadlineMs, evidence: () => this.summary() })
    return this.state
  }

  /** Stops reading; the connection stays open and its buffers fill up. */
  pause(): void {
    this.#paused = true
    this.#response?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#response?.resume()
  }

  /** Leaves, as a player that is closed. */
  close(): void {
    this.#ended('cut', 'closed by the viewer')
    this.#request.destroy()
  }

  summary(): Readonly<Record<string, unknown>> {
    const { state, reason, status, totalBytes, sources } = this
    return { state, reason, status, totalBytes, sources, misaligned: this.record.misalignedBytes }
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async #sees(isThere: () => boolean, what: string, deadlineMs: number): Promise<void> {
    const seen = await until(() => (isThere() ? 'yes' : !this.isAlive && 'over'), {
      what: `${what} at the viewer`,
      deadlineMs,
      evidence: () => this.summary(),
    })
    if (seen === 'over') throw new Error(`the viewer ended before ${what}: ${JSON.stringify(this.summary())}`)
  }

  #answered(response: IncomingMessage): void {
    this.#response = response
    this.status = response.statusCode ?? 0
    this.headers = response.headers
    this.state = 'reading'
    response.on('data', (bytes: Buffer) => this.#arrived(bytes))
    response.on('end', () => this.#ended(response.complete ? 'ended' : 'cut', 'end'))
    response.on('error', (error) => this.#ended('cut', error.message))
    response.on('close', () => this.#ended('cut', 'close'))
    if (this.#paused) response.pause()
  }

  #arrived(bytes: Buffer): void {
    const atMs = systemClock.nowMs()
    this.totalBytes += bytes.length
    if (this.arrivals.length < ARRIVALS_MAX) this.arrivals.push({ atMs, bytes: bytes.length })
    if (this.#keptBytes < (this.#options.keepBytesMax ?? KEEP_BYTES_MAX)) {
      this.#kept.push(bytes)
      this.#keptBytes += bytes.length
    }
    this.record.push(bytes, atMs)
    if (this.#options.bytesPerSecond !== undefined) this.#slowDown(this.#options.bytesPerSecond)
  }

  #slowDown(bytesPerSecond: number): void {
    if (this.#slowTimer !== undefined) return
    const aheadMs = (this.totalBytes / bytesPerSecond) * 1000 - (systemClock.nowMs() - this.openedMs)
    if (aheadMs < SLOW_TICK_MS) return
    this.#response?.pause()
    this.#slowTimer = systemClock.schedule(aheadMs, () => {
      this.#slowTimer = undefined
      if (!this.#paused) this.#response?.resume()
    })
  }

  #ended(state: 'ended' | 'cut', reason: string): void {
    if (!this.isAlive) return
    this.state = state
    this.reason = reason
    this.#slowTimer?.cancel()
  }
}
