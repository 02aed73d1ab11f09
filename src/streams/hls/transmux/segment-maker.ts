import { forgetOldest } from '../../../lib/forget-oldest.ts'
import { ProgrammeRelayout } from '../../../mpegts/programme-layout.ts'
import type { ProgrammeLayout } from '../../../mpegts/programme-layout.ts'
import { internalFailure } from '../../sources/http-failure.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { SourceReader, SourceResponseHandler } from '../../sources/http-client.ts'
import type { SourceAccess, SegmentSession } from '../upstream/hls-session.ts'
import type { SegmentCache } from '../upstream/segment-cache.ts'
import type { KeyAnswer } from '../upstream/segment-keys.ts'
import type { SegmentRequest } from '../upstream/segment.ts'
import { UnreadableSegment } from '../upstream/unreadable-segment.ts'
import { CONTENT_TYPES, recipeText } from './recipe.ts'
import type { Recipe, WholeRecipe } from './recipe.ts'
import { ToFmp4 } from './to-fmp4.ts'
import { ToMpegts } from './to-mpegts.ts'
import { FailedSegment, keysOfSessions, wholeReader } from './whole-segment.ts'
import type { KeysOf, ReadWhole } from './whole-segment.ts'

/** A segment as its source has it. */
export interface RawSegment extends SegmentRequest {
  readonly session: SourceAccess
  /** One time on air of one source. */
  readonly span: number
}

/** One run of a source without a discontinuity, in one playlist. */
interface Run {
  readonly toFmp4: ToFmp4
  readonly toMpegts: ToMpegts
  /** Segments that are being made, by their sequence numbers. */
  readonly pending: Map<number, Promise<unknown>>
}

/** Runs that are remembered, the least recently used forgotten; each has an initialisation section of about a kilobyte. */
const RUNS_MAX = 128
/** Of the head of a source's answer, what is still true of what is made of it. */
const KEPT_HEADERS = ['cache-control', 'expires'] as const

/**
 * Makes segments into what players of a playlist have. What it makes is asked for like a segment of a source, so that the cache makes each once for
 * all players and keeps it; the segments of sources that it needs come through the cache too.
 */
export class SegmentMaker implements Disposable {
  readonly #cache: SegmentCache
  readonly #abort = new AbortController()
  readonly #keysOf: KeysOf
  readonly #readWhole: ReadWhole
  readonly #runs = new Map<string, Run>()

  constructor(cache: SegmentCache) {
    this.#cache = cache
    this.#keysOf = keysOfSessions(this.#abort.signal)
    this.#readWhole = wholeReader(cache, this.#abort.signal, this.#keysOf)
  }

  /** The request with which the cache is asked for what the recipe makes of a segment. */
  request(raw: RawSegment, recipe: Recipe): SegmentRequest {
    const { key, timeouts } = raw.session
    const { byteRange } = raw
    const session: SegmentSession = {
      ...{ key, timeouts },
      open: (_url, _range, handler) => this.#open(raw, recipe, handler),
    }
    const range = byteRange === undefined ? '' : `${byteRange.offset}+${byteRange.length}`
    const url = `${raw.url} ${range} ${recipeText(recipe)}`
    return { session, url, ...(raw.isRetry === undefined ? {} : { isRetry: raw.isRetry }), isMade: true }
  }

  /** The key with which segments of a source will be decrypted to be made into something else; fetched once. */
  key(session: SourceAccess, url: string): Promise<KeyAnswer> {
    return this.#keysOf(session).get(url)
  }

  [Symbol.dispose](): void {
    this.#abort.abort()
    this.#runs.clear()
  }

