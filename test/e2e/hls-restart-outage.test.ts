import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { HlsBrowser } from '../lab/hls-browser.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { PlaylistWatch } from '../lab/playlist-watch.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

/**
 * The gateway is away for longer than its playlist lasts. hls.js then finds its way back only if the new playlist names
 * what it has: otherwise it waits for ever at the end of its buffer.
 */
const OUTAGE_MS = 20_000

/** hls.js gives up after two retries as it comes; whoever waits through an outage has told it to. */
const PATIENT = {
  playlistLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 10_000,
      maxLoadTimeMs: 20_000,
      timeoutRetry: { maxNumRetry: 2, retryDelayMs: 0, maxRetryDelayMs: 0 },
      errorRetry: { maxNumRetry: 60, retryDelayMs: 500, maxRetryDelayMs: 1_000 },
    },
  },
}

/** A load balancer that waits for its backend: ffmpeg ends where a playlist is refused once. */
class WaitingFront implements AsyncDisposable {
  readonly #server = createServer((request, response) => void this.#pass(request.url ?? '/', response))
  readonly #stop = new AbortController()
  readonly #target: string
  /** Paths that were answered with 404. */
  readonly missing: string[] = []

  private constructor(target: string) {
    this.#target = target
  }

  static async start(target: string): Promise<WaitingFront> {
    const front = new WaitingFront(target)
    front.#server.listen(0, '127.0.0.1')
    await once(front.#server, 'listening')
    return front
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async #pass(path: string, response: ServerResponse): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        const answer = await fetch(`${this.#target}${path}`, { signal })
        const body = Buffer.from(await answer.arrayBuffer())
        if (answer.status === 404) this.missing.push(path)
        response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
        response.end(body)
        return
      } catch {
        await systemClock.sleep(300, signal).catch(() => {})
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** ffmpeg that decodes the pictures of a live playlist. */
class PlayingFfmpeg implements AsyncDisposable {
  readonly #child
  #progress = ''

  constructor(url: string) {
    const options = ['-hide_banner', '-nostdin', '-loglevel', 'error', '-progress', 'pipe:1']
    this.#child = spawn('ffmpeg', [...options, '-i', url, '-map', '0:v:0', '-f', 'null', '-'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#progress = (this.#progress + text).slice(-2_000)
    })
  }

  get pictures(): number {
    return Number(/^frame=(\d+)$(?![\s\S]*^frame=)/m.exec(this.#progress)?.[1] ?? 0)
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.hasEnded) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}

const media = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800 })

test('hls.js and ffmpeg outlive an outage of the gateway that is longer than its playlist', async () => {
  await using gateway = await GatewayProcess.start({ env: { ...unhurried, HLS_SEGMENT_SECONDS: '1.6' } })
  await using browser = await HlsBrowser.start()
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
  await using origin = await HlsOrigin.start({ renditions: [{ name: 'v0', media }] })
  const packaged = ['playlist.m3u8', 'cmaf/playlist.m3u8'].map((path) => `/hls/${scene.streamId}/${path}`)
  const passedOn = `/hls/${await gateway.api.stream([origin.url])}/playlist.m3u8`
  const addresses = [...packaged, passedOn]
  const watches = addresses.map((address) => PlaylistWatch.start(`${gateway.url}${address}?client_id=watch`))
  const front = await WaitingFront.start(gateway.url)
  const decoders: PlayingFfmpeg[] = []
  try {
    for (const watch of watches) await watch.hasSegments(4)
    for (const address of packaged) decoders.push(new PlayingFfmpeg(`${front.url}${address}?client_id=ffmpeg`))
    const players = await Promise.all(
      addresses.map(async (address) => await browser.play(`${gateway.url}${address}?client_id=browser`, PATIENT)),
    )
    await Promise.all(players.map(async (player) => await player.hasPlayed(4)))
    await until(() => decoders.every(({ pictures }) => pictures > 0), { what: 'pictures', deadlineMs: 30_000 })
    const newest = watches.map(({ last }) => last.segments.at(-1)?.uri)
    await gateway.kill('SIGKILL')
    await systemClock.sleep(OUTAGE_MS, new AbortController().signal)
    const before = decoders.map(({ pictures }) => pictures)
    await gateway.restart()
    const areGaps = () =>
      packaged.every((_, index) =>
        watches[index]?.last.segments.some(({ uri, isGap }) => isGap && uri === newest[index]),
      )
    await until(areGaps, { what: 'playlists with what players had', deadlineMs: 60_000 })
    for (const player of players) assert.deepEqual((await player.playsOn(8, 60_000)).fatalErrors, [])
    await until(() => decoders.every(({ pictures }, index) => pictures > (before[index] ?? 0) + 100), {
      ...{ what: 'four seconds of pictures', deadlineMs: 60_000 },
      evidence: () => [before, decoders.map(({ pictures, hasEnded }) => [pictures, hasEnded]), front.missing],
    })
  } finally {
    for (const decoder of decoders) await decoder[Symbol.asyncDispose]()
    await front[Symbol.asyncDispose]()
    for (const watch of watches) await watch.stop()
  }
  for (const { problems } of watches) assert.deepEqual(problems, [])
})
