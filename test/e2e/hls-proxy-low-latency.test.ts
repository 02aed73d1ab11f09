import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { parseMediaPlaylist } from '../../src/hls/parse-playlist.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { HlsProxyLab, UNHURRIED } from '../lab/hls-proxy-lab.ts'
import { until } from '../lab/poll.ts'

/** Low-Latency HLS through the proxy: parts, hints and blocking reload, and what is left of them after a switch. */

const PART_MS = 200
const PARTS = 5
const SEGMENT_MS = PART_MS * PARTS
const WINDOW = 8

/** An origin with parts of 0.2 s in segments of 1 s, which holds reloads back until they have something new. */
class LowLatencyOrigin implements AsyncDisposable {
  readonly #startMs = systemClock.nowMs() - WINDOW * SEGMENT_MS
  readonly requests: string[] = []
  isDown = false
  readonly #server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://origin.example')
    this.requests.push(url.pathname + url.search)
    void this.#answer(url, response)
  })

  static async start(): Promise<LowLatencyOrigin> {
    const origin = new LowLatencyOrigin()
    origin.#server.listen(0, '127.0.0.1')
    await once(origin.#server, 'listening')
    return origin
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/live.m3u8`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** Parts that are complete. */
  get #parts(): number {
    return Math.floor((systemClock.nowMs() - this.#startMs) / PART_MS)
  }

  async #answer(url: URL, response: ServerResponse): Promise<void> {
    if (this.isDown) {
      response.writeHead(503).end()
      return
    }
    const wanted = url.pathname === '/live.m3u8' ? this.#wantedPart(url) : this.#partOf(url.pathname)
    await until(() => this.#parts >= wanted, { what: `part ${wanted}`, deadlineMs: 20_000 })
    response.end(url.pathname === '/live.m3u8' ? this.#text() : `low ${url.pathname}`)
  }

  #wantedPart({ searchParams }: URL): number {
    const sequence = searchParams.get('_HLS_msn')
    return sequence === null ? 0 : Number(sequence) * PARTS + Number(searchParams.get('_HLS_part') ?? PARTS - 1) + 1
  }

  #partOf(path: string): number {
    const [, sequence, part] = /(\d+)(?:\.(\d+))?\.ts$/.exec(path) ?? []
    return Number(sequence) * PARTS + Number(part ?? PARTS - 1) + 1
  }

  #text(): string {
    const parts = this.#parts
    const next = Math.floor(parts / PARTS)
    const first = Math.max(0, next - WINDOW)
    const lines = [
      '#EXTM3U',
      '#EXT-X-VERSION:9',
      '#EXT-X-TARGETDURATION:1',
      '#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6,CAN-SKIP-UNTIL=6',
      `#EXT-X-PART-INF:PART-TARGET=${PART_MS / 1_000}`,
      `#EXT-X-MEDIA-SEQUENCE:${first}`,
    ]
    for (let sequence = first; sequence <= next; sequence += 1) {
      const complete = sequence < next ? PARTS : parts - next * PARTS
      const detailed = sequence >= next - 2 ? complete : 0
      for (let part = 0; part < detailed; part += 1) {
        lines.push(`#EXT-X-PART:DURATION=0.2,URI="seg-${sequence}.${part}.ts"${part === 0 ? ',INDEPENDENT=YES' : ''}`)
      }
      if (sequence < next) lines.push('#EXTINF:1.000,', `seg-${sequence}.ts`)
      else lines.push(`#EXT-X-PRELOAD-HINT:TYPE=PART,URI="seg-${sequence}.${complete}.ts"`)
    }
    return `${lines.join('\n')}\n`
  }
}

