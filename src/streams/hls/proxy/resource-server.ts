import type { Clock } from '../../../lib/clock.ts'
import { isOurOwn } from '../../sources/http-failure.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { HlsRequest } from '../hls-output.ts'
import type { SourceAccess } from '../upstream/hls-session.ts'
import type { SegmentCache } from '../upstream/segment-cache.ts'
import type { KeyAnswer } from '../upstream/segment-keys.ts'
import type { SegmentReader, SegmentRequest } from '../upstream/segment.ts'
import { SegmentMaker } from '../transmux/segment-maker.ts'
import { notNamed, rawRequest } from './reference.ts'
import type { Reference, References } from './reference.ts'
import { NO_MAP } from './seal-playlist.ts'
import type { SegmentInspection } from './segment-inspection.ts'
import { headersOf, hold, rangeOf, send, slice } from './segment-answer.ts'
import type { Held, HoldResult } from './segment-answer.ts'

/** What becomes of a resource that its source does not give. */
export type Verdict =
  /** It is not there, and that is nobody's fault. */
  | { readonly kind: 'missing' }
  /** It is lost, but players should go on: the playlist will tell them how. */
  | { readonly kind: 'unavailable' }
  /** Another source has the same. */
  | { readonly kind: 'elsewhere'; readonly reference: Reference }

export interface ResourceServerOptions {
  readonly references: References
  readonly cache: SegmentCache
  readonly clock: Clock
  /** How requests to a source are made; undefined when it is none of the stream's. */
  readonly sessionOf: (candidateId: string) => SourceAccess | undefined
  /** A resource came as it should from its source; `head` are its first bytes. */
  readonly onGood: (name: string, reference: Reference, head: Buffer) => void
  /** Another place to take it from before its own source is asked. */
  readonly elsewhere: (name: string, reference: Reference) => Reference | undefined
  readonly judge: (name: string, reference: Reference, failure: SourceFailure) => Promise<Verdict>
  /** What is in segments that are here whole. */
  readonly inspection: Pick<SegmentInspection, 'look' | 'mayRepeat'>
  /** Answers with what is fetched anew for each request. */
  readonly document: (request: HlsRequest, reference: Reference) => Promise<void>
}

/** Before a resource that failed is asked for a second time; a segment may be named a moment before it can be had. */
const RETRY_MS = 250
/** One TS packet of PID 0x1FFF, which means nothing (ISO/IEC 13818-1 §2.4.3.3). */
const NULL_PACKET = Buffer.alloc(188, 0xff)
NULL_PACKET.writeUInt32BE(0x471fff10)
const NOTHING = Buffer.alloc(0)
const RETRY_AFTER_S = '1'

/** Answers for segments, parts, initialisation sections and keys: whatever has a name of ours. */
export class ResourceServer implements Disposable {
  readonly #options: ResourceServerOptions
  readonly #maker: SegmentMaker

  constructor(options: ResourceServerOptions) {
    this.#options = options
    this.#maker = new SegmentMaker(options.cache)
  }

  [Symbol.dispose](): void {
    this.#maker[Symbol.dispose]()
  }

  /** Throws hls_not_found for what no playlist of ours named. Resolves when the head of the answer is written. */
  async serve(request: HlsRequest, gone: AbortSignal): Promise<void> {
    const { references, elsewhere, document } = this.#options
    const { path, response } = request
    if (path === NO_MAP) {
      response.writeHead(200, { 'content-type': 'video/mp2t', 'content-length': NULL_PACKET.length })
      response.end(request.request.method === 'HEAD' ? NOTHING : NULL_PACKET)
      return
    }
    const named = references.open(path)
    if (named === undefined) throw notNamed()
    if (named.kind === 'playlist' || named.kind === 'assets') {
      await document(request, named)
      return
    }
    const verdict = await this.#answer(request, elsewhere(path, named) ?? named, gone)
    if (verdict === undefined) return
    if (verdict.kind === 'elsewhere') {
      const again = await this.#answer(request, verdict.reference, gone)
      if (again === undefined) return
      if (again.kind === 'missing') throw notNamed()
    } else if (verdict.kind === 'missing') throw notNamed()
    // What players take for an error of the moment: they ask again, and by then the playlist tells of a gap.
    response.writeHead(503, { 'retry-after': RETRY_AFTER_S, 'content-length': 0, 'cache-control': 'no-store' })
    response.end()
  }

