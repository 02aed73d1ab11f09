import { HoldfastError } from '../../lib/errors.ts'
import { writePlaylist } from '../../hls/write-playlist.ts'
import { RenditionFilter } from '../../mpegts/rendition-filter.ts'
import type { RenditionStreams } from '../../mpegts/rendition-filter.ts'
import type { Json } from '../../store/store.ts'
import type { HlsRequest } from '../../streams/hls/hls-output.ts'
import { Packager, sendPlaylist, suffixOf } from '../../streams/packager/packager.ts'
import type { PackagedHls, PackagerOptions } from '../../streams/packager/packager.ts'
import { lostRunOf, lostUnderNamesOf } from '../../streams/packager/lost-segments.ts'
import { memoryField, startOf } from '../../streams/packager/packager-memory.ts'
import { SegmentCutter } from '../../streams/packager/segment-cutter.ts'
import type { PublishedSwitch } from '../../streams/packager/switch-ranges.ts'
import type { TimelineStart } from '../../streams/packager/timeline.ts'
import { WaitingRequests } from '../../streams/packager/waiting-requests.ts'
import type { Slice } from '../../streams/ring.ts'
import type { RenditionRequest } from '../../streams/service.ts'
import { LadderVariants } from './ladder-variants.ts'
import type { RenditionFormat } from './ladder-variants.ts'
import { streamsOf } from './rungs.ts'

export interface LadderPackagerOptions extends PackagerOptions {
  /** What the encoder makes, best first; undefined while it has not been started. */
  readonly rungs: () => readonly RenditionRequest[] | undefined
}

interface Renditions {
  readonly cutter: SegmentCutter
  readonly packagers: readonly Packager[]
}

/** `r/<index>/<whatever that rendition's playlists name>`. */
const RENDITION_PATH = /^r\/(\d{1,2})\/(.+)$/

/**
 * A stream that carries several renditions as HLS: one master playlist (RFC 8216 §4.3.4.2), and below it a packager for
 * each. They are cut by one hand, so that numbers, dates, boundaries and discontinuities are the same in all of them
 * (§6.2.4).
 */
export class LadderPackager implements PackagedHls {
  readonly #options: LadderPackagerOptions
  readonly #waiting: WaitingRequests
  readonly #observation: Disposable
  #renditions: Renditions | undefined
  #variants: LadderVariants | undefined
  #isEnded = false

  constructor(options: LadderPackagerOptions) {
    const { ring, clock } = options
    this.#options = options
    this.#waiting = new WaitingRequests(clock)
    for (let sequence = ring.oldestSequence; sequence < ring.nextSequence; sequence += 1) {
      const slice = ring.at(sequence)
      if (slice !== undefined) this.#push(slice)
    }
    this.#observation = ring.observe((slice) => this.#push(slice))
  }

  get memory(): Json {
    const packagers = this.#renditions?.packagers ?? []
    const known = packagers.find(({ isTargetKnown }) => isTargetKnown) ?? packagers[0]
    if (known === undefined) return this.#options.memory ?? null
    return { ...known.memory, renditions: packagers.map(({ memory }) => memoryField(memory, 'window') ?? null) }
  }

