import { resolveUri } from '../../../hls/uri.ts'
import type { Timer } from '../../../lib/clock.ts'
import type {
  SourceFailure,
  SourceNetwork,
  SourceReader,
  SourceRequest,
  SourceResponseHandler,
} from '../../sources/http-client.ts'
import { internalFailure } from '../../sources/http-failure.ts'
import { createAssembler } from './create-assembler.ts'
import { HlsSession } from './hls-session.ts'
import { Pacer } from './pacer.ts'
import type { PlaylistEdge } from './playlist-edge.ts'
import { fetchPlaylist } from './playlist-fetch.ts'
import type { LoadedPlaylist, PlaylistAnswer } from './playlist-fetch.ts'
import type { FollowerPolicy } from './playlist-follower.ts'
import { followerPolicy } from './playlist-follower.ts'
import { RenditionReader } from './rendition-reader.ts'
import type { QueuedSegment, RenditionOptions } from './rendition-reader.ts'
import type { SegmentAssembler, Track } from './segment-assembler.ts'
import { segmentDeadlineMs } from './segment-deadline.ts'
import { SegmentFetch } from './segment-fetch.ts'
import { formatOf } from './segment-format.ts'
import { SegmentKeys } from './segment-keys.ts'
import type { Segments } from './segment-pull.ts'
import type { SharedSegments } from './segment.ts'
import { UnreadableSegment } from './unreadable-segment.ts'
import { chooseVariant } from './variant-choice.ts'

export interface HlsReaderOptions {
  /** Requests go on to where the entry redirected. */
  readonly useStickySession?: boolean
  /** Variants above it are not chosen, bit/s. */
  readonly bandwidthMax?: number
  /** Whether another source could take over; where not, a segment that is missing is left out instead of failing the source. */
  readonly hasAlternative?: () => boolean
  readonly policy?: FollowerPolicy
  /** What earlier looks saw of the playlist that brings the pictures. */
  readonly edge?: PlaylistEdge | undefined
  /** Segments that are not read from the origin, and not kept. */
  readonly shared?: SharedSegments | undefined
}

/** An answer that comes later is no answer; nothing of a live source may take longer. */
const ANSWER_MS_MAX = 10_000
const SILENCE_MS_MAX = 5_000
const TOTAL_MS_MAX = 60_000
/** Media that is not due yet is looked at again so often. */
const TICK_MS = 100
/** Segments in a row that are left out where there is no other source. */
const LEFT_OUT_MAX = 3
const ENTRY_ATTEMPTS = 2
const RETRY_DELAY_MS = 200
/** A reader has seconds in store: it may ask a little longer than a player that waits. */
const READER_POLICY: FollowerPolicy = { ...followerPolicy, retries: 2, retryDelayMs: 500 }

/** How far the front segment of a rendition has been handed out. */
interface Place {
  item: QueuedSegment | undefined
  sentBytes: number
  /** Seconds of media of the segments before it, and how many breaks of the timeline. */
  readS: number
  breaks: number
}

