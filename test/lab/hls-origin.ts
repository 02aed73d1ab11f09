import { createCipheriv, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '../../src/lib/clock.ts'
import { answerWith } from './hls-fault.ts'
import type { HlsAnswer, HlsFault } from './hls-fault.ts'
import { byteRangeOf, masterText, mediaText } from './hls-playlist-text.ts'
import type { OriginRendition, PlaylistView } from './hls-playlist-text.ts'

export interface HlsOriginOptions {
  /** The first is what `url` leads to when there is no master playlist. */
  readonly renditions: readonly OriginRendition[]
  /** `url` is a master playlist. Always so with more than one rendition. */
  readonly hasMaster?: boolean
  /** Segments in a playlist; 6 by default. */
  readonly window?: number
  /** Segments that can still be had behind those in the playlist; by default as many as there are in it, and one. */
  readonly kept?: number
  /** So much of the programme is there at the start, in segments; the window by default. */
  readonly preroll?: number
  readonly hasProgramDateTime?: boolean
  /** Added to the numbers in the playlist; those in the names do not change. */
  readonly firstSequence?: number
  /** Segments are AES-128 encrypted; with `explicitIv` the IV is in the playlist, otherwise it is the sequence number. */
  readonly encryption?: { readonly explicitIv: boolean; readonly rotatesEvery?: number }
  /** Segments are byte ranges of one resource for each turn of `window` segments. */
  readonly byteRanges?: boolean
  /** The entry sets a cookie, and whatever comes without it is answered 403. */
  readonly requiresCookie?: boolean
  /** The entry redirects to where the playlists are. */
  readonly redirectsEntry?: boolean
  /** A finished programme of so many segments: the playlist names all of them and ends. */
  readonly vodSegments?: number
  /** EXT-X-VERSION and other lines of every media playlist, at its head. */
  readonly extraLines?: readonly string[]
}

export interface OriginRequest {
  /** Path and query. */
  readonly target: string
  readonly kind: 'master' | 'playlist' | 'segment' | 'init' | 'key' | 'other'
  readonly headers: IncomingMessage['headers']
  readonly atMs: number
}

const REQUESTS_MAX = 20_000
const COOKIE = 'lab-session=open'

/**
 * A live HLS origin on loopback that publishes a segment whenever one is due, and can be told to fail in each way in
 * which origins do. Written independently of src/hls, which it tests.
 */
export class HlsOrigin implements AsyncDisposable {
  readonly requests: OriginRequest[] = []
  /** What is done with each kind of request, until it is undefined again. */
  playlistFault: HlsFault | undefined
  segmentFault: HlsFault | undefined
  keyFault: HlsFault | undefined
  /** What is done with the very next request of a kind, in place of the above. */
  readonly nextFaults = new Map<OriginRequest['kind'], HlsFault>()
  /** Only segments of these numbers (in their names) are at fault; undefined: all. */
  faultySegments: ReadonlySet<number> | undefined
  /** The playlist goes on being answered, and nothing is added to it. */
  #frozenAt: number | undefined
  /** The playlist ends with the newest segment. */
  isEnded = false
  readonly #options: HlsOriginOptions
  readonly #server: Server
  readonly #startMs: number
  readonly #segmentMs: number
  readonly #keys = new Map<number, Buffer>()
  #discontinuities: readonly number[] = []
  /** Names of segments and numbers in the playlist begin anew from this one. */
  #era = 0
  #eraFrom = 0
  #brokenAt = Number.POSITIVE_INFINITY
  #open = 0
  maxConcurrency = 0
  /** TCP connections, by the lab's clock. */
  readonly connections: { openedAtMs: number; closedAtMs: number | undefined }[] = []

  private constructor(options: HlsOriginOptions) {
    this.#options = options
    const preroll = options.vodSegments ?? options.preroll ?? options.window ?? 6
    this.#segmentMs = options.renditions[0]?.media.segmentMs ?? 1_600
    this.#startMs = systemClock.nowMs() - preroll * this.#segmentMs
    this.#server = createServer({ keepAliveTimeout: 30_000 }, (request, response) => this.#respond(request, response))
  }

  static async start(options: HlsOriginOptions): Promise<HlsOrigin> {
    const origin = new HlsOrigin(options)
    origin.#server.on('connection', (socket) => {
      const connection: HlsOrigin['connections'][number] = { openedAtMs: Infinity, closedAtMs: undefined }
      origin.connections.push(connection)
      // An end that came before this connection may be read after it, where this process was busy: it counts as it was.
      setImmediate(() => {
        setImmediate(() => {
          connection.openedAtMs = systemClock.nowMs()
        })
      })
      for (const event of ['end', 'close']) {
        socket.once(event, () => {
          connection.closedAtMs ??= systemClock.nowMs()
        })
      }
    })
    origin.#server.listen(0, '127.0.0.1')
    await once(origin.#server, 'listening')
    return origin
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get hasMaster(): boolean {
    return this.#options.hasMaster === true || this.#options.renditions.length > 1
  }

  /** The entry. */
  get url(): string {
    if (this.#options.redirectsEntry === true) return `${this.origin}/entry.m3u8`
    return `${this.origin}${this.#entryPath}`
  }

  /** The number in the name of the next segment to appear. */
  get edge(): number {
    const { vodSegments } = this.#options
    if (vodSegments !== undefined) return vodSegments
    return this.#frozenAt ?? Math.max(0, Math.floor((systemClock.nowMs() - this.#startMs) / this.#segmentMs))
  }

  /** The playlist stands still from now on, or catches up with the time. */
  setFrozen(isFrozen: boolean): void {
    this.#frozenAt = undefined
    if (isFrozen) this.#frozenAt = this.edge
  }

  /** The next segment begins with EXT-X-DISCONTINUITY. Of what it says of the media nothing is true but that. */
  addDiscontinuity(): void {
    this.#discontinuities = [...this.#discontinuities, this.edge]
  }

  /** The media sequence begins again at `firstSequence`, with new names, as after a restart of the packager. */
  resetSequence(): void {
    this.#era += 1
    this.#eraFrom = this.edge - 1
  }

  /** The next segment has EXT-X-DISCONTINUITY and comes of `mediaAfterBreak`, as after an advertisement or a restart. */
  breakTimeline(): void {
    this.#brokenAt = this.edge
    this.addDiscontinuity()
  }

  countOf(kind: OriginRequest['kind']): number {
    return this.requests.filter((request) => request.kind === kind).length
  }

  /** How often each segment was asked for. */
  segmentCounts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const { kind, target, headers } of this.requests) {
      const key = `${target} ${headers.range ?? ''}`
      if (kind === 'segment') counts.set(key, (counts.get(key) ?? 0) + 1)
    }
    return counts
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  get #entryPath(): string {
    return this.hasMaster ? '/live/master.m3u8' : `/live/${this.#options.renditions[0]?.name ?? 'v0'}/index.m3u8`
  }

  #respond(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.origin)
    const kind = kindOf(url.pathname)
    this.#note({ target: url.pathname + url.search, kind, headers: request.headers, atMs: systemClock.nowMs() })
    this.#open += 1
    this.maxConcurrency = Math.max(this.maxConcurrency, this.#open)
    response.on('close', () => {
      this.#open -= 1
    })
    response.on('error', () => {})
    if (/^\/entry(\.m3u8)?$/.test(url.pathname)) {
      response.writeHead(302, { Location: `${this.#entryPath}?session=1`, ...this.#setCookie() }).end()
      return
    }
    const isEntry = url.pathname === this.#entryPath && this.#options.redirectsEntry !== true
    const isRefused = this.#options.requiresCookie === true && !isEntry && request.headers.cookie !== COOKIE
    const answer = isRefused ? undefined : this.#answer(url, kind, request.headers.range)
    if (answer === undefined) {
      response.writeHead(isRefused ? 403 : 404, { 'Content-Length': 0 }).end()
      return
    }
    const headers = isEntry ? { ...answer.headers, ...this.#setCookie() } : answer.headers
    answerWith(response, { ...answer, headers }, this.#faultFor(kind, url.pathname))
  }

  #note(request: OriginRequest): void {
    if (this.requests.length < REQUESTS_MAX) this.requests.push(request)
  }

  #setCookie(): Readonly<Record<string, string>> {
    return this.#options.requiresCookie === true ? { 'Set-Cookie': `${COOKIE}; Path=/; HttpOnly` } : {}
  }

  #faultFor(kind: OriginRequest['kind'], path: string): HlsFault | undefined {
    const next = this.nextFaults.get(kind)
    if (this.nextFaults.delete(kind)) return next
    if (kind === 'master' || kind === 'playlist') return this.playlistFault
    if (kind === 'key') return this.keyFault
    if (kind !== 'segment') return undefined
    const number = Number(/(\d+)\.\w+$/.exec(path)?.[1])
    return this.faultySegments?.has(number) === false ? undefined : this.segmentFault
  }

  #answer(url: URL, kind: OriginRequest['kind'], range: string | undefined): HlsAnswer | undefined {
    if (kind === 'master') return playlistAnswer(masterText(this.#options.renditions))
    if (kind === 'key') return this.#keyAnswer(url.pathname)
    const [, name, file = ''] = /^\/live\/([^/]+)\/([^/]+)$/.exec(url.pathname) ?? []
    const rendition = this.#options.renditions.find((each) => each.name === name)
    if (rendition === undefined) return undefined
    if (kind === 'playlist') return playlistAnswer(mediaText(rendition, this.#view()))
    const { media } = rendition
    if (kind === 'init' && media.init !== undefined) {
      return { status: 200, headers: { 'Content-Type': media.contentType }, body: media.init }
    }
    return kind === 'segment' ? this.#segmentAnswer(rendition, file, range) : undefined
  }

  #view(): PlaylistView {
    const {
      window = 6,
      firstSequence = 0,
      vodSegments,
      encryption,
      byteRanges = false,
      extraLines = [],
    } = this.#options
    const { edge } = this
    const isVod = vodSegments !== undefined
    const first = isVod ? 0 : Math.max(this.#eraFrom, edge - window, 0)
    const numbers = Array.from({ length: Math.max(0, edge - first) }, (_, index) => first + index)
    return {
      numbers,
      era: this.#era,
      eraFrom: this.#eraFrom,
      mediaSequence: first - this.#eraFrom + firstSequence,
      discontinuities: this.#discontinuities,
      isEnded: isVod || this.isEnded,
      isVod,
      wallMsOf: (number) =>
        this.#options.hasProgramDateTime === true ? this.#startMs + number * this.#segmentMs : undefined,
      encryption: encryption === undefined ? undefined : { ...encryption, keyOf: (number) => this.#keyNumber(number) },
      rangeOf: (rendition, number) =>
        byteRanges ? byteRangeOf(number, window, (each) => this.#plain(rendition, each)) : undefined,
      extraLines,
    }
  }

  #keyNumber(number: number): number {
    return Math.floor(number / (this.#options.encryption?.rotatesEvery ?? Number.MAX_SAFE_INTEGER))
  }

  #key(number: number): Buffer {
    const key = this.#keys.get(number) ?? randomBytes(16)
    this.#keys.set(number, key)
    return key
  }

  #keyAnswer(path: string): HlsAnswer | undefined {
    const number = Number(/key-(\d+)\.key$/.exec(path)?.[1])
    if (Number.isNaN(number)) return undefined
    return { status: 200, headers: { 'Content-Type': 'application/octet-stream' }, body: this.#key(number) }
  }

  #plain({ media, mediaAfterBreak = media }: OriginRendition, number: number): Buffer {
    const current = number < this.#brokenAt ? media : mediaAfterBreak
    return current.segment(number, this.#startMs + number * this.#segmentMs)
  }

  #segmentAnswer(rendition: OriginRendition, file: string, range: string | undefined): HlsAnswer | undefined {
    const asked = Number(/(\d+)\.\w+$/.exec(file)?.[1])
    const repeats = this.segmentFault?.kind === 'repeat' && this.faultySegments?.has(asked) !== false
    const number = repeats && this.segmentFault?.kind === 'repeat' ? this.segmentFault.number : asked
    const { window = 6, kept = window + 1, byteRanges = false, vodSegments } = this.#options
    const isGone = vodSegments === undefined && asked < this.edge - window - kept
    if (Number.isNaN(asked) || isGone || (!byteRanges && asked >= this.edge)) return undefined
    const headers = { 'Content-Type': rendition.media.contentType }
    if (!byteRanges) return { status: 200, headers, body: this.#encrypted(this.#plain(rendition, number), number) }
    // The name is that of the first segment of the turn.
    const body = Buffer.concat(Array.from({ length: window }, (_, index) => this.#plain(rendition, number + index)))
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
    if (from === undefined) return { status: 200, headers, body }
    const part = body.subarray(Number(from), Number(to) + 1)
    return { status: 206, headers: { ...headers, 'Content-Range': `bytes ${from}-${to}/${body.length}` }, body: part }
  }

  #encrypted(bytes: Buffer, number: number): Buffer {
    const { encryption, firstSequence = 0 } = this.#options
    if (encryption === undefined) return bytes
    const iv = Buffer.alloc(16)
    iv.writeUInt32BE(encryption.explicitIv ? number + 1_000_000 : number - this.#eraFrom + firstSequence, 12)
    const cipher = createCipheriv('aes-128-cbc', this.#key(this.#keyNumber(number)), iv)
    return Buffer.concat([cipher.update(bytes), cipher.final()])
  }
}

function kindOf(path: string): OriginRequest['kind'] {
  if (path.endsWith('/master.m3u8')) return 'master'
  if (path.endsWith('.m3u8')) return 'playlist'
  if (path.endsWith('.key')) return 'key'
  if (path.endsWith('.mp4')) return 'init'
  return /\.(?:ts|m4s|aac)$/.test(path) ? 'segment' : 'other'
}

function playlistAnswer(text: string): HlsAnswer {
  return {
    status: 200,
    headers: { 'Content-Type': 'application/vnd.apple.mpegurl', 'Cache-Control': 'no-cache' },
    body: Buffer.from(text),
  }
}
