import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { HlsBrowser } from '../lab/hls-browser.ts'
import { loadFmp4Media, loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { runTool } from '../lab/media.ts'
import { PlaylistWatch } from '../lab/playlist-watch.ts'
import { until } from '../lab/poll.ts'

/** What hls.js shows of passed-on HLS while no source delivers. */

const skip = (await runTool('ffmpeg', ['-version'])).code === 0 ? false : 'ffmpeg is not installed'
let gateway: GatewayProcess
let browser: HlsBrowser
before(async () => {
  gateway = await GatewayProcess.start({ env: { SLATE_AFTER_SECONDS: '1', VIEWER_HOLD_SECONDS: '4' } })
  browser = await HlsBrowser.start()
})
after(async () => {
  await browser[Symbol.asyncDispose]()
  await gateway[Symbol.asyncDispose]()
})

async function slateOn(streamId: string, isOn: boolean): Promise<void> {
  await until(
    async () => {
      const path = `/streams/${streamId}`
      const { stream } = await gateway.api.get<{ stream: { slate_on: boolean } }>(path)
      return stream.slate_on === isOn
    },
    { what: `the slate being ${isOn ? 'on' : 'off'}`, deadlineMs: 20_000 },
  )
}

for (const [name, load] of [
  ['MPEG-TS', loadTsMedia],
  ['fragmented MP4', loadFmp4Media],
] as const) {
  test(
    `${name}: hls.js goes over to the slate, stays on it for longer than it would wait, and comes back`,
    { skip },
    async () => {
      const media = await load({ programme: 'alpha', source: 'alpha', segmentMs: 1_600 })
      await using origin = await HlsOrigin.start({ renditions: [{ name: 'main', media }] })
      const streamId = await gateway.api.stream([origin.url])
      const url = `${gateway.url}/hls/${streamId}/playlist.m3u8?client_id=browser`
      const watch = PlaylistWatch.start(url)
      await using player = await browser.play(url)
      await player.hasPlayed(4)
      origin.playlistFault = { kind: 'reset' }
      origin.segmentFault = { kind: 'reset' }
      await slateOn(streamId, true)
      // What it had of the source, and then more than VIEWER_HOLD_SECONDS of slate.
      await player.playsOn(14)
      origin.playlistFault = undefined
      origin.segmentFault = undefined
      await slateOn(streamId, false)
      await player.playsOn(10)
      await player.shows('alpha')
      const facts = await player.facts()
      assert.deepEqual(facts.fatalErrors, [])
      assert.ok(facts.stalledMs < watch.last.targetDurationS * 1_000, JSON.stringify(facts))
      await watch.stop()
      assert.deepEqual(watch.problems, [])
      await gateway.api.call('DELETE', `/streams/${streamId}`)
    },
  )
}