/** One HLS source, read as one continuous body. */
export class HlsReader implements SourceReader {
  readonly #request: SourceRequest
  readonly #handler: SourceResponseHandler
  readonly #network: SourceNetwork
  readonly #options: HlsReaderOptions
  readonly #session: HlsSession
  readonly #keys: SegmentKeys
  readonly #segments: Segments
  readonly #abort = new AbortController()
  readonly #pacer = new Pacer()
  readonly #openedAtMs: number
  readonly #places: Readonly<Record<Track, Place>> = {
    main: { item: undefined, sentBytes: 0, readS: 0, breaks: 0 },
    audio: { item: undefined, sentBytes: 0, readS: 0, breaks: 0 },
  }
  readonly #onAbort = () => this.#fail({ kind: 'aborted', message: 'the request was aborted' })
  #main: RenditionReader | undefined
  #audio: RenditionReader | undefined
  #assembler: SegmentAssembler | undefined
  #finalUrl = ''
  /** The media sequence number with which the pictures begin. */
  #firstSequence: number | undefined
  #hasHead = false
  #isPaused = false
  #isDone = false
  #isPumping = false
  #leftOut = 0
  /** Something was left out of each: what comes next does not follow what was before. */
  readonly #isBroken: Record<Track, boolean> = { main: false, audio: false }
  #tick: Timer | undefined
  #answerTimer: Timer | undefined

  constructor(
    request: SourceRequest,
    handler: SourceResponseHandler,
    network: SourceNetwork,
    options: HlsReaderOptions,
  ) {
    this.#request = request
    this.#handler = handler
    this.#network = network
    this.#options = options
    this.#openedAtMs = network.clock.nowMs()
    const answerMs = Math.min(request.answerTimeoutMs, ANSWER_MS_MAX)
    this.#session = new HlsSession({
      ...{ key: 'reader', url: request.url, headers: request.headers, userAgent: request.userAgent, network },
      operatorHosts: request.operatorHosts,
      useStickySession: options.useStickySession ?? false,
      timeouts: { connectMs: request.connectTimeoutMs, answerMs, silenceMs: SILENCE_MS_MAX, totalMs: TOTAL_MS_MAX },
      segmentDeadlineMs: () =>
        segmentDeadlineMs({
          targetDurationS: this.#main?.targetDurationS ?? 0,
          // Of each track another may be on its way.
          underWay: this.#audio === undefined ? 1 : 2,
          hasAlternative: options.hasAlternative?.() !== false,
          hasDelivered: this.#hasHead,
        }),
    })
    this.#keys = new SegmentKeys(this.#session, this.#abort.signal)
    this.#segments = segmentsOf(network, options.shared)
    queueMicrotask(() => void this.#begin().catch((error: unknown) => this.#fail(internalFailure(error))))
  }

  close(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#tick?.cancel()
    this.#answerTimer?.cancel()
    this.#request.signal.removeEventListener('abort', this.#onAbort)
    this.#abort.abort()
    this.#main?.close()
    this.#audio?.close()
    this.#session[Symbol.dispose]()
  }

  pause(): void {
    this.#isPaused = true
    this.#pacer.pause(this.#network.clock.nowMs())
  }

  resume(): void {
    this.#isPaused = false
    this.#pacer.resume(this.#network.clock.nowMs())
    queueMicrotask(() => this.#pump())
  }

  async #begin(): Promise<void> {
    if (this.#isDone) return
    const { signal, answerTimeoutMs } = this.#request
    if (signal.aborted) {
      this.#onAbort()
      return
    }
    signal.addEventListener('abort', this.#onAbort, { once: true })
    this.#answerTimer = this.#network.clock.schedule(answerTimeoutMs, () => {
      this.#fail({ kind: 'answer_timeout', message: `no media within ${answerTimeoutMs} ms` })
    })
    const answer = await this.#entry()
    if (this.#isDone) return
    if (answer.kind === 'failed') this.#fail(answer.failure)
    else this.#loaded(answer.loaded)
  }

  async #entry(): Promise<PlaylistAnswer> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await fetchPlaylist(this.#session, this.#session.entryUrl, this.#abort.signal)
      if (answer.kind === 'loaded' || attempt >= ENTRY_ATTEMPTS || this.#isDone) return answer
      await this.#network.clock.sleep(RETRY_DELAY_MS, this.#abort.signal).catch(() => {})
    }
  }

  #loaded(loaded: LoadedPlaylist): void {
    const { playlist, finalUrl } = loaded
    this.#finalUrl = finalUrl
    this.#session.entryAnswered(finalUrl)
    if (playlist.kind === 'media') {
      this.#main = this.#rendition({ url: undefined, first: loaded })
      this.#main.start()
      return
    }
    const choice = chooseVariant(playlist, this.#options.bandwidthMax)
    const url = choice === undefined ? undefined : resolveUri(choice.variant.uri, finalUrl)
    if (url === undefined) {
      this.#fail({ kind: 'playlist_invalid', message: 'its master playlist has no variant that can be asked for' })
      return
    }
    this.#main = this.#rendition({ url })
    const audioUrl = choice?.audio === undefined ? undefined : resolveUri(choice.audio.uri, finalUrl)
    if (audioUrl !== undefined) {
      // It begins with the segment with which the pictures begin, where numbers agree.
      this.#audio = this.#rendition({ url: audioUrl, startAt: () => this.#firstSequence })
    }
    this.#main.start()
  }

  #rendition(source: Pick<RenditionOptions, 'url' | 'first' | 'startAt'>): RenditionReader {
    let isStarted = false
    return new RenditionReader({
      ...source,
      ...{ session: this.#session, segments: this.#segments, keys: this.#keys, clock: this.#network.clock },
      signal: this.#abort.signal,
      policy: this.#options.policy ?? READER_POLICY,
      edge: source.startAt === undefined ? this.#options.edge : undefined,
      onChange: () => {
        if (!isStarted && source.startAt === undefined) {
          this.#firstSequence = this.#main?.position
          this.#audio?.start()
        }
        isStarted = true
        // Not in the middle of the caller's own work.
        queueMicrotask(() => this.#pump())
      },
      onFailed: (failure) => this.#fail(failure),
    })
  }

  /** Hands on whatever is due. */
  #pump(): void {
    if (this.#isDone || this.#isPaused || this.#isPumping || this.#main === undefined) return
    this.#isPumping = true
    try {
      while (!this.#isDone && !this.#isPaused && (this.#advance('main') || this.#advance('audio')));
    } catch (error) {
      this.#fail(internalFailure(error))
    } finally {
      this.#isPumping = false
    }
    if (!this.#isDone && this.#main.isDone && (this.#audio?.isDone ?? true)) this.#end()
  }

  /** One step of a rendition; false when there is none to take now. */
  #advance(track: Track): boolean {
    const reader = track === 'main' ? this.#main : this.#audio
    const place = this.#places[track]
    const item = reader?.front
    if (reader === undefined || item === undefined) return false
    const failure = item.pull.failure ?? item.map?.failure
    if (failure !== undefined && item.pull.buffered === 0) return this.#segmentFailed(reader, track, failure)
    try {
      return (place.item === item || this.#beginSegment(reader, track, item)) && this.#readOn(reader, track, item)
    } catch (error) {
      if (!(error instanceof UnreadableSegment)) throw error
      return this.#segmentFailed(reader, track, { kind: 'segment_invalid', message: error.message })
    }
  }

  #readOn(reader: RenditionReader, track: Track, item: QueuedSegment): boolean {
    const place = this.#places[track]
    const allowed = this.#allowedBytes(reader, track, item) - place.sentBytes
    const bytes = item.pull.take(allowed)
    if (bytes === undefined) {
      if (item.pull.buffered > 0) this.#tickLater()
      return item.pull.buffered === 0 && item.pull.isComplete && this.#endSegment(reader, track, item)
    }
    place.sentBytes += bytes.length
    this.#handOn(this.#assembler?.push(track, bytes))
    return true
  }

  /** Sound beside the pictures is read as far as they are. */
  #allowedBytes(reader: RenditionReader, track: Track, { segment, pull }: QueuedSegment): number {
    if (track === 'main') {
      return this.#pacer.allowedBytes(this.#network.clock.nowMs(), segment.durationS, pull.totalBytes)
    }
    const { main, audio } = this.#places
    const mayGoOn = audio.readS <= main.readS || this.#main?.isDone === true
    return mayGoOn ? Number.POSITIVE_INFINITY : 0
  }

  /** Both renditions go on to a new timeline together, unless they have lost each other. */
  #mayBreak(reader: RenditionReader, track: Track): boolean {
    if (this.#audio === undefined || this.#main === undefined) return true
    const { main, audio } = this.#places
    if (track === 'audio') {
      return main.breaks > audio.breaks || this.#main.isDone || main.readS > audio.readS + reader.targetDurationS
    }
    const isThere = this.#audio.front?.segment.isDiscontinuity === true && this.#places.audio.item === undefined
    return (
      isThere || audio.breaks > main.breaks || this.#audio.isDone || audio.readS > main.readS + reader.targetDurationS
    )
  }

  #beginSegment(reader: RenditionReader, track: Track, item: QueuedSegment): boolean {
    const { pull, map, segment } = item
    const place = this.#places[track]
    const isBreak = segment.isDiscontinuity || this.#isBroken[track]
    if (isBreak && place.readS > 0 && !this.#mayBreak(reader, track)) return false
    const head = pull.peek()
    if (head === undefined || map?.isComplete === false) return false
    const format = formatOf(head)
    if (format === undefined) {
      const begins = head.toString('latin1', 0, 32).replaceAll(/[^\x20-\x7e]+/g, ' ')
      const failure = { kind: 'segment_invalid', message: 'sent a segment that is not media' } as const
      return this.#segmentFailed(reader, track, { ...failure, evidence: { begins_with: begins } })
    }
    if (track === 'main' || this.#assembler === undefined) {
      this.#assembler ??= track === 'main' ? createAssembler(format, this.#audio !== undefined) : undefined
      // The sound waits for the pictures, which say what is made.
      if (this.#assembler === undefined) return false
    }
    Object.assign(place, { item, sentBytes: 0, breaks: place.breaks + (isBreak ? 1 : 0) })
    if (track === 'main') {
      this.#pacer.begin(this.#network.clock.nowMs(), reader.aheadS, reader.targetDurationS, reader.isLive)
    }
    this.#assembler.begin(track, format, isBreak, map?.content())
    this.#isBroken[track] = false
    return true
  }

  #endSegment(reader: RenditionReader, track: Track, { segment }: QueuedSegment): boolean {
    const place = this.#places[track]
    place.readS += segment.durationS
    if (track === 'main') {
      this.#pacer.end(segment.durationS, place.sentBytes)
      this.#leftOut = 0
    }
    place.item = undefined
    reader.shift()
    return true
  }

  /** True when it is left out and reading goes on. */
  #segmentFailed(reader: RenditionReader, track: Track, failure: SourceFailure): boolean {
    const mayLeaveOut = this.#options.hasAlternative?.() === false && this.#hasHead
    this.#leftOut += 1
    if (!mayLeaveOut || this.#leftOut > LEFT_OUT_MAX) {
      this.#fail(failure)
      return false
    }
    this.#isBroken[track] = true
    this.#places[track].readS += reader.front?.segment.durationS ?? 0
    this.#places[track].item = undefined
    reader.shift()
    return true
  }

  #handOn(bytes: Buffer | undefined): void {
    if (bytes === undefined || bytes.length === 0 || this.#isDone) return
    if (!this.#hasHead) {
      this.#hasHead = true
      this.#answerTimer?.cancel()
      const headers = { 'content-type': this.#assembler?.contentType ?? 'video/mp2t' }
      const elapsedMs = this.#network.clock.nowMs() - this.#openedAtMs
      const verdict = this.#handler.onHead({ status: 200, headers, finalUrl: this.#finalUrl, elapsedMs })
      if (verdict === 'reject') {
        this.#fail({ kind: 'http_status', message: 'the source answered 200', status: 200 })
        return
      }
      if (this.#isDone) return
    }
    if (!this.#handler.onData(bytes)) this.pause()
  }

  #tickLater(): void {
    this.#tick?.cancel()
    this.#tick = this.#network.clock.schedule(TICK_MS, () => this.#pump())
  }

  #end(): void {
    this.#handOn(this.#assembler?.end())
    if (this.#isDone) return
    this.close()
    this.#handler.onEnd()
  }

  #fail(failure: SourceFailure): void {
    if (this.#isDone) return
    this.close()
    this.#handler.onFailure(failure)
  }
}

/** Each segment that nobody else reads by a request of its own. */
function segmentsOf({ clock }: SourceNetwork, shared: SharedSegments = () => undefined): Segments {
  return {
    open: (request) => {
      const found = shared(request)
      if (found !== undefined) return found
      const fetch = new SegmentFetch({
        ...{ request, clock, onBytes: () => {}, onDone: () => {} },
        onUnread: () => fetch.cancel(),
      })
      fetch.begin()
      return fetch.reader()
    },
  }
}
