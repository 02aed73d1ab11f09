import type { Clock, Timer } from '../../../lib/clock.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import { SegmentFetch } from './segment-fetch.ts'
import type { SegmentReader, SegmentRequest } from './segment.ts'

export interface SegmentCacheOptions {
  readonly clock: Clock
  /** Complete segments are let go, the least recently read first, while everything together is larger. */
  readonly bytesMax: number
  /** Complete segments that nobody has asked for within this time are let go. */
  readonly ageMsMax: number
}

/** A failure is the answer for so long, so that a thousand viewers make one request out of it. */
const FAILURE_MS = 1_000
/** Fetches at once in all; one more fails. */
const FETCHES_MAX = 64
const SWEEP_MS = 1_000

interface Entry {
  key: string
  readonly fetch: SegmentFetch
  readonly isMade: boolean
  usedAtMs: number
}

const TOO_MANY: SourceFailure = { kind: 'internal', message: `more than ${FETCHES_MAX} segments are being fetched` }
const DISPOSED: SourceFailure = { kind: 'aborted', message: 'the stream has ended' }

/**
 * Segments, fetched once for all who read them, streamed to them while they arrive, and kept for those who come later.
 * What failed is not kept beyond a second.
 */
export class SegmentCache implements Disposable {
  readonly #options: SegmentCacheOptions
  /** In the order of use, the least recent first. */
  readonly #entries = new Map<string, Entry>()
  #sweepTimer: Timer | undefined
  #bytes = 0
  #fetches = 0
  #bytesReceived = 0
  #isDisposed = false

  constructor(options: SegmentCacheOptions) {
    this.#options = options
  }

  /** Bytes in memory, those that are arriving included. */
  get bytes(): number {
    return this.#bytes
  }

  /** Requests made so far. */
  get fetches(): number {
    return this.#fetches
  }

  /** Bytes that came from sources so far. */
  get bytesReceived(): number {
    return this.#bytesReceived
  }

  /** Requests that are under way. */
  get connections(): number {
    return this.#fetching().filter(({ isMade }) => !isMade).length
  }

  /** Whether it is here whole, so that no request would be made. */
  has(request: SegmentRequest): boolean {
    return this.#entries.get(keyOf(request))?.fetch.state === 'complete'
  }

  /** Reads a segment: from memory, along with a fetch that is under way, or with a new one; none is begun any more after its end. */
  open(request: SegmentRequest): SegmentReader {
    if (this.#isDisposed) return failedReader(DISPOSED)
    const known = this.#known(request)
    if (known !== undefined) return known.fetch.reader()
    if (this.#fetching().length >= FETCHES_MAX) return failedReader(TOO_MANY)
    return this.#begin(request).fetch.reader()
  }

  /** Bytes that are here of it. */
  bytesOf(request: SegmentRequest): number {
    return this.#entries.get(keyOf(request))?.fetch.bytes ?? 0
  }

  /** It is not too old yet, though nobody has read it. False where it is not here whole. */
  keep(request: SegmentRequest): boolean {
    const entry = this.#entries.get(keyOf(request))
    if (entry?.fetch.state !== 'complete') return false
    entry.usedAtMs = this.#options.clock.nowMs()
    return true
  }

  /** What is here, or on its way, under one name is had under another from now on, unless that is taken. */
  rename(from: SegmentRequest, to: SegmentRequest): void {
    const [before, now] = [keyOf(from), keyOf(to)]
    const entry = this.#entries.get(before)
    if (entry === undefined || this.#entries.has(now)) return
    this.#entries.delete(before)
    entry.key = now
    this.#entries.set(now, entry)
  }

  /** Nobody will ask for it: it is given up, or let go. Readers that are left are told, or keep their buffers. */
  drop(request: SegmentRequest): void {
    const key = keyOf(request)
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#remove(key)
    entry.fetch.cancel()
  }

  /** Gives up what is being fetched; what is complete stays until it is old. */
  cancelFetches(sessionKey: string): void {
    for (const [key, { fetch }] of this.#entries) {
      if (key.startsWith(`${sessionKey} `) && fetch.state === 'fetching') {
        this.#remove(key)
        fetch.cancel()
      }
    }
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true
    this.#sweepTimer?.cancel()
    for (const [key, { fetch }] of this.#entries) {
      this.#remove(key)
      fetch.cancel()
    }
  }

  #known(request: SegmentRequest): Entry | undefined {
    const key = keyOf(request)
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (entry.fetch.state === 'failed' && (request.isRetry === true || this.#ageMs(entry) > FAILURE_MS)) {
      this.#remove(key)
      return undefined
    }
    if (entry.fetch.state !== 'failed') entry.usedAtMs = this.#options.clock.nowMs()
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry
  }

  #begin(request: SegmentRequest): Entry {
    const { clock } = this.#options
    const key = keyOf(request)
    const entry: Entry = {
      key,
      isMade: request.isMade === true,
      usedAtMs: clock.nowMs(),
      fetch: new SegmentFetch({
        request,
        clock,
        onBytes: (bytes) => {
          if (request.isMade !== true) this.#bytesReceived += bytes
          if (this.#entries.get(entry.key) !== entry) return
          this.#bytes += bytes
          this.#makeRoom()
        },
        onDone: () => {
          entry.usedAtMs = clock.nowMs()
        },
        onUnread: () => {
          if (entry.fetch.state !== 'fetching') return
          if (this.#entries.get(entry.key) === entry) this.#remove(entry.key)
          entry.fetch.cancel()
        },
      }),
    }
    this.#entries.set(key, entry)
    if (request.isMade !== true) this.#fetches += 1
    entry.fetch.begin()
    this.#armSweep()
    return entry
  }

  #fetching(): readonly Entry[] {
    return [...this.#entries.values()].filter(({ fetch }) => fetch.state === 'fetching')
  }

  #ageMs(entry: Entry): number {
    return this.#options.clock.nowMs() - entry.usedAtMs
  }

  /** What is arriving is never let go: somebody reads it. Readers of what is let go keep their buffers. */
  #makeRoom(): void {
    for (const [key, { fetch }] of this.#entries) {
      if (this.#bytes <= this.#options.bytesMax) return
      if (fetch.state !== 'fetching') this.#remove(key)
    }
  }

  #remove(key: string): void {
    this.#bytes -= this.#entries.get(key)?.fetch.bytes ?? 0
    this.#entries.delete(key)
  }

  #armSweep(): void {
    this.#sweepTimer ??= this.#options.clock.schedule(SWEEP_MS, () => {
      this.#sweepTimer = undefined
      for (const [key, entry] of this.#entries) {
        const limitMs = entry.fetch.state === 'failed' ? FAILURE_MS : this.#options.ageMsMax
        if (entry.fetch.state !== 'fetching' && this.#ageMs(entry) > limitMs) this.#remove(key)
      }
      if (this.#entries.size > 0) this.#armSweep()
    })
  }
}

function keyOf({ session, url, byteRange }: SegmentRequest): string {
  const range = byteRange === undefined ? '' : `${byteRange.offset}+${byteRange.length}`
  return `${session.key} ${range} ${url}`
}

function failedReader(failure: SourceFailure): SegmentReader {
  const failed = { kind: 'failed', failure } as const
  return { head: async () => failed, next: async () => failed, close: () => {} }
}
