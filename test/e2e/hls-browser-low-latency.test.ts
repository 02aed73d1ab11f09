import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { FileOrigin } from '../lab/file-origin.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { HlsBrowser } from '../lab/hls-browser.ts'
import type { PlayerFacts } from '../lab/hls-browser.ts'
import { runTool } from '../lab/media.ts'
import { PlaylistWatch } from '../lab/playlist-watch.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

/** hls.js in Chromium plays what is packaged as fragmented MP4, as soon as its parts are there. */

/** EXT-X-TARGETDURATION of segments of 1.6 s. */
const TARGET_S = 2

let gateway: GatewayProcess
let browser: HlsBrowser
before(async () => {
  gateway = await GatewayProcess.start({ env: { HLS_SEGMENT_SECONDS: '1.6', ...unhurried } })
  browser = await HlsBrowser.start()
})
after(async () => {
  await browser[Symbol.asyncDispose]()
  await gateway[Symbol.asyncDispose]()
})

async function playing(streamId: string, config: Readonly<Record<string, unknown>>) {
  const url = `${gateway.url}/hls/${streamId}/cmaf/playlist.m3u8`
  const watch = PlaylistWatch.start(`${url}?client_id=watch`)
  await watch.hasSegments(4)
  const player = await browser.play(`${url}?client_id=browser`, config)
  return {
    watch,
    player,
    [Symbol.asyncDispose]: async () => {
      await player[Symbol.asyncDispose]()
      await watch.stop()
    },
  }
}

function assertUnbroken(facts: PlayerFacts, watch: PlaylistWatch): void {
  const words = JSON.stringify(facts)
  assert.deepEqual(facts.fatalErrors, [])
  assert.deepEqual(facts.otherErrors, [], words)
  assert.equal(facts.stalls, 0, words)
  assert.equal(facts.bufferedRanges, 1, words)
  assert.deepEqual(watch.problems, [])
}

test('with low latency a player stays below three target durations behind, through a failover and the way back', async () => {
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup', programme: 'charlie' }],
    stream: { standby: 'hot' },
  })
  await using played = await playing(scene.streamId, { lowLatencyMode: true })
  const { player, watch } = played
  const begun = await player.hasPlayed(4)
  assert.ok(begun.latencyS < 3 * TARGET_S, JSON.stringify(begun))
  scene.origin(0).inject({ kind: 'reset', aligned: false })
  await player.shows('charlie')
  await player.playsOn(3)
  await gateway.api.failover(scene.streamId, { target: 0 })
  await player.shows('alpha')
  const facts = await player.playsOn(3)
  assert.deepEqual(facts.fatalErrors, [])
  assert.deepEqual(watch.problems, [])
  // hls.js now and then leaves out the short last part of a segment, and steps over the hole; a player by segments would
  // have stood still for longer than this if the failover had left it nothing.
  assert.ok(facts.longestStallMs < TARGET_S * 1_000, JSON.stringify(facts))
  assert.ok(facts.latencyS < 3 * TARGET_S, JSON.stringify(facts))
  // There are some three of them to a segment.
  assert.ok(facts.partsLoaded > facts.segmentsLoaded, `segments are asked for, not parts: ${JSON.stringify(facts)}`)
})

describe('by segments', { concurrency: 2 }, () => {
  test('a player that wants no parts plays the same playlist', async () => {
    await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
    await using played = await playing(scene.streamId, { lowLatencyMode: false })
    await played.player.hasPlayed(3)
    assertUnbroken(await played.player.playsOn(6), played.watch)
  })

  /**
   * Whoever comes in the middle of such a channel cannot play it in a Chromium without a hardware decoder: its own decoder
   * gives up at pictures that refer to what it never had, whoever packaged them. So the player begins where the stream does.
   */
  test('open groups of pictures are played through without a hole or a picture less', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-open-gop-'))
    try {
      const seconds = 40
      const path = join(directory, 'open-gop.ts')
      const made = await runTool('ffmpeg', [
        ...['-v', 'error', '-f', 'lavfi', '-i', `testsrc2=size=320x180:rate=25:duration=${seconds}`],
        ...['-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=48000:duration=${seconds}`, '-pix_fmt', 'yuv420p'],
        ...['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '3', '-b:v', '500k'],
        ...['-x264-params', 'open-gop=1:keyint=20:min-keyint=20:scenecut=0:b-adapt=0', '-c:a', 'aac', path],
      ])
      assert.equal(made.code, 0, made.stderr)
      const bytes = await readFile(path)
      await using origin = await FileOrigin.start({ bytes, seconds, startMs: systemClock.nowMs() })
      const streamId = await gateway.api.stream([origin.url])
      await using played = await playing(streamId, { startPosition: 0.5 })
      const begun = await played.player.hasPlayed(3)
      const facts = await played.player.playsOn(6)
      assertUnbroken(facts, played.watch)
      // 25 a second: none was left out because what it refers to was missing, of which there would be some in each group.
      const frames = facts.decodedFrames - begun.decodedFrames
      assert.ok(frames >= (facts.currentTime - begun.currentTime) * 25 - 10, JSON.stringify([begun, facts]))
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
})
