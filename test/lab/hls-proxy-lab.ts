import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import HLS from 'hls-parser'
import { candidateId } from '../../src/failover/candidate.ts'
import { parseMediaPlaylist } from '../../src/hls/parse-playlist.ts'
import type { MediaPlaylist } from '../../src/hls/playlist.ts'
import { PlaylistRules } from '../../src/hls/rules.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { HoldfastError } from '../../src/lib/errors.ts'
import type { Json } from '../../src/store/store.ts'
import { HlsProxy } from '../../src/streams/hls/proxy/hls-proxy.ts'
import { conditionFacts } from '../../src/streams/detect/conditions.ts'
import type { ActionChoice, Finding } from '../../src/streams/detect/conditions.ts'
import type { HlsProxyLimits, HlsProxySource } from '../../src/streams/hls/proxy/proxy-options.ts'
import type { SlateMaker } from '../../src/streams/outage.ts'
import type { SessionFailure } from '../../src/streams/sources/session.ts'

const { Parser } = createRequire(import.meta.url)('m3u8-parser') as {
  readonly Parser: new () => {
    push(text: string): void
    end(): void
    readonly manifest: { readonly segments: readonly unknown[] }
  }
}

export interface HlsProxyLabOptions {
  /** Entries of the sources in order; each failure puts the next one on air, round and round. */
  readonly urls: readonly string[]
  readonly limits?: Partial<HlsProxyLimits>
  /** Between a failure and the next source. */
  readonly delayMs?: number
  readonly useStickySession?: boolean
  /** The next source stands by while one is on air. */
  readonly isHot?: boolean
  /** A failure has been told, and this source is put on air next. */
  readonly onSwitch?: (index: number) => void
  readonly memory?: Json
  /** What makes slates, shown a second after the failure; none without it. */
  readonly slates?: SlateMaker
  readonly slateHoldMs?: number
  /** What to do about conditions of segments; the defaults hold for the rest. */
  readonly detect?: ActionChoice
  /** Whether hosts of the sources may be private addresses; they are, so without it nothing can be reached. */
  readonly operatorHosts?: readonly string[]
}

export interface LabAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
}

const ASKED_MAX = 20_000

const LIMITS: HlsProxyLimits = {
  timeouts: { connectMs: 1_000, answerMs: 1_000, silenceMs: 1_000, totalMs: 20_000 },
  startTimeoutMs: 8_000,
  viewerHoldMs: 20_000,
  cacheBytesMax: 64 * 1024 * 1024,
  targetDurationFloorS: 0,
}

/** For sources of which none is slow: this process serves them, and on a busy machine a second is soon over. */
export const UNHURRIED: Partial<HlsProxyLimits> = {
  timeouts: { connectMs: 10_000, answerMs: 10_000, silenceMs: 10_000, totalMs: 60_000 },
}

/** A real HTTP server over an HlsProxy, with the simplest of engines: whoever fails is followed by the next. */
export class HlsProxyLab implements AsyncDisposable {
  readonly #options: HlsProxyLabOptions
  readonly #server: Server
  readonly #rules = new Map<string, PlaylistRules>()
  #proxy: HlsProxy
  #index = 0
  #epoch = 0
  readonly failures: (SessionFailure & { readonly index: number })[] = []
  readonly delivered: number[] = []
  /** Paths that players asked for, oldest first. */
  readonly asked: string[] = []
  /** Of those that delivered, the epochs of sources that had been standing by. */
  readonly wereStandby: number[] = []
  readonly standbyFailures: (SessionFailure & { readonly index: number })[] = []
  /** What the rules found in playlists that `playlist` fetched. */
  readonly violations: string[] = []
  slatesShown = 0
  readonly slateErrors: string[] = []
  /** What was found in segments of sources that stayed. */
  readonly warnings: Finding[] = []

  private constructor(options: HlsProxyLabOptions) {
    this.#options = options
    this.#server = createServer((request, response) => void this.#respond(request, response))
    this.#proxy = this.#create(options.memory)
  }

