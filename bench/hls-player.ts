import { parsePlaylist } from '../src/hls/parse-playlist.ts'
import type { MediaPlaylist, MediaSegment } from '../src/hls/playlist.ts'
import { PlaylistRules } from '../src/hls/rules.ts'
import { systemClock } from '../src/lib/clock.ts'
import { markedSource } from '../test/lab/marker.ts'
import { startSequence } from '../test/lab/start-sequence.ts'
import { Playhead } from './scored-player.ts'
import type { Arrival, ScoredPlayer } from './scored-player.ts'

/** What hls.js 1.7 does by default when something cannot be loaded (its config.ts and error-controller.ts). */
const POLICY = {
  playlist: {
    answerMs: 10_000,
    totalMs: 20_000,
    errorRetries: 2,
    timeoutRetries: 2,
    retryMs: 1_000,
    retryMsMax: 8_000,
  },
  segment: {
    answerMs: 10_000,
    totalMs: 120_000,
    errorRetries: 6,
    timeoutRetries: 4,
    retryMs: 1_000,
    retryMsMax: 8_000,
  },
} as const
const BUFFER_MS_MAX = 30_000
/** Before it looks again whether there is something to load and room for it. */
const PAUSE_MS = 20

type Policy = (typeof POLICY)[keyof typeof POLICY]
type Answer =
  { readonly kind: 'answered'; readonly status: number; readonly body: Buffer } | { readonly kind: 'error' | 'timeout' }

/**
 * A player without a picture that behaves as hls.js does: follows a playlist, begins three target durations behind its
 * end, loads segments in order, plays them in real time, repeats what may be repeated and gives up where hls.js does.
 */
export class HlsPlayer implements ScoredPlayer {
  readonly changes: Arrival[] = []
  settledMs = 0
  /** Why it gave up. */
  fatal: string | undefined
  /** Answers other than the one that was asked for, in order. */
  readonly refusals: string[] = []
  /** Breaches of RFC 8216 in the playlists that it was given. */
  readonly violations: string[] = []
  /** Segments that the playlist calls a gap, and those that were gone before they could be loaded. */
  skipped = 0
  readonly #playhead = new Playhead()
  readonly #abort = new AbortController()
  readonly #rules = new PlaylistRules()
  readonly #running: Promise<void>
  /** Failures in a row. */
  readonly #failed = { playlist: { errors: 0, timeouts: 0 }, segment: { errors: 0, timeouts: 0 } }
  #url: string
  #playlist: MediaPlaylist | undefined
  #next: number | undefined

  constructor(url: string) {
    this.#url = url
    this.#running = this.#run()
  }

  get source(): string | undefined {
    return this.changes.at(-1)?.source
  }

  get stalls(): number {
    return this.#playhead.stalls
  }

  get stalledMs(): number {
    return this.#playhead.stalledMs
  }

  get longestStallMs(): number {
    return this.#playhead.longestStallMs
  }

  /** Counts what goes on now, too. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#abort.signal.aborted) return
    this.#abort.abort()
    await this.#running
    this.#playhead.count(systemClock.nowMs())
  }

  async #run(): Promise<void> {
    await Promise.all([this.#follow(), this.#loadAll()])
  }

  get #isOver(): boolean {
    return this.#abort.signal.aborted || this.fatal !== undefined
  }

  async #follow(): Promise<void> {
    while (!this.#isOver) {
      const beganMs = systemClock.nowMs()
      const body = await this.#once(this.#url, POLICY.playlist, 'playlist')
      if (body === undefined) continue
      const hasChanged = this.#take(body.toString('utf8'))
      if (this.#playlist === undefined) continue
      const targetMs = this.#playlist.targetDurationS * 1_000
      const lastMs = (this.#playlist.segments.at(-1)?.durationS ?? Infinity) * 1_000
      const intervalMs = hasChanged ? Math.min(targetMs, lastMs) : targetMs / 2
      await this.#sleep(Math.max(0, intervalMs - (systemClock.nowMs() - beganMs)))
    }
  }

  /** Whether there is something new in it. */
  #take(text: string): boolean {
    const isMaster = text.includes('#EXT-X-STREAM-INF')
    if (isMaster) {
      const master = parsePlaylist(text)
      const uri = master.kind === 'master' ? master.variants[0]?.uri : undefined
      if (uri !== undefined) this.#url = new URL(uri, this.#url).href
      return true
    }
    for (const { rule, message } of this.#rules.pushText(text, systemClock.nowMs(), this.#url)) {
      this.violations.push(`${rule}: ${message}`)
    }
    const playlist = parsePlaylist(text)
    if (playlist.kind !== 'media') return false
    const hasChanged = endOf(playlist) !== endOf(this.#playlist)
    this.#playlist = playlist
    if (playlist.hasEndList) this.fatal = 'the playlist ended'
    return hasChanged
  }