  /** Takes in something that will be asked for. The verdict when it failed. */
  async prefetch(name: string): Promise<Verdict | undefined> {
    const reference = this.#options.references.open(name)
    const target = reference === undefined ? undefined : this.#target(reference)
    if (reference === undefined || target === undefined) return undefined
    if (this.#options.cache.has(target)) return this.#lookBack(name, reference)
    const held = await this.#fetch(name, reference, target, async (reader) => {
      const result = await this.#hold(reader, name, reference, 'ahead')
      reader.close()
      return result
    })
    return held.kind === 'failed' ? this.#options.judge(name, reference, held.failure) : undefined
  }

  /** Reads a segment as its source has it; undefined for what is none of ours. */
  openRaw(name: string, isRetry: boolean): SegmentReader | undefined {
    const reference = this.#options.references.open(name)
    const target = reference === undefined ? undefined : this.#target({ ...reference, recipe: undefined }, isRetry)
    return target === undefined ? undefined : this.#options.cache.open(target)
  }

  /** The key of what will be made into another format, fetched before it is needed. */
  makersKey(session: SourceAccess, url: string): Promise<KeyAnswer> {
    return this.#maker.key(session, url)
  }

  /**
   * Reads what no playlist of ours has named yet, for the memory, where it is when one does. Undefined when something has
   * been read under its address before: that may be used again for something else.
   */
  openEarly(reference: Reference, isRetry: boolean): SegmentReader | undefined {
    const target = this.#target(reference, isRetry)
    return target === undefined || this.#options.cache.has(target) ? undefined : this.#options.cache.open(target)
  }

  /** Whether it could be sent without asking its source. */
  isHere(name: string): boolean {
    const reference = this.#options.references.open(name)
    const target = reference === undefined ? undefined : this.#target(reference)
    return target !== undefined && this.#options.cache.has(target)
  }

  /** Undefined when the head has been written or nobody waits any more. */
  async #answer(request: HlsRequest, reference: Reference, gone: AbortSignal): Promise<Verdict | undefined> {
    const target = this.#target(reference)
    if (target === undefined) return { kind: 'missing' }
    const isRange = request.request.headers.range !== undefined
    const answered = await this.#fetch(request.path, reference, target, async (reader) => {
      const leave = (): void => reader.close()
      gone.addEventListener('abort', leave, { once: true })
      const held = await this.#hold(reader, request.path, reference, isRange ? 'whole' : 'soon')
      gone.removeEventListener('abort', leave)
      if (held.kind !== 'held' || gone.aborted) reader.close()
      else void this.#send(request, reference, held, reader)
      return held
    })
    if (gone.aborted || answered.kind === 'held') return undefined
    return this.#options.judge(request.path, reference, answered.failure)
  }

  /** Never rejects. What was sent before it was here whole is looked into afterwards. */
  async #send(request: HlsRequest, reference: Reference, held: Held, reader: SegmentReader): Promise<void> {
    await respond(request, held, reader).catch(() => {
      reader.close()
      request.response.destroy()
    })
    if (held.rest !== undefined) await this.#lookBack(request.path, reference).catch(() => undefined)
  }

  /** `ahead`: all of it, with what has to be known of it; `whole`: all of it; `soon`: as far as a player may wait. */
  async #hold(
    reader: SegmentReader,
    name: string,
    reference: Reference,
    until: 'ahead' | 'whole' | 'soon',
  ): Promise<HoldResult> {
    const { clock, inspection } = this.#options
    const result = await hold(reader, clock, until !== 'soon')
    if (result.kind === 'failed' || result.rest !== undefined) return result
    const failure = await inspection.look(name, reference, until === 'ahead')
    return failure === undefined ? result : { kind: 'failed', failure }
  }

  /** What was not looked into before somebody had it counts for what comes next. */
  async #lookBack(name: string, reference: Reference): Promise<Verdict | undefined> {
    const failure = await this.#options.inspection.look(name, reference, true)
    return failure === undefined ? undefined : this.#options.judge(name, reference, failure)
  }

  /** Reads with one repetition. */
  async #fetch(
    name: string,
    reference: Reference,
    target: SegmentRequest,
    read: (reader: SegmentReader) => Promise<HoldResult>,
  ): Promise<HoldResult> {
    const { cache, clock, inspection, onGood } = this.#options
    let result = await read(cache.open(target))
    const forget = (): void => {
      for (const known of [target, this.#target({ ...reference, recipe: undefined })]) if (known) cache.drop(known)
    }
    if (result.kind === 'failed' && mayRepeat(result.failure) && inspection.mayRepeat(name, forget)) {
      await clock.sleep(RETRY_MS)
      result = await read(cache.open(this.#target(reference, true) ?? target))
    }
    if (result.kind === 'held') onGood(name, reference, result.pieces[0] ?? NOTHING)
    return result
  }

  #target({ candidateId, span, url, byteRange, recipe }: Reference, isRetry = false): SegmentRequest | undefined {
    const session = this.#options.sessionOf(candidateId)
    if (session === undefined) return undefined
    const raw = { ...rawRequest({ span, url, byteRange }, session), ...(isRetry ? ({ isRetry: true } as const) : {}) }
    return recipe === undefined ? raw : this.#maker.request(raw, recipe)
  }
}

/** Whatever took long to fail would take as long again. */
function mayRepeat(failure: SourceFailure): boolean {
  return !isOurOwn(failure) && !['answer_timeout', 'connect_timeout', 'address_forbidden'].includes(failure.kind)
}

/** Resolves when the player has it all, or has left. */
async function respond(request: HlsRequest, held: Held, reader: SegmentReader): Promise<void> {
  const { response, path } = request
  const { method, headers } = request.request
  const whole = headersOf(held, path)
  const hasCondition = headers['if-range'] !== undefined && headers['if-range'] !== whole['etag']
  const range = held.rest === undefined && !hasCondition ? rangeOf(headers.range, held.bytes) : undefined
  if (range === 'unsatisfiable') {
    response.writeHead(416, { 'content-range': `bytes */${held.bytes}`, 'content-length': 0 }).end()
    reader.close()
    return
  }
  if (range === undefined) response.writeHead(200, whole)
  else {
    const { start, end } = range
    const told = { 'content-range': `bytes ${start}-${end - 1}/${held.bytes}`, 'content-length': end - start }
    response.writeHead(206, { ...whole, ...told })
  }
  if (method === 'HEAD') {
    response.end()
    reader.close()
    return
  }
  const wanted = range === undefined ? held : { ...held, pieces: slice(held.pieces, range) }
  await send(wanted, reader, response)
}
