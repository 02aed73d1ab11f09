import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'
import { until } from './poll.ts'

/** What hls.js and the video element say of themselves. */
export interface PlayerFacts {
  readonly currentTime: number
  readonly readyState: number
  readonly isPaused: boolean
  /** Times that the picture stood still for want of media after it had begun; a machine too busy to decode is no want of media. */
  readonly stalls: number
  /** Milliseconds in which it did. */
  readonly stalledMs: number
  /** The longest of them, one that is going on included. */
  readonly longestStallMs: number
  readonly fatalErrors: readonly string[]
  readonly otherErrors: readonly string[]
  /** Parts and segments that were loaded. */
  readonly partsLoaded: number
  readonly segmentsLoaded: number
  readonly decodedFrames: number
  readonly droppedFrames: number
  /** Seconds behind the newest media, as hls.js reckons. */
  readonly latencyS: number
  /** Ranges of media in hand, seconds; more than one: there are holes. */
  readonly bufferedRanges: number
}

const PAGE = `<!doctype html>
<meta charset="utf-8"><title>player</title>
<video id="video" muted playsinline width="320" height="180"></video>
<canvas id="canvas" width="32" height="18"></canvas>
<script src="/hls.js"></script>
<script>
const facts = {
  stalls: 0, stalledMs: 0, longestStallMs: 0, fatalErrors: [], otherErrors: [], partsLoaded: 0, segmentsLoaded: 0,
}
const video = document.getElementById('video')
const AHEAD_S = 0.3
let hasBegun = false, isWaiting = false, stalledSince
const hasMediaAhead = () => {
  for (let at = 0; at < video.buffered.length; at += 1) {
    const isHere = video.buffered.start(at) <= video.currentTime && video.currentTime < video.buffered.end(at)
    if (isHere) return video.buffered.end(at) - video.currentTime > AHEAD_S
  }
  return false
}
const stallBegun = () => {
  if (!isWaiting || stalledSince !== undefined || hasMediaAhead()) return
  facts.stalls += 1
  stalledSince = performance.now()
}
setInterval(stallBegun, 100)
const stallEnded = () => {
  isWaiting = false
  if (stalledSince === undefined) return
  const ms = performance.now() - stalledSince
  facts.stalledMs += ms
  facts.longestStallMs = Math.max(facts.longestStallMs, ms)
  stalledSince = undefined
}
video.addEventListener('playing', () => { hasBegun = true; stallEnded() })
video.addEventListener('timeupdate', stallEnded)
video.addEventListener('waiting', () => {
  isWaiting = hasBegun
  stallBegun()
})
function play(url, config) {
  const hls = new Hls(config)
  hls.on(Hls.Events.ERROR, (_, data) => {
    const text = data.type + ' ' + data.details + ' ' + (data.response?.code ?? '') + ' ' + (data.error?.message ?? data.reason ?? '')
    if (data.fatal) facts.fatalErrors.push(text)
    else if (data.details === Hls.ErrorDetails.BUFFER_STALLED_ERROR && hasMediaAhead()) return
    else if (facts.otherErrors.length < 200) facts.otherErrors.push(text)
  })
  hls.on(Hls.Events.FRAG_LOADED, (_, { part }) => { facts[part ? 'partsLoaded' : 'segmentsLoaded'] += 1 })
  hls.on(Hls.Events.MANIFEST_PARSED, () => void video.play())
  hls.loadSource(url)
  hls.attachMedia(video)
  window.hls = hls
}
window.forgetStart = () => {
  Object.assign(facts, { stalls: 0, stalledMs: 0, longestStallMs: 0, otherErrors: [] })
  if (stalledSince !== undefined) stalledSince = performance.now()
}
window.facts = () => ({
  ...facts,
  longestStallMs: stalledSince === undefined ? facts.longestStallMs : Math.max(facts.longestStallMs, performance.now() - stalledSince),
  currentTime: video.currentTime,
  readyState: video.readyState,
  isPaused: video.paused,
  decodedFrames: video.getVideoPlaybackQuality().totalVideoFrames,
  droppedFrames: video.getVideoPlaybackQuality().droppedVideoFrames,
  latencyS: window.hls?.latency ?? 0,
  bufferedRanges: video.buffered.length,
})
window.averageColour = () => {
  const context = document.getElementById('canvas').getContext('2d', { willReadFrequently: true })
  context.drawImage(video, 0, 0, 32, 18)
  const { data } = context.getImageData(0, 0, 32, 18)
  const sum = [0, 0, 0]
  for (let at = 0; at < data.length; at += 4) for (const channel of [0, 1, 2]) sum[channel] += data[at + channel]
  return sum.map((value) => Math.round(value / (data.length / 4)))
}
</script>`