  static async start(options: HlsProxyLabOptions): Promise<HlsProxyLab> {
    const lab = new HlsProxyLab(options)
    lab.#server.listen(0, '127.0.0.1')
    await once(lab.#server, 'listening')
    lab.putOnAir(0)
    return lab
  }

  get proxy(): HlsProxy {
    return this.#proxy
  }

  get base(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hls/lab/`
  }

  get entry(): string {
    return `${this.base}playlist.m3u8`
  }

  get onAir(): number {
    return this.#index
  }

  putOnAir(index: number): void {
    this.#index = index
    this.#epoch += 1
    this.#proxy.putOnAir(this.#source(index), this.#epoch)
  }

  /** The gateway is killed and started again, with what it had kept. */
  restart(): void {
    const { memory } = this.#proxy
    this.#proxy[Symbol.dispose]()
    this.#proxy = this.#create(memory)
    this.putOnAir(this.#index)
  }

  async get(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<LabAnswer> {
    const answer = await fetch(new URL(path, this.base), { headers, method })
    return { status: answer.status, headers: answer.headers, body: Buffer.from(await answer.arrayBuffer()) }
  }

  /**
   * A media playlist, judged by the rules against all versions of it that were fetched before: by whoever gives no `rules` of
   * its own. Of answers that several ask for at once, the older one may be the last to be read.
   */
  async playlist(path = 'playlist.m3u8', rules = this.#rulesOf(path)): Promise<MediaPlaylist> {
    const { status, body } = await this.get(path)
    const text = body.toString()
    if (status !== 200) throw new Error(`${path} was answered with ${status}: ${text}`)
    for (const found of rules.pushText(text, systemClock.nowMs()))
      this.violations.push(`${JSON.stringify(found)}\n${text}`)
    const playlist = parseMediaPlaylist(text)
    // hls-parser counts the one that is being made.
    const isAhead = playlist.trailing !== undefined || playlist.preloadHints.length > 0
    for (const [name, count] of Object.entries(segmentsByOthers(text))) {
      const isRight = count === playlist.segments.length || (isAhead && count === playlist.segments.length + 1)
      if (!isRight) this.violations.push(`${name} reads ${count} segments\n${text}`)
    }
    return playlist
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#proxy[Symbol.dispose]()
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #rulesOf(path: string): PlaylistRules {
    const rules = this.#rules.get(path) ?? new PlaylistRules()
    this.#rules.set(path, rules)
    return rules
  }

  #create(memory: Json | undefined): HlsProxy {
    const sources = this.#options.urls.map((_, index) => this.#source(index))
    return new HlsProxy({
      streamId: 'lab',
      clock: systemClock,
      secret: 'a secret that only the lab knows',
      network: { clock: systemClock },
      limits: { ...LIMITS, ...this.#options.limits },
      memory,
      onMemoryChanged: () => {},
      source: (id) => sources.find((source) => source.candidateId === id),
      hasAlternative: () => this.#options.urls.length > 1,
      listener: {
        delivered: (_id, epoch, wasStandby) => this.#delivered(epoch, wasStandby),
        warned: (_id, finding) => this.warnings.push(finding),
        failed: (_id, epoch, failure) => this.#failed(epoch, failure),
      },
      detection: {
        actionOf: (condition) => this.#options.detect?.[condition] ?? conditionFacts[condition].defaultAction,
        hasAlternative: () => this.#options.urls.length > 1,
      },
      slate: {
        slates: this.#options.slates,
        request: () => ({ isOn: this.#options.slates !== undefined, afterMs: 1_000 }),
        holdMs: this.#options.slateHoldMs ?? 60_000,
        shown: () => void (this.slatesShown += 1),
        unavailable: (error) => this.slateErrors.push(String(error)),
      },
      failure: () => new HoldfastError('upstream_timeout', 'no source delivers'),
    })
  }

  #delivered(epoch: number, wasStandby: boolean): void {
    this.delivered.push(epoch)
    if (wasStandby) this.wereStandby.push(epoch)
    if (this.#options.isHot === true) this.prepare((this.#index + 1) % this.#options.urls.length)
  }

  /** One that fails is followed by the one after it. */
  prepare(index: number): void {
    if (index === this.#index) return
    this.#proxy.prepare(this.#source(index), (failure) => {
      this.standbyFailures.push({ ...failure, index })
      this.prepare((index + 1) % this.#options.urls.length)
    })
  }

  #failed(epoch: number, failure: SessionFailure): void {
    this.failures.push({ ...failure, index: this.#index })
    if (epoch !== this.#epoch) return
    const next = (this.#index + 1) % this.#options.urls.length
    this.#options.onSwitch?.(next)
    const delayMs = this.#options.delayMs ?? (this.failures.length > this.#options.urls.length ? 300 : 0)
    if (delayMs === 0) this.putOnAir(next)
    else systemClock.schedule(delayMs, () => this.putOnAir(next))
  }

  #source(index: number): HlsProxySource {
    const { urls, useStickySession = false, operatorHosts = ['127.0.0.1'] } = this.#options
    return {
      candidateId: candidateId(`candidate-${index}`),
      index,
      url: urls[index] ?? '',
      headers: { 'x-lab': 'yes' },
      userAgent: 'holdfast-lab',
      operatorHosts: new Set(operatorHosts),
      useStickySession,
    }
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.base)
    response.setHeader('access-control-allow-origin', '*')
    const query = Object.fromEntries(url.searchParams)
    const carried = Object.fromEntries(
      Object.entries(query).filter(([name]) => name === 'client_id' || name === 'token'),
    )
    try {
      const path = decodeURIComponent(url.pathname.replace('/hls/lab/', ''))
      if (this.asked.length < ASKED_MAX) this.asked.push(path)
      await this.#proxy.serve({ streamId: 'lab', path, query, carried, request, response })
    } catch (error) {
      if (!response.headersSent) response.writeHead(error instanceof HoldfastError ? error.status : 500)
      response.end(String(error))
    }
  }
}

/** Two parsers of others read it too; segments that each of them finds. */
function segmentsByOthers(text: string): Readonly<Record<string, number>> {
  const other = HLS.parse(text)
  const parser = new Parser()
  parser.push(text)
  parser.end()
  return {
    'hls-parser': 'segments' in other ? other.segments.length : -1,
    'm3u8-parser': parser.manifest.segments.length,
  }
}
