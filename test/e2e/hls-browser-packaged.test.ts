import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { HlsBrowser } from '../lab/hls-browser.ts'
import { PlaylistWatch } from '../lab/playlist-watch.ts'
import { Scene } from '../lab/scene.ts'

let gateway: GatewayProcess
let browser: HlsBrowser
before(async () => {
  gateway = await GatewayProcess.start({ env: { HLS_SEGMENT_SECONDS: '1.6' } })
  browser = await HlsBrowser.start()
})
after(async () => {
  await browser[Symbol.asyncDispose]()
  await gateway[Symbol.asyncDispose]()
})

/** Two retries within two seconds are what hls.js has by default; a start of the gateway takes about as long. */
const PATIENT = {
  playlistLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 10_000,
      maxLoadTimeMs: 20_000,
      timeoutRetry: { maxNumRetry: 2, retryDelayMs: 0, maxRetryDelayMs: 0 },
      errorRetry: { maxNumRetry: 10, retryDelayMs: 500, maxRetryDelayMs: 2_000 },
    },
  },
}

async function playing(stream: Readonly<Record<string, unknown>> = {}, config: Readonly<Record<string, unknown>> = {}) {
  const scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup', programme: 'charlie' }],
    stream,
  })
  const url = `${gateway.url}/hls/${scene.streamId}/playlist.m3u8?client_id=browser`
  const watch = PlaylistWatch.start(`${gateway.url}/hls/${scene.streamId}/playlist.m3u8?client_id=watch`)
  // A channel that is being watched: whoever comes now can begin three target durations before its edge.
  await watch.hasSegments(4)
  const player = await browser.play(url, config)
  await player.hasPlayed(3)
  return { scene, player, watch, url }
}

test('hls.js plays a live channel through a kill, a silence, a switch by hand and the way back', async () => {
  const { scene, player, watch } = await playing({ standby: 'hot' })
  try {
    assert.equal(await player.isDark(), false)
    scene.origin(0).inject({ kind: 'reset', aligned: false })
    await player.shows('charlie')
    scene.origin(1).inject({ kind: 'silence' })
    await player.shows('alpha')
    await gateway.api.failover(scene.streamId, { target: 1 })
    await player.shows('charlie')
    await gateway.api.failover(scene.streamId, { target: 0 })
    await player.shows('alpha')
    const facts = await player.playsOn(2)
    assert.deepEqual(facts.fatalErrors, [])
    assert.equal(facts.stalls, 0, JSON.stringify(facts))
  } finally {
    await player[Symbol.asyncDispose]()
    await watch.stop()
    await scene[Symbol.asyncDispose]()
  }
  assert.deepEqual(watch.problems, [])
  assert.equal(
    watch.last.segments.some(({ isDiscontinuity }) => isDiscontinuity),
    false,
    'the seams are spliced',
  )
})

test('without a standby a failover costs a player less than a target duration', async () => {
  const { scene, player, watch } = await playing()
  try {
    scene.origin(0).inject({ kind: 'silence' })
    await player.shows('charlie')
    await scene.origin(1).refuse()
    scene.origin(1).inject({ kind: 'reset', aligned: true })
    await player.shows('alpha')
    const facts = await player.playsOn(4)
    assert.deepEqual(facts.fatalErrors, [])
    assert.ok(facts.stalledMs < watch.last.targetDurationS * 1_000, JSON.stringify(facts))
  } finally {
    await player[Symbol.asyncDispose]()
    await watch.stop()
    await scene[Symbol.asyncDispose]()
  }
  assert.deepEqual(watch.problems, [])
})

test('a restart of the gateway is a discontinuity, and no reload of the page', async () => {
  const { scene, player, watch } = await playing({}, PATIENT)
  try {
    await gateway.restart()
    const facts = await player.playsOn(10)
    assert.deepEqual(facts.fatalErrors, [])
  } finally {
    await player[Symbol.asyncDispose]()
    await watch.stop()
    await scene[Symbol.asyncDispose]()
  }
  assert.deepEqual(watch.problems, [])
})
