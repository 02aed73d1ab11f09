import { createDecipheriv } from 'node:crypto'
import type { Decipheriv } from 'node:crypto'
import type { Clock } from '../../../lib/clock.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { HlsSession } from './hls-session.ts'
import type { SegmentKeys } from './segment-keys.ts'
import type { SegmentSource } from './segment-plan.ts'
import type { SegmentReader, SegmentRequest } from './segment.ts'

/** Where segments are read. */
export interface Segments {
  open(request: SegmentRequest): SegmentReader
}

export interface SegmentPullOptions {
  readonly source: SegmentSource
  readonly session: HlsSession
  readonly segments: Segments
  readonly keys: SegmentKeys
  readonly clock: Clock
  readonly signal: AbortSignal
  /** After so long no further attempt is begun. */
  readonly patienceMs: number
  /** Something came, or it is complete or has failed. */
  readonly onChange: () => void
}

/** Pauses before a segment is asked for again; after the last it has failed. */
const RETRY_DELAYS_MS = [200, 800] as const

/**
 * One segment on its way in, decrypted. A segment that fails is asked for again, and goes on behind what had come of it: at the same
 * address there are the same bytes.
 */
export class SegmentPull {
  readonly #options: SegmentPullOptions
  #chunks: Buffer[] = []
  #arrived = 0
  #contentLength: number | undefined
  #reader: SegmentReader | undefined
  #isComplete = false
  #failure: SourceFailure | undefined
  #isClosed = false
  /** Bytes that are here and have not been taken. */
  buffered = 0

  constructor(options: SegmentPullOptions) {
    this.#options = options
  }

  get isComplete(): boolean {
    return this.#isComplete
  }

  get failure(): SourceFailure | undefined {
    return this.#failure
  }

  /** Bytes of the whole segment, as soon as they are known; the padding of an encrypted one counts until it is complete. */
  get totalBytes(): number | undefined {
    return this.#isComplete ? this.#arrived : this.#contentLength
  }

  /** Never rejects. */
  async start(): Promise<void> {
    const { clock, signal, patienceMs, onChange } = this.#options
    const untilMs = clock.nowMs() + patienceMs
    for (const delayMs of [...RETRY_DELAYS_MS, undefined]) {
      const failure = await this.#attempt(delayMs !== RETRY_DELAYS_MS[0])
      if (signal.aborted || this.#isClosed) return
      if (failure === undefined) {
        this.#isComplete = true
        onChange()
        return
      }
      if (delayMs === undefined || clock.nowMs() > untilMs) {
        this.#failure = failure
        onChange()
        return
      }
      await clock.sleep(delayMs, signal).catch(() => {})
      if (signal.aborted || this.#isClosed) return
    }
  }

  /** It is not wanted any more, whatever has come of it. */
  close(): void {
    this.#isClosed = true
    this.#reader?.close()
    this.#chunks = []
    this.buffered = 0
  }

  /** What of the segment is here, at most `bytesMax`; undefined when nothing is. */
  take(bytesMax: number): Buffer | undefined {
    const chunk = this.#chunks[0]
    if (chunk === undefined || bytesMax <= 0) return undefined
    if (chunk.length <= bytesMax) this.#chunks.shift()
    else this.#chunks[0] = chunk.subarray(bytesMax)
    const taken = chunk.length <= bytesMax ? chunk : chunk.subarray(0, bytesMax)
    this.buffered -= taken.length
    return taken
  }

  /** Its first bytes that are here; nothing is taken. */
  peek(): Buffer | undefined {
    return this.#chunks[0]
  }

  /** All that is here, in one; nothing is taken. */
  content(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] ?? Buffer.alloc(0)
  }

  async #attempt(isRetry: boolean): Promise<SourceFailure | undefined> {
    const { source, session, segments, keys } = this.#options
    let decipher: Decipheriv | undefined
    if (source.key !== undefined) {
      const answer = await keys.get(source.key.url)
      if (answer.kind === 'failed') return answer.failure
      if (this.#isClosed) return undefined
      decipher = createDecipheriv('aes-128-cbc', answer.key, source.key.iv)
    }
    const { url, byteRange } = source
    const reader = segments.open({
      ...{ session, url },
      ...(byteRange === undefined ? {} : { byteRange }),
      ...(isRetry ? { isRetry: true } : {}),
    })
    this.#reader = reader
    try {
      const answer = await reader.head()
      if (answer.kind === 'failed') return answer.failure
      this.#contentLength = answer.head.contentLength
      return await this.#read(reader, decipher)
    } finally {
      reader.close()
    }
  }

  async #read(reader: SegmentReader, decipher: Decipheriv | undefined): Promise<SourceFailure | undefined> {
    let known = this.#arrived
    const push = (bytes: Buffer): void => {
      const fresh = bytes.subarray(Math.min(known, bytes.length))
      known -= bytes.length - fresh.length
      if (fresh.length === 0) return
      this.#chunks.push(fresh)
      this.#arrived += fresh.length
      this.buffered += fresh.length
      this.#options.onChange()
    }
    for (;;) {
      const piece = await reader.next()
      if (this.#options.signal.aborted || this.#isClosed) return undefined
      if (piece.kind === 'failed') return piece.failure
      if (piece.kind === 'data') push(decipher === undefined ? piece.bytes : decipher.update(piece.bytes))
      else {
        try {
          if (decipher !== undefined) push(decipher.final())
          return undefined
        } catch {
          return { kind: 'segment_invalid', message: 'sent a segment that its key does not decrypt' }
        }
      }
    }
  }
}
