import type { Clock } from '../../lib/clock.ts'
import { HoldfastError } from '../../lib/errors.ts'
import { writePlaylist } from '../../hls/write-playlist.ts'
import type { Json } from '../../store/store.ts'
import type { FragmentSource } from '../cmaf/fragment.ts'
import type { Container } from '../framing/framing.ts'
import type { HlsRequest } from '../hls/hls-output.ts'
import type { RunningHls } from '../hls/hls-side.ts'
import type { StreamRing } from '../ring.ts'
import { blockRequest, isAnswerable } from './block-request.ts'
import type { Progress } from './block-request.ts'
import { CMAF_PLAYLIST, masterPlaylist, TS_PLAYLIST } from './master-playlist.ts'
import { lostRunJson } from './lost-segments.ts'
import { mediaPlaylist } from './media-playlist.ts'
import type { PlaylistState } from './media-playlist.ts'
import { memoryJson, NUMBERS_AHEAD, startOf } from './packager-memory.ts'
import { RenderedPlaylists, SUFFIX_MARK } from './rendered-playlists.ts'
import type { Segment } from './segment.ts'
import type { WindowSpill } from './segment-window.ts'
import { sendMedia } from './send-media.ts'
import { CONTENT_TYPE_PLAYLIST } from './stored-media.ts'
import { SwitchRanges } from './switch-ranges.ts'
import type { PublishedSwitch } from './switch-ranges.ts'
import { Timeline } from './timeline.ts'
import type { RenditionPart, TimelineStart } from './timeline.ts'
import { WaitingRequests } from './waiting-requests.ts'

/** Limits of packaging, from the configuration; durations in milliseconds. */
export interface PackagerLimits {
  readonly hlsSegmentMs: number
  readonly hlsPartMs: number
  readonly hlsDvrMs: number
  readonly hlsBufferBytesMax: number
  /** How long the first request waits for a segment's length of media. */
  readonly startTimeoutMs: number
}

export interface PackagerOptions {
  readonly streamId: string
  readonly clock: Clock
  readonly limits: PackagerLimits
  /** The stream after the splice; what it holds already is packaged at once. */
  readonly ring: Pick<StreamRing, 'observe' | 'at' | 'oldestSequence' | 'nextSequence'>
  /** What the stream is made of; undefined while that is not known. */
  readonly container: () => Container | undefined
  /** Makes fragmented MP4; called when somebody first asks for it. */
  readonly createMuxer: () => FragmentSource
  /** Where segments go that are too many for the memory. */
  readonly spill: WindowSpill | undefined
  /** `memory` of the run before this one. */
  readonly memory: Json | undefined
  readonly onMemoryChanged: () => void
  /** Why there is no media, when a request has waited for long enough. */
  readonly failure: () => HoldfastError
  /** One of several renditions of the stream, which all begin with `start`; without, it is all of the stream. */
  readonly part?: RenditionPart & { readonly start: TimelineStart }
}

/** A continuous stream as HLS. */
export interface PackagedHls extends RunningHls {
  /** What the stream brings next does not go on with what it brought. */
  interrupt(): void
}

type Rendition = 'ts' | 'cmaf'

/** Playlists change all the time; what is a second old does no harm. */
const PLAYLIST_CACHE = 'max-age=1'
/** A request that waits for a segment is answered with what there is after so many target durations. */
const BLOCKED_TARGETS = 3
/** Segments without any fragmented MP4 after which nothing is expected to come. */
const GAPS_MIN = 2

/** A live MPEG-TS stream as HLS, in transport stream segments and in fragmented MP4: RFC 8216. */
export class Packager implements PackagedHls {
  readonly #options: PackagerOptions
  readonly #start: TimelineStart
  readonly #timeline: Timeline
  readonly #waiting: WaitingRequests
  readonly #rendered = new RenderedPlaylists()
  readonly #switches = new SwitchRanges()
  /** Undefined where somebody else pushes. */
  readonly #observation: Disposable | undefined
  #numbersTaken: number
  /** Of which segments the memory was saved last: players are to find what they know of in the playlists of the next run. */
  #newestSaved = ''
  #isTargetKnown: boolean
  #isEnded = false

