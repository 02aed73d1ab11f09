import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { PlaylistWatch } from '../lab/playlist-watch.ts'
import { until } from '../lab/poll.ts'

/** Proxied HLS sources of one account that allows one connection. */

const alpha = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800 })
const bravo = await loadTsMedia({ programme: 'bravo', source: 'bravo', segmentMs: 800 })

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start()
})
after(async () => await gateway[Symbol.asyncDispose]())

/** Connections to one source that were open while another was opened to the other. */
function overlaps(one: HlsOrigin, other: HlsOrigin): number {
  return other.connections.filter(({ openedAtMs: atMs }) =>
    one.connections.some(({ openedAtMs, closedAtMs = Infinity }) => openedAtMs <= atMs && closedAtMs > atMs),
  ).length
}

for (const max of [1, 2]) {
  test(`a switch by hand, and back, where ${max} ${max === 1 ? 'connection is' : 'connections are'} allowed`, async () => {
    await using first = await HlsOrigin.start({ renditions: [{ name: 'v0', media: alpha }] })
    await using second = await HlsOrigin.start({ renditions: [{ name: 'v0', media: bravo }] })
    const account = { account: `provider-${max}`, max_connections: max }
    const sources = [first, second].map(({ url }) => ({ url, ...account }))
    const { stream_id: streamId } = await gateway.api.createStream({ url: first.url, sources })
    await using watch = PlaylistWatch.start(`${gateway.url}/hls/${streamId}/playlist.m3u8`)
    await watch.hasSegments(3)
    for (const [target, origin] of [
      [1, second],
      [0, first],
    ] as const) {
      const before = origin.countOf('segment')
      await gateway.api.failover(streamId, { target })
      await until(() => origin.countOf('segment') > before + 2, { what: `source ${target} playing` })
    }
    await watch.stop()
    assert.deepEqual(watch.problems, [])
    const both = overlaps(first, second) + overlaps(second, first)
    // Where two are allowed, the present one goes on until the next has something.
    assert.equal(both > 0, max > 1, `${both} connections to one while there were some to the other`)
  })
}