test('parts pass with names of ours, and a hinted part becomes the one that is listed', async () => {
  await using origin = await LowLatencyOrigin.start()
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [origin.url] })
  const playlist = await lab.playlist()
  assert.equal(playlist.serverControl?.canBlockReload, true)
  assert.equal(playlist.serverControl?.canSkipUntilS, undefined)
  const hint = playlist.preloadHints[0]?.uri ?? ''
  assert.match(hint, /^p\/[\w-]+\.ts$/)
  const text = (await lab.get(hint)).body.toString()
  assert.match(text, /^low \/seg-\d+\.\d\.ts$/)
  const named = await until(
    async () => {
      const { segments, trailing } = await lab.playlist()
      return [...segments, ...(trailing === undefined ? [] : [trailing])].some(({ parts }) =>
        parts.some(({ uri }) => uri === hint),
      )
    },
    { what: 'the hinted part' },
  )
  assert.equal(named, true)
  assert.deepEqual(lab.violations, [])
})

test('a blocking reload is answered when the part is there, by one reload of the source', async () => {
  await using origin = await LowLatencyOrigin.start()
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [origin.url] })
  let { mediaSequence, segments, trailing } = await lab.playlist()
  const startMs = systemClock.nowMs()
  let prompt = 0
  for (let reload = 0; reload < 12; reload += 1) {
    const next = mediaSequence + segments.length
    const part = trailing?.parts.length ?? 0
    const path = `playlist.m3u8?_HLS_msn=${next}&_HLS_part=${part}`
    const [answer] = await Promise.all([lab.get(path), lab.get(path), lab.get(path)])
    assert.equal(answer.status, 200)
    const answered = parseMediaPlaylist(answer.body.toString())
    const answeredEdge =
      (answered.mediaSequence + answered.segments.length) * PARTS + (answered.trailing?.parts.length ?? 0)
    if (answeredEdge === next * PARTS + part + 1) prompt += 1
    ;({ mediaSequence, segments, trailing } = await lab.playlist())
    const edge = (mediaSequence + segments.length) * PARTS + (trailing?.parts.length ?? 0)
    assert.ok(edge > next * PARTS + part)
  }
  const tookMs = systemClock.nowMs() - startMs
  // Reloads every target duration would never see less than five new parts at once.
  assert.ok(prompt > 0, 'no reload was answered with the one part that it waited for')
  const reloads = origin.requests.filter((target) => target.startsWith('/live.m3u8'))
  assert.ok(reloads.length < tookMs / PART_MS + 5, `${reloads.length} reloads`)
  assert.deepEqual(lab.violations, [])
})

test('nonsense in a blocking reload is refused, and one that is too far ahead', async () => {
  await using origin = await LowLatencyOrigin.start()
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [origin.url] })
  const { mediaSequence, segments } = await lab.playlist()
  const status = async (query: string) => (await lab.get(`playlist.m3u8?${query}`)).status
  assert.equal(await status('_HLS_msn=x'), 422)
  assert.equal(await status('_HLS_part=1'), 422)
  assert.equal(await status(`_HLS_msn=${mediaSequence + segments.length + 100}`), 422)
})

test('after a switch to a source without parts blocking reload goes on, and back', async () => {
  const media = await loadTsMedia({ programme: 'bravo', source: 'bravo', segmentMs: 800 })
  await using origin = await LowLatencyOrigin.start()
  await using second = await HlsOrigin.start({ renditions: [{ name: 'v0', media }] })
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [origin.url, second.url] })
  await lab.playlist()
  origin.isDown = true
  await until(() => lab.delivered.includes(2), { what: 'the switch' })
  assert.equal(lab.onAir, 1)
  const joined = await lab.playlist()
  assert.equal(joined.serverControl?.canBlockReload, true)
  assert.equal(joined.partTargetS, 0.2)
  assert.equal(joined.preloadHints.length, 0)
  const next = joined.mediaSequence + joined.segments.length
  assert.equal((await lab.get(`playlist.m3u8?_HLS_msn=${next}&_HLS_part=0`)).status, 200)
  const later = await lab.playlist()
  assert.ok(later.mediaSequence + later.segments.length > next)
  origin.isDown = false
  lab.putOnAir(0)
  await until(async () => (await lab.playlist()).preloadHints.length > 0, { what: 'parts again' })
  assert.deepEqual(lab.violations, [])
})