  /** Throws hls_not_found, hls_not_available, and why there is no media. */
  async serve(exchange: HlsRequest): Promise<void> {
    const { path, response } = exchange
    const { startTimeoutMs } = this.#options.limits
    const how = await this.#waiting.until(() => this.#renditions !== undefined, startTimeoutMs, response)
    if (how === 'gone') return
    if (this.#isEnded) throw new HoldfastError('hls_not_found', 'This stream is not on air any more')
    if (this.#renditions === undefined) throw this.#options.failure()
    if (path === 'playlist.m3u8' || path === 'master.m3u8') {
      await this.#serveMaster(exchange)
      return
    }
    const [, index, rest] = RENDITION_PATH.exec(path) ?? []
    const packager = index === undefined ? undefined : this.#renditions.packagers[Number(index)]
    if (packager === undefined || rest === undefined || rest === 'master.m3u8') {
      throw new HoldfastError('hls_not_found', 'No playlist of this stream names it')
    }
    await packager.serve({ ...exchange, path: rest })
  }

  switched(published: PublishedSwitch): void {
    for (const packager of this.#renditions?.packagers ?? []) packager.switched(published)
  }

  giveUp(): void {
    this.#waiting.giveUp()
    for (const packager of this.#renditions?.packagers ?? []) packager.giveUp()
  }

  interrupt(): void {
    if (this.#renditions === undefined) return
    this.#renditions.cutter.interrupt()
    for (const packager of this.#renditions.packagers) packager.interrupted()
  }

  [Symbol.dispose](): void {
    this.#isEnded = true
    this.#observation[Symbol.dispose]()
    this.#waiting.endAll()
    for (const packager of this.#renditions?.packagers ?? []) packager[Symbol.dispose]()
  }

  #push(slice: Slice): void {
    this.#renditions ??= this.#create()
    if (this.#renditions === undefined) return
    this.#renditions.cutter.push(slice)
    for (const packager of this.#renditions.packagers) packager.advance()
    this.#waiting.wake()
  }

  #create(): Renditions | undefined {
    const { clock, limits, memory, rungs: known } = this.#options
    const rungs = known()
    if (rungs === undefined) return undefined
    const start = startOf(memory, clock.wallMs())
    const cutter = new SegmentCutter({
      limits: { segmentMs: limits.hlsSegmentMs, bytesMax: limits.hlsBufferBytesMax },
      start,
      nowMs: () => clock.nowMs(),
      wallMs: () => clock.wallMs(),
    })
    const { hlsBufferBytesMax } = limits
    const bits = rungs.map(({ videoBitsPerSecond, audioBitsPerSecond }) => videoBitsPerSecond + audioBitsPerSecond)
    const bitsOfAll = bits.reduce((sum, each) => sum + each, 0)
    const packagers = streamsOf(rungs).map((streams, index) => {
      const bytesMax = Math.floor((hlsBufferBytesMax * (bits[index] ?? 0)) / bitsOfAll)
      return this.#packagerOf(streams, { cutter, start: startOfRendition(start, memory, index), bytesMax })
    })
    this.#variants = new LadderVariants(rungs, this.#options.createMuxer)
    return { cutter, packagers }
  }

  #packagerOf(
    streams: RenditionStreams,
    { cutter, start, bytesMax }: Pick<Renditions, 'cutter'> & { start: TimelineStart; bytesMax: number },
  ): Packager {
    const { limits } = this.#options
    return new Packager({
      ...this.#options,
      limits: { ...limits, hlsBufferBytesMax: bytesMax },
      part: { cutter, start, createFilter: () => new RenditionFilter(streams) },
    })
  }

  async #serveMaster(exchange: HlsRequest): Promise<void> {
    const { query, carried, response } = exchange
    const isCmaf = query['format'] === 'fmp4' || query['format'] === 'cmaf'
    const packagers = this.#renditions?.packagers ?? []
    const hasAll = () => packagers.every(({ segments }) => segments.length > 0)
    const how = await this.#waiting.until(hasAll, this.#options.limits.startTimeoutMs, response)
    if (how === 'gone') return
    if (this.#isEnded) throw new HoldfastError('hls_not_found', 'This stream is not on air any more')
    if (!hasAll() || this.#variants === undefined) throw this.#options.failure()
    const format: RenditionFormat = isCmaf ? 'cmaf' : 'ts'
    const segments = packagers.map((packager) => packager.segments)
    sendPlaylist(exchange, writePlaylist(this.#variants.master(segments, format, suffixOf(carried))))
  }
}

/** The start of all renditions, with the names of one of them for what is lost. */
function startOfRendition(start: TimelineStart, memory: Json | undefined, index: number): TimelineStart {
  const renditions = memoryField(memory, 'renditions')
  const own = Array.isArray(renditions) ? lostRunOf((renditions as readonly Json[])[index]) : undefined
  return own === undefined ? start : { ...start, lost: lostUnderNamesOf(start.lost, start.sequence, own) }
}