const START_DEADLINE_MS = 30_000
const SHOWN_DEADLINE_MS = 40_000
/** Of red, 0 to 255. */
const DARK_MAX = 100

/** hls.js in a real Chromium; one page for each player. */
export class HlsBrowser implements AsyncDisposable {
  readonly #browser: Browser
  readonly #server: Server

  private constructor(browser: Browser, server: Server) {
    this.#browser = browser
    this.#server = server
  }

  static async start(): Promise<HlsBrowser> {
    const script = await readFile(createRequire(import.meta.url).resolve('hls.js/dist/hls.min.js'))
    const server = createServer((request, response) => {
      const isScript = request.url === '/hls.js'
      response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
      response.end(isScript ? script : PAGE)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const browser = await chromium.launch({
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--mute-audio', '--disable-gpu'],
    })
    return new HlsBrowser(browser, server)
  }

  /** Opens a page that plays `url`; `config` is what hls.js is made with. */
  async play(url: string, config: Readonly<Record<string, unknown>> = {}): Promise<HlsPlayer> {
    const page = await this.#browser.newPage()
    const { port } = this.#server.address() as AddressInfo
    await page.goto(`http://127.0.0.1:${port}/`)
    await page.evaluate(`play(${JSON.stringify(url)}, ${JSON.stringify(config)})`)
    return new HlsPlayer(page)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close()
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

/** One player in a page. */
export class HlsPlayer implements AsyncDisposable {
  readonly page: Page

  constructor(page: Page) {
    this.page = page
  }

  async facts(): Promise<PlayerFacts> {
    return await this.page.evaluate('window.facts()')
  }

  /**
   * Resolves when so many seconds have been played in all. From the first time on stalls and errors are counted: a player begins with
   * one segment in hand, and whether the second comes in time says how busy this machine is.
   */
  async hasPlayed(seconds: number, deadlineMs = START_DEADLINE_MS): Promise<PlayerFacts> {
    let facts: PlayerFacts | undefined
    const begun = await this.#begun(deadlineMs)
    const played = await until(
      async () => {
        facts = await this.facts()
        return facts.currentTime - begun >= seconds && facts
      },
      { what: `${seconds} s of play`, deadlineMs, evidence: () => facts },
    )
    if (!this.#hasSettled) await this.page.evaluate('window.forgetStart()')
    this.#hasSettled = true
    return played
  }

  /** Resolves when the picture goes on for `seconds` from where it is now. */
  async playsOn(seconds: number, deadlineMs = START_DEADLINE_MS): Promise<PlayerFacts> {
    const { currentTime } = await this.facts()
    let facts: PlayerFacts | undefined
    return await until(
      async () => {
        facts = await this.facts()
        return facts.currentTime >= currentTime + seconds && facts
      },
      { what: `another ${seconds} s of play`, deadlineMs, evidence: () => facts },
    )
  }

  /** What the picture looks like now: the mean of red, green and blue, 0 to 255 each. */
  async averageColour(): Promise<readonly [number, number, number]> {
    return await this.page.evaluate('window.averageColour()')
  }

  /** Whether it shows `charlie`, whose three colours are dark, and not `alpha`, whose moving picture is grey on the average. */
  async isDark(): Promise<boolean> {
    return (await this.averageColour())[0] < DARK_MAX
  }

  /** Resolves when the picture is that of a programme of the lab. */
  async shows(programme: 'alpha' | 'charlie', deadlineMs = SHOWN_DEADLINE_MS): Promise<void> {
    await until(async () => (await this.isDark()) === (programme === 'charlie'), {
      ...{ what: `the picture of ${programme}`, deadlineMs },
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.close()
  }

  #hasSettled = false
  #firstTime: number | undefined
  async #begun(deadlineMs: number): Promise<number> {
    let facts: PlayerFacts | undefined
    this.#firstTime ??= await until(
      async () => {
        facts = await this.facts()
        return facts.decodedFrames > 0 && facts.readyState >= 2 && facts.currentTime
      },
      { what: 'the first picture', deadlineMs, evidence: () => facts },
    )
    return this.#firstTime
  }
}
