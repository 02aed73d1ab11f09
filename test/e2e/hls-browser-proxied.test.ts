import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { HlsBrowser } from '../lab/hls-browser.ts'
import type { HlsPlayer } from '../lab/hls-browser.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { PlaylistWatch } from '../lab/playlist-watch.ts'

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

interface Playing extends AsyncDisposable {
  readonly streamId: string
  readonly primary: HlsOrigin
  readonly backup: HlsOrigin
  readonly player: HlsPlayer
  readonly watch: PlaylistWatch
}

async function playing(stream: Readonly<Record<string, unknown>> = {}): Promise<Playing> {
  const origin = async (source: string, programme: 'alpha' | 'charlie') =>
    await HlsOrigin.start({ renditions: [{ name: 'main', media: await loadTsMedia({ source, programme }) }] })
  const [primary, backup] = [await origin('primary', 'alpha'), await origin('backup', 'charlie')]
  const streamId = await gateway.api.stream([primary.url, backup.url], stream)
  const url = `${gateway.url}/hls/${streamId}/playlist.m3u8?client_id=browser`
  const watch = PlaylistWatch.start(url)
  const player = await browser.play(url)
  await player.hasPlayed(3)
  await player.shows('alpha')
  return {
    ...{ streamId, primary, backup, player, watch },
    [Symbol.asyncDispose]: async () => {
      await player[Symbol.asyncDispose]()
      await watch.stop()
      await gateway.api.call('DELETE', `/streams/${streamId}`)
      for (const each of [primary, backup]) await each[Symbol.asyncDispose]()
    },
  }
}

/** It played on all the time, was told no lies, and stood still for less than a target duration. */
async function assertUnharmed({ player, watch }: Playing): Promise<void> {
  const facts = await player.playsOn(2)
  assert.deepEqual(facts.fatalErrors, [])
  assert.ok(facts.stalledMs < watch.last.targetDurationS * 1_000, JSON.stringify(facts))
  assert.deepEqual(watch.problems, [])
}

test('hls.js plays a proxied channel through a 404 of the playlist, and through a playlist that stands still', async () => {
  await using scene = await playing()
  scene.primary.playlistFault = { kind: 'status', status: 404 }
  await scene.player.shows('charlie')
  scene.primary.playlistFault = undefined
  scene.backup.setFrozen(true)
  await scene.player.shows('alpha')
  await assertUnharmed(scene)
})

test('hls.js plays a proxied channel through segments that stall, and through segments that are a web page', async () => {
  await using scene = await playing()
  scene.primary.segmentFault = { kind: 'stall', afterBytes: 20_000 }
  await scene.player.shows('charlie')
  scene.primary.segmentFault = undefined
  scene.backup.segmentFault = { kind: 'html' }
  await scene.player.shows('alpha')
  await assertUnharmed(scene)
})

test('hls.js plays a proxied channel through the death of its origin, a switch by hand, and a failback', async () => {
  await using scene = await playing({ failback: { mode: 'auto', probation_seconds: 1, hold_down_seconds: 1 } })
  scene.primary.playlistFault = { kind: 'reset' }
  scene.primary.segmentFault = { kind: 'reset' }
  await scene.player.shows('charlie')
  scene.primary.playlistFault = undefined
  scene.primary.segmentFault = undefined
  await scene.player.shows('alpha')
  await gateway.api.failover(scene.streamId, { target: 1 })
  await scene.player.shows('charlie')
  await assertUnharmed(scene)
})

test('hls.js plays a proxied channel whose source answers nothing any more', async () => {
  await using scene = await playing()
  scene.primary.playlistFault = { kind: 'never_answer' }
  scene.primary.segmentFault = { kind: 'never_answer' }
  await scene.player.shows('charlie')
  await assertUnharmed(scene)
})