  async #loadAll(): Promise<void> {
    while (!this.#isOver) {
      const segment = this.#nextSegment()
      if (segment === undefined || this.#playhead.aheadMs(systemClock.nowMs()) > BUFFER_MS_MAX) {
        await this.#sleep(PAUSE_MS)
        continue
      }
      if (segment.isGap) this.skipped += 1
      else {
        const body = await this.#once(new URL(segment.uri, this.#url).href, POLICY.segment, 'segment')
        // What is asked for next is what the playlist calls for by then: it may have become a gap.
        if (body === undefined) continue
        this.#play(segment, body)
      }
      this.#next = (this.#next ?? 0) + 1
    }
  }

  #nextSegment(): MediaSegment | undefined {
    const playlist = this.#playlist
    if (playlist === undefined || playlist.segments.length === 0) return undefined
    this.#next ??= startSequence(playlist)
    if (this.#next < playlist.mediaSequence) {
      this.skipped += playlist.mediaSequence - this.#next
      this.#next = playlist.mediaSequence
    }
    return playlist.segments[this.#next - playlist.mediaSequence]
  }

  #play({ durationS }: MediaSegment, body: Buffer): void {
    const nowMs = systemClock.nowMs()
    this.#playhead.came(durationS * 1_000, nowMs)
    const source = markedSource(body) ?? 'nobody'
    if (source !== this.source) {
      this.changes.push({ source, atMs: nowMs })
      this.settledMs = 0
    }
    this.settledMs += durationS * 1_000
  }

  /** One request, and the wait before the next where it failed. */
  async #once(url: string, policy: Policy, what: 'playlist' | 'segment'): Promise<Buffer | undefined> {
    const answer = await this.#request(url, policy)
    if (this.#isOver) return undefined
    const failed = this.#failed[what]
    if (answer.kind === 'answered' && answer.status === 200) {
      failed.errors = 0
      failed.timeouts = 0
      return answer.body
    }
    const isTimeout = answer.kind === 'timeout'
    const told = answer.kind === 'answered' ? `${answer.status}` : answer.kind
    this.refusals.push(`${what} ${told}`)
    failed[isTimeout ? 'timeouts' : 'errors'] += 1
    const { errors, timeouts } = failed
    // hls.js repeats neither what was answered with 4xx nor, online, what was broken off.
    const isRefused = answer.kind === 'answered' && answer.status >= 400 && answer.status < 500
    const isHopeless = answer.kind === 'error' || isRefused
    if (isHopeless || errors > policy.errorRetries || timeouts > policy.timeoutRetries) this.fatal = `${what}: ${told}`
    else if (!isTimeout) await this.#sleep(Math.min(policy.retryMs * 2 ** (errors - 1), policy.retryMsMax))
    return undefined
  }

  async #request(url: string, { answerMs, totalMs }: Policy): Promise<Answer> {
    const timeout = new AbortController()
    const answerTimer = systemClock.schedule(answerMs, () => timeout.abort())
    const totalTimer = systemClock.schedule(totalMs, () => timeout.abort())
    try {
      const response = await fetch(url, { signal: AbortSignal.any([timeout.signal, this.#abort.signal]) })
      answerTimer.cancel()
      return { kind: 'answered', status: response.status, body: Buffer.from(await response.arrayBuffer()) }
    } catch {
      return { kind: timeout.signal.aborted ? 'timeout' : 'error' }
    } finally {
      answerTimer.cancel()
      totalTimer.cancel()
    }
  }

  async #sleep(ms: number): Promise<void> {
    await systemClock.sleep(ms, this.#abort.signal).catch(() => undefined)
  }
}

function endOf(playlist: MediaPlaylist | undefined): number {
  return playlist === undefined ? -1 : playlist.mediaSequence + playlist.segments.length
}
