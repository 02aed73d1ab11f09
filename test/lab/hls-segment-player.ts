import type { MediaPlaylist, MediaSegment } from '../../src/hls/playlist.ts'
import { PlaylistRules } from '../../src/hls/rules.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { HlsProxyLab } from './hls-proxy-lab.ts'
import { markedSource } from './marker.ts'
import { RunningTime } from './running-time.ts'
import { startSequence } from './start-sequence.ts'

/** One segment as a player got it. */
export interface PlayedSegment {
  readonly sequence: number
  readonly startsDiscontinuity: boolean
  readonly durationS: number
  /** Whose it is, by the marks in it. */
  readonly source: string | undefined
  readonly body: Buffer
  readonly atMs: number
}

const POLL_MS = 250
const RETRY_MS = 200

/**
 * A player without a picture: follows a playlist, loads its segments in order, and counts for how long it would have
 * had nothing to show. It asks again for what is answered with 5xx and leaves out what the playlist calls a gap.
 */
export class HlsSegmentPlayer {
  readonly #lab: HlsProxyLab
  readonly #path: string
  readonly #abort = new AbortController()
  readonly #running: Promise<void>
  readonly #rules = new PlaylistRules()
  readonly segments: PlayedSegment[] = []
  readonly gaps: number[] = []
  /** Statuses other than 200. */
  readonly refusals: string[] = []
  /** Segments that broke off after their head. */
  broken = 0
  /** For so long it had nothing to show, of the time in which this process ran: origin and proxy are in it too. */
  stalledMs = 0
  readonly #time = new RunningTime()
  #next: number | undefined
  /** When what was loaded will have been played. */
  #playedUntilMs: number | undefined

  constructor(lab: HlsProxyLab, path = 'playlist.m3u8') {
    this.#lab = lab
    this.#path = path
    this.#running = this.#run()
  }

  get sources(): readonly string[] {
    const seen = this.segments.map(({ source }) => source ?? 'nobody')
    return seen.filter((source, index) => source !== seen[index - 1])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    this.#time[Symbol.dispose]()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      const playlist = await this.#lab
        .playlist(this.#path, this.#rules)
        .catch((error: unknown) => this.#refused(String(error)))
      if (playlist !== undefined) await this.#loadFrom(playlist)
      await systemClock.sleep(POLL_MS, signal).catch(() => undefined)
    }
  }

  #refused(message: string): undefined {
    this.refusals.push(message.slice(0, 120))
  }

  async #loadFrom(playlist: MediaPlaylist): Promise<void> {
    this.#next ??= startSequence(playlist)
    if (this.#next < playlist.mediaSequence) this.#next = playlist.mediaSequence
    for (;;) {
      const segment = playlist.segments[this.#next - playlist.mediaSequence]
      if (segment === undefined || this.#abort.signal.aborted) return
      if (segment.isGap) this.gaps.push(this.#next)
      else if (!(await this.#load(segment, this.#next))) return
      this.#next += 1
    }
  }

  async #load(segment: MediaSegment, sequence: number): Promise<boolean> {
    try {
      const { status, body } = await this.#lab.get(new URL(segment.uri, new URL(this.#path, this.#lab.base)).href)
      if (status !== 200) {
        this.#refused(`segment ${status}`)
        await systemClock.sleep(RETRY_MS)
        return false
      }
      this.#play(segment, sequence, body)
      return true
    } catch {
      this.broken += 1
      return false
    }
  }

  #play({ durationS, isDiscontinuity }: MediaSegment, sequence: number, body: Buffer): void {
    const nowMs = this.#time.ms
    const until = this.#playedUntilMs
    if (until !== undefined && until < nowMs) this.stalledMs += nowMs - until
    this.#playedUntilMs = Math.max(until ?? nowMs, nowMs) + durationS * 1_000
    this.segments.push({
      ...{ sequence, durationS, body, startsDiscontinuity: isDiscontinuity, atMs: systemClock.nowMs() },
      source: markedSource(body),
    })
  }
}