  #open(raw: RawSegment, recipe: Recipe, handler: SourceResponseHandler): SourceReader {
    const abort = new AbortController()
    const { signal } = abort
    const work =
      recipe.to === 'pids'
        ? this.#relay(raw, recipe.layout, handler, signal)
        : this.#deliver(raw, recipe, handler, signal)
    work.catch((error: unknown) => {
      if (!signal.aborted) handler.onFailure(failureOf(error))
    })
    return { close: () => abort.abort(), pause: () => {}, resume: () => {} }
  }

  /** Goes through piece by piece: a segment that takes its time is on its way to players meanwhile. */
  async #relay(
    raw: RawSegment,
    layout: ProgrammeLayout,
    handler: SourceResponseHandler,
    signal: AbortSignal,
  ): Promise<void> {
    const relayout = new ProgrammeRelayout(layout)
    const reader = this.#cache.open(raw)
    signal.addEventListener('abort', () => reader.close(), { once: true })
    try {
      const answer = await reader.head()
      if (answer.kind === 'failed') throw new FailedSegment(answer.failure)
      const { head } = answer
      // Its entity tag and encoding are those of other bytes; the length is the same.
      const { etag: _, ...headers } = head.headers
      if (signal.aborted || handler.onHead({ ...head, status: 200, headers, elapsedMs: 0 }) === 'reject') return
      for (;;) {
        const piece = await reader.next()
        if (signal.aborted) return
        if (piece.kind === 'failed') throw new FailedSegment(piece.failure)
        const bytes = piece.kind === 'end' ? relayout.end() : relayout.push(piece.bytes)
        if (bytes.length > 0) handler.onData(bytes)
        if (piece.kind === 'end') break
      }
      if (!signal.aborted) handler.onEnd()
    } finally {
      reader.close()
    }
  }

  async #deliver(
    raw: RawSegment,
    recipe: WholeRecipe,
    handler: SourceResponseHandler,
    signal: AbortSignal,
  ): Promise<void> {
    const { bytes, headers: given } = await this.#make(raw, recipe, signal)
    if (signal.aborted) return
    const headers: Record<string, string> = { 'content-type': CONTENT_TYPES[recipe.to] }
    for (const name of KEPT_HEADERS) if (given[name] !== undefined) headers[name] = given[name]
    headers['content-length'] = String(bytes.length)
    if (handler.onHead({ status: 200, headers, finalUrl: raw.url, elapsedMs: 0 }) === 'reject') return
    handler.onData(bytes)
    if (!signal.aborted) handler.onEnd()
  }

  async #make(
    raw: RawSegment,
    recipe: WholeRecipe,
    signal: AbortSignal,
  ): Promise<{ readonly bytes: Buffer; readonly headers: Readonly<Record<string, string>> }> {
    const run = this.#runOf(raw, recipe)
    if (recipe.to === 'fmp4_map' && run.toFmp4.map !== undefined) return { bytes: run.toFmp4.map, headers: {} }
    const made = this.#makeFrom(raw, recipe, run, signal)
    const settled = made.then(noop, noop)
    run.pending.set(recipe.sequence, settled)
    try {
      return await made
    } finally {
      if (run.pending.get(recipe.sequence) === settled) run.pending.delete(recipe.sequence)
    }
  }

  async #makeFrom(raw: RawSegment, recipe: WholeRecipe, run: Run, signal: AbortSignal) {
    // In order, so that counters and clocks go on.
    const before = run.pending.get(recipe.sequence - 1)
    const [{ bytes, head }, map] = await Promise.all([
      this.#readWhole(raw, recipe.key, signal),
      recipe.to === 'mpegts' ? this.#readMap(raw, recipe, signal) : undefined,
      before,
    ])
    const { headers } = head
    const { sequence } = recipe
    switch (recipe.to) {
      case 'mpegts': {
        const made = run.toMpegts.make(map ?? Buffer.alloc(0), bytes, sequence)
        if (recipe.layout === undefined) return { bytes: made, headers }
        const relayout = new ProgrammeRelayout(recipe.layout)
        return { bytes: Buffer.concat([relayout.push(made), relayout.end()]), headers }
      }
      case 'fmp4':
        return { bytes: run.toFmp4.make(bytes, sequence), headers }
      case 'fmp4_map':
        run.toFmp4.make(bytes, sequence)
        return { bytes: run.toFmp4.map ?? Buffer.alloc(0), headers }
      default:
        return recipe satisfies never
    }
  }

  async #readMap(
    { session, span }: RawSegment,
    { map }: Extract<WholeRecipe, { readonly to: 'mpegts' }>,
    signal: AbortSignal,
  ): Promise<Buffer> {
    const request = {
      ...{ session, url: spanned(map.url, span) },
      ...(map.byteRange === undefined ? {} : { byteRange: map.byteRange }),
    }
    return (await this.#readWhole(request, map.key, signal)).bytes
  }

  #runOf({ session, span }: RawSegment, recipe: WholeRecipe): Run {
    const key = `${session.key} ${span} ${recipe.run}`
    const { streams, tracks } = recipe.to === 'mpegts' ? { streams: 'all' as const, tracks: undefined } : recipe
    const run = this.#runs.get(key) ?? {
      toFmp4: new ToFmp4(streams, tracks),
      toMpegts: new ToMpegts(),
      pending: new Map(),
    }
    this.#runs.delete(key)
    this.#runs.set(key, run)
    forgetOldest(this.#runs, RUNS_MAX)
    return run
  }
}

/** The address with a fragment, which is not sent: it keeps what one run of a source called by a name apart from what another did. */
export function spanned(url: string, span: number): string {
  return `${url}${url.includes('#') ? '.' : '#'}${span}`
}

function noop(): void {}

function failureOf(error: unknown): SourceFailure {
  if (error instanceof FailedSegment) return error.failure
  if (error instanceof UnreadableSegment) return { kind: 'segment_invalid', message: error.message }
  return internalFailure(error)
}