  constructor(options: PackagerOptions) {
    const { clock, limits, ring, memory, spill, createMuxer, part } = options
    this.#options = options
    this.#waiting = new WaitingRequests(clock)
    this.#start = part?.start ?? startOf(memory, clock.wallMs())
    this.#isTargetKnown = this.#start.targetDurationS !== undefined
    this.#timeline = new Timeline({
      run: clock.wallMs().toString(36),
      limits: {
        segmentMs: limits.hlsSegmentMs,
        partMs: limits.hlsPartMs,
        windowMs: limits.hlsDvrMs,
        bytesMax: limits.hlsBufferBytesMax,
      },
      start: this.#start,
      nowMs: () => clock.nowMs(),
      wallMs: () => clock.wallMs(),
      ...{ createMuxer, spill, part },
      onChanged: () => this.#changed(),
    })
    this.#numbersTaken = this.#timeline.window.nextSequence + NUMBERS_AHEAD
    // Whoever asks for the memory has to have this first.
    queueMicrotask(() => options.onMemoryChanged())
    if (part !== undefined) return
    for (let sequence = ring.oldestSequence; sequence < ring.nextSequence; sequence += 1) {
      const slice = ring.at(sequence)
      if (slice !== undefined) this.#timeline.push(slice)
    }
    this.#observation = ring.observe((slice) => this.#timeline.push(slice))
  }

  get memory(): { readonly [field: string]: Json } {
    const targetDurationS = this.#isTargetKnown ? this.#timeline.targetDurationS : undefined
    const { nextSequence, nextDiscontinuity } = this.#timeline.window
    return memoryJson({
      sequence: this.#numbersTaken,
      // Each of the numbers that are taken ahead may begin with one.
      discontinuitySequence: nextDiscontinuity + this.#numbersTaken - nextSequence,
      targetDurationS,
      longestGroupMs: this.#timeline.longestGroupMs,
      window: lostRunJson(this.#timeline.window),
    })
  }

  /** Whether players know the target duration, so that it has to stay. */
  get isTargetKnown(): boolean {
    return this.#isTargetKnown
  }

  /** The segments that playlists name, oldest first. */
  get segments(): readonly Segment[] {
    return this.#timeline.window.segments
  }

  /** Its cutter was interrupted: of a packager for one of several renditions. */
  interrupted(): void {
    this.#timeline.interrupted()
  }

  /** Takes what its cutter was given: of a packager for one of several renditions. */
  advance(): void {
    this.#timeline.advance()
  }

  /** Bytes of media in memory. */
  get bytes(): number {
    return this.#timeline.window.bytes
  }

  async serve(exchange: HlsRequest): Promise<void> {
    const { path, query } = exchange
    this.#refuseEnded()
    const container = this.#options.container()
    if (container !== undefined && container !== 'mpegts') {
      throw new HoldfastError('hls_not_available', `Only MPEG-TS can be cut into segments; this stream is ${container}`)
    }
    if (path === 'master.m3u8') await this.#serveMaster(exchange)
    else if (path === CMAF_PLAYLIST) await this.#servePlaylist(exchange, 'cmaf', '../')
    else if (path === TS_PLAYLIST) {
      const isCmaf = query['format'] === 'fmp4' || query['format'] === 'cmaf'
      await this.#servePlaylist(exchange, isCmaf ? 'cmaf' : 'ts', '')
    } else await this.#serveMedia(exchange)
  }

  /** A switch of the source has settled: playlists say so. */
  switched(published: PublishedSwitch): void {
    this.#switches.add(published)
    this.#changed()
  }

  /** What the stream brings next does not go on with what it brought. */
  interrupt(): void {
    this.#timeline.interrupt()
  }

  giveUp(): void {
    this.#waiting.giveUp()
  }

  [Symbol.dispose](): void {
    this.#isEnded = true
    this.#observation?.[Symbol.dispose]()
    this.#waiting.endAll()
    this.#timeline.window.clear()
  }

  get #state(): PlaylistState {
    const { window, targetDurationS, open, nextPartName } = this.#timeline
    const { segments, nextSequence, discontinuitySequence } = window
    return {
      ...{ segments, nextSequence, discontinuitySequence, targetDurationS, open, nextPartName },
      partTargetS: this.#options.limits.hlsPartMs / 1_000,
      dateRanges: this.#switches.all,
    }
  }

  #changed(): void {
    this.#rendered.clear()
    this.#waiting.wake()
    const { nextSequence, segments } = this.#timeline.window
    const cmafSequence = segments.findLast(({ cmaf }) => cmaf !== undefined)?.sequence
    const newest = `${nextSequence} ${cmafSequence}`
    if (newest === this.#newestSaved) return
    this.#newestSaved = newest
    this.#numbersTaken = nextSequence + NUMBERS_AHEAD
    this.#options.onMemoryChanged()
  }

  async #servePlaylist(exchange: HlsRequest, rendition: Rendition, base: string): Promise<void> {
    const { query, carried, response } = exchange
    if (!(await this.#awaitFirst(rendition, response))) return
    if (!(await this.#awaitAsked(exchange, rendition))) return
    this.#published()
    const isDelta = query['_HLS_skip'] === 'YES' || query['_HLS_skip'] === 'v2'
    const text = this.#rendered.text(`${rendition} ${base} ${isDelta}`, suffixOf(carried), () =>
      writePlaylist(mediaPlaylist(this.#state, { rendition, base, suffix: SUFFIX_MARK, isDelta })),
    )
    sendPlaylist(exchange, text)
  }

  async #serveMaster(exchange: HlsRequest): Promise<void> {
    const { carried, response } = exchange
    this.#timeline.startCmaf()
    if (!(await this.#awaitFirst('ts', response))) return
    const hasCmaf = await this.#awaitFirst('cmaf', response).catch((error: unknown) => {
      if (error instanceof HoldfastError) return true
      throw error
    })
    if (!hasCmaf) return
    const { segments } = this.#timeline.window
    const init = segments.findLast(({ cmaf }) => cmaf?.init !== undefined)?.cmaf?.init
    const text = this.#rendered.text('master', suffixOf(carried), () =>
      writePlaylist(masterPlaylist(segments, init, SUFFIX_MARK)),
    )
    sendPlaylist(exchange, text)
  }

  async #serveMedia({ path, request, response }: HlsRequest): Promise<void> {
    const { window } = this.#timeline
    if (path === this.#timeline.nextPartName) {
      // A part that was hinted at may be asked for before it is there (bis §6.2.6).
      const isOver = () => path !== this.#timeline.nextPartName
      const how = await this.#waiting.until(isOver, this.#blockedMs, response)
      if (how === 'gone') return
    }
    const media = window.find(path)
    if (media === undefined) {
      throw new HoldfastError('hls_not_found', 'No playlist of this stream names it, or it is not kept any more')
    }
    const { limits } = this.#options
    const maxAgeS = Math.max(limits.hlsDvrMs / 1_000, BLOCKED_TARGETS * this.#timeline.targetDurationS)
    await sendMedia(media, { request, response }, { maxAgeS })
  }

  get #blockedMs(): number {
    return BLOCKED_TARGETS * 1_000 * this.#timeline.targetDurationS
  }

  /** False when the client has left. Throws what stands in the way of the first segment. */
  async #awaitFirst(rendition: Rendition, response: HlsRequest['response']): Promise<boolean> {
    if (rendition === 'cmaf') this.#timeline.startCmaf()
    const { segments } = this.#timeline.window
    const { startTimeoutMs, hlsSegmentMs } = this.#options.limits
    // A player that began with less would have nothing left before the next segment is complete.
    const isEnough = () => hasMedia(segments, rendition, hlsSegmentMs)
    const isHopeless = () =>
      rendition === 'cmaf' &&
      segments.filter(({ cmaf, isLost }) => cmaf !== undefined && !isLost).length >= GAPS_MIN &&
      !isThere()
    const isThere = () => hasMedia(segments, rendition, 0)
    const how = await this.#waiting.until(() => isEnough() || isHopeless(), startTimeoutMs, response)
    if (how === 'gone') return false
    this.#refuseEnded()
    if (isThere()) return true
    if (how === 'timeout') throw this.#options.failure()
    throw new HoldfastError('hls_not_available', 'Nothing in this stream can be put into fragmented MP4')
  }

  /**
   * Waits for what `_HLS_msn` and `_HLS_part` ask for; false when the client has left. During an outage it is answered with
   * what there is, which makes players ask again; the 503 of the draft would make them give up after some more.
   */
  async #awaitAsked({ query, response }: HlsRequest, rendition: Rendition): Promise<boolean> {
    const asked = blockRequest(query, this.#progress(rendition))
    if (asked === undefined) return true
    const isThere = () => isAnswerable(asked, this.#progress(rendition))
    const how = await this.#waiting.until(isThere, this.#blockedMs, response)
    if (how === 'gone') return false
    this.#refuseEnded()
    return true
  }

  #progress(rendition: Rendition): Progress {
    const { window, open } = this.#timeline
    if (rendition === 'ts') return { nextSequence: window.nextSequence, open: undefined }
    return { nextSequence: open?.sequence ?? window.nextSequence, open }
  }

  /** A playlist tells the target duration; from now on it is the stream's. */
  #published(): void {
    this.#timeline.published()
    if (this.#isTargetKnown) return
    this.#isTargetKnown = true
    this.#options.onMemoryChanged()
  }

  #refuseEnded(): void {
    if (this.#isEnded) throw new HoldfastError('hls_not_found', 'This stream is not on air any more')
  }
}

/** Whether there is a segment of a rendition, and `ms` of them together. */
function hasMedia(segments: readonly Segment[], rendition: Rendition, ms: number): boolean {
  let missingMs = ms
  for (let index = segments.length - 1; index >= 0; index -= 1) {
    const segment = segments[index]
    if (segment === undefined || segment.isLost || (rendition === 'cmaf' && segment.cmaf?.init === undefined)) continue
    missingMs -= segment.durationS * 1_000
    if (missingMs <= 0) return true
  }
  return false
}

/** What stands behind every URI of a playlist for this client. */
export function suffixOf(carried: Readonly<Record<string, string>>): string {
  const parameters = new URLSearchParams(carried).toString()
  return parameters === '' ? '' : `?${parameters}`
}

/** Answers with a playlist that may be different a second later. */
export function sendPlaylist({ request, response }: HlsRequest, text: string): void {
  const body = Buffer.from(text)
  response.writeHead(200, {
    'content-type': CONTENT_TYPE_PLAYLIST,
    'content-length': body.length,
    'cache-control': PLAYLIST_CACHE,
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}
