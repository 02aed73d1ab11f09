import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { HlsBrowser } from '../lab/hls-browser.ts'
import type { HlsPlayer } from '../lab/hls-browser.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { PlaylistWatch } from '../lab/playlist-watch.ts'
import { until } from '../lab/poll.ts'

/** hls.js in Chromium plays sources with qualities, and with sound in a playlist of its own, through a real gateway. */

const segmentMs = 1_600
const TARGET_MS = 2_000
const offsetTicks = 8_000_000
const alpha = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs, streams: 'video' })
const small = await loadTsMedia({ programme: 'alpha', source: 'small', segmentMs, streams: 'video', videoKbps: 300 })
const alphaSound = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs, streams: 'audio' })
const charlie = await loadTsMedia({ programme: 'charlie', source: 'charlie', segmentMs, streams: 'video', offsetTicks })
const charlieSound = await loadTsMedia({
  ...{ programme: 'charlie', source: 'charlie', segmentMs, streams: 'audio', offsetTicks },
})

let gateway: GatewayProcess
let browser: HlsBrowser
before(async () => {
  gateway = await GatewayProcess.start()
  browser = await HlsBrowser.start()
})
after(async () => {
  await browser[Symbol.asyncDispose]()
  await gateway[Symbol.asyncDispose]()
})

const levelOf = async (player: HlsPlayer): Promise<number> => await player.page.evaluate('window.hls.currentLevel')

test('changes of quality, a source that dies, and the way back by hand, with picture and sound apart', async () => {
  await using first = await HlsOrigin.start({
    renditions: [
      { name: 'low', media: small, bandwidth: 400_000, resolution: '320x180' },
      { name: 'high', media: alpha, bandwidth: 900_000, resolution: '640x360' },
      { name: 'en', media: alphaSound, isAudio: true },
    ],
  })
  await using second = await HlsOrigin.start({
    firstSequence: 4_000,
    renditions: [
      { name: 'only', media: charlie, bandwidth: 700_000, resolution: '640x360' },
      { name: 'en', media: charlieSound, isAudio: true },
    ],
  })
  const streamId = await gateway.api.stream([first.url, second.url])
  const entry = `${gateway.url}/hls/${streamId}/playlist.m3u8`
  await using watch = PlaylistWatch.start(`${entry}?client_id=watch`)
  const player = await browser.play(`${entry}?client_id=browser`, { startLevel: 0 })
  try {
    await player.hasPlayed(3)
    await player.page.evaluate('window.hls.nextLevel = 1')
    await until(async () => (await levelOf(player)) === 1, { what: 'the better quality', deadlineMs: 20_000 })
    first.playlistFault = { kind: 'never_answer' }
    first.segmentFault = { kind: 'never_answer' }
    await player.shows('charlie')
    await player.playsOn(3)
    first.playlistFault = undefined
    first.segmentFault = undefined
    await gateway.api.failover(streamId, { target: 0 })
    await player.shows('alpha')
    const facts = await player.playsOn(3)
    assert.deepEqual(facts.fatalErrors, [])
    assert.ok(facts.longestStallMs < TARGET_MS, JSON.stringify(facts))
    const clients = await gateway.api.get<{ clients: readonly { client_id: string }[] }>('/clients')
    assert.deepEqual(clients.clients.map(({ client_id }) => client_id).toSorted(), ['browser', 'watch'])
  } finally {
    await player[Symbol.asyncDispose]()
    await watch.stop()
  }
  assert.deepEqual(watch.problems, [])
})
