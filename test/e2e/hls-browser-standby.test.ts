import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { HlsBrowser } from '../lab/hls-browser.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { PlaylistWatch } from '../lab/playlist-watch.ts'
import { until } from '../lab/poll.ts'

/** hls.js plays HLS that is passed on with a hot standby: the picture does not stand still when the source dies. */

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

const FAULTS = {
  'the death of its origin': (origin) => {
    origin.playlistFault = { kind: 'reset' }
    origin.segmentFault = { kind: 'reset' }
  },
  'a playlist that stands still': (origin) => origin.setFrozen(true),
} satisfies Readonly<Record<string, (origin: HlsOrigin) => void>>

for (const [what, fail] of Object.entries(FAULTS)) {
  test(`hls.js plays a proxied channel with a hot standby through ${what}, and its picture never stands still`, async () => {
    const origin = async (source: string, programme: 'alpha' | 'charlie') =>
      await HlsOrigin.start({ renditions: [{ name: 'main', media: await loadTsMedia({ source, programme }) }] })
    await using primary = await origin('primary', 'alpha')
    await using backup = await origin('backup', 'charlie')
    const streamId = await gateway.api.stream([primary.url, backup.url], { standby: 'hot' })
    const url = `${gateway.url}/hls/${streamId}/playlist.m3u8?client_id=browser`
    const watch = PlaylistWatch.start(url)
    await using _ = { [Symbol.asyncDispose]: async () => await watch.stop() }
    await using player = await browser.play(url)
    await player.hasPlayed(6)
    await player.shows('alpha')
    await until(() => backup.countOf('segment') > 4, { what: 'the standby being followed' })
    const before = await player.facts()
    fail(primary)
    await player.shows('charlie')
    const facts = await player.playsOn(4)
    assert.deepEqual(facts.fatalErrors, [])
    assert.equal(facts.stalls - before.stalls, 0, JSON.stringify(facts))
    assert.deepEqual(watch.problems, [])
    await gateway.api.call('DELETE', `/streams/${streamId}`)
  })
}
