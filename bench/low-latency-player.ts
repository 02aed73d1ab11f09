import { systemClock } from '../src/lib/clock.ts'

const RETRY_MS = 300

/** A player of Low-Latency HLS without a picture: waits for the next part with each playlist, and loads it. */
export class LowLatencyPlayer implements AsyncDisposable {
  readonly #url: string
  readonly #abort = new AbortController()
  readonly #running: Promise<void>
  #loaded = ''
  parts = 0

  constructor(url: string) {
    this.#url = url
    this.#running = this.#run()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    let query = ''
    while (!signal.aborted) {
      try {
        const playlist = (await this.#get(this.#url + query)).toString()
        query = nextOf(playlist)
        await this.#loadNewest(playlist)
      } catch {
        query = ''
        await systemClock.sleep(RETRY_MS, signal).catch(() => undefined)
      }
    }
  }

  async #loadNewest(playlist: string): Promise<void> {
    const newest = [...playlist.matchAll(/^#EXT-X-PART:.*URI="([^"]+)"/gm)].at(-1)?.[1]
    if (newest === undefined || newest === this.#loaded) {
      await systemClock.sleep(RETRY_MS, this.#abort.signal)
      return
    }
    this.#loaded = newest
    await this.#get(new URL(newest, this.#url).href)
    this.parts += 1
  }

  async #get(url: string): Promise<Buffer> {
    const answer = await fetch(url, { signal: this.#abort.signal })
    const body = Buffer.from(await answer.arrayBuffer())
    if (answer.status !== 200) throw new Error(`${answer.status}`)
    return body
  }
}

/** What asks for the playlist with one part more (RFC 8216bis §6.2.5.2). */
function nextOf(playlist: string): string {
  const first = Number(/^#EXT-X-MEDIA-SEQUENCE:(\d+)/m.exec(playlist)?.[1] ?? 0)
  const segments = playlist.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length
  const open = playlist.slice(playlist.lastIndexOf('#EXTINF'))
  const parts = open.split('#EXT-X-PART:').length - 1
  return `&_HLS_msn=${first + segments}&_HLS_part=${parts}`
}
