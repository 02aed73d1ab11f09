import { createRequire } from 'node:module'
import HLS from 'hls-parser'
import type { MediaPlaylist } from '../../src/hls/playlist.ts'
import { parsePlaylist } from '../../src/hls/parse-playlist.ts'
import { PlaylistRules } from '../../src/hls/rules.ts'
import { describeViolations } from '../../src/hls/violation.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { until } from './poll.ts'

/** It comes without types. */
const { Parser } = createRequire(import.meta.url)('m3u8-parser') as {
  readonly Parser: new () => { push(text: string): void; end(): void }
}

const POLL_MS = 400
// What it would only like otherwise it says on the console.
HLS.setOptions({ silent: true })

const PROBLEMS_MAX = 20

/**
 * Reads every playlist that a player of one address would see, the variants of a master too, and keeps what is wrong
 * with any of them: by the rules of RFC 8216, and by two parsers of other people.
 */
export class PlaylistWatch implements AsyncDisposable {
  readonly problems: string[] = []
  readonly #url: string
  readonly #stop = new AbortController()
  readonly #watched = new Map<string, { readonly rules: PlaylistRules; last: MediaPlaylist | undefined }>()
  #done: Promise<void> = Promise.resolve()
  /** Playlists that were read. */
  count = 0

  private constructor(url: string) {
    this.#url = url
  }

  static start(url: string): PlaylistWatch {
    const watch = new PlaylistWatch(url)
    watch.#done = watch.#run()
    return watch
  }

  /** The latest media playlist; of a master, that of its first variant. */
  get last(): MediaPlaylist {
    const latest = this.#latest
    if (latest === undefined) throw new Error('no playlist was read')
    return latest
  }

  get #latest(): MediaPlaylist | undefined {
    return [...this.#watched.values()].find(({ last }) => last !== undefined)?.last
  }

  /** Resolves when the latest playlist has so many segments. */
  async hasSegments(count: number): Promise<void> {
    await until(() => (this.#latest?.segments.length ?? 0) >= count, {
      what: `${count} segments in the playlist`,
      deadlineMs: 30_000,
      evidence: () => this.problems,
    })
  }

  /** Resolves when nothing is asked for any more. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    let urls: readonly string[] = [this.#url]
    while (!signal.aborted) {
      for (const url of urls) urls = (await this.#read(url)) ?? urls
      await systemClock.sleep(POLL_MS, signal).catch(() => {})
    }
  }

  /** The media playlists of a master, when that is what it was. */
  async #read(url: string): Promise<readonly string[] | undefined> {
    let text = ''
    try {
      const answer = await fetch(url, { signal: this.#stop.signal })
      // What a status other than 200 is good for, the player judges.
      if (answer.status !== 200) return undefined
      text = await answer.text()
    } catch {
      return undefined
    }
    this.count += 1
    this.#parseElsewhere(text)
    if (text.includes('#EXT-X-STREAM-INF')) {
      const master = parsePlaylist(text)
      if (master.kind !== 'master') throw new Error('a master that is none')
      return master.variants.map(({ uri }) => new URL(uri, url).href)
    }
    const watched = this.#watched.get(url) ?? { rules: new PlaylistRules(), last: undefined }
    this.#watched.set(url, watched)
    const violations = watched.rules.pushText(text, systemClock.nowMs(), url)
    if (violations.length > 0) this.#problem(describeViolations(violations))
    const playlist = parsePlaylist(text)
    if (playlist.kind === 'media') watched.last = playlist
    return undefined
  }

  #parseElsewhere(text: string): void {
    try {
      HLS.parse(text)
      const parser = new Parser()
      parser.push(text)
      parser.end()
    } catch (error) {
      this.#problem(`another parser says: ${String(error)} of ${text.slice(0, 400)}`)
    }
  }

  #problem(text: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(text)
  }
}
