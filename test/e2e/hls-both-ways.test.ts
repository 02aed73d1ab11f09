import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { PlaylistWatch } from '../lab/playlist-watch.ts'
import { until } from '../lab/poll.ts'
import { unhurried } from '../lab/unhurried.ts'

/** A stream that is watched as HLS and as one continuous stream at a time. */

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: unhurried })
})
after(async () => await gateway[Symbol.asyncDispose]())

for (const byteRanges of [false, true]) {
  test(`segments are fetched once for both${byteRanges ? ', also where it is a byte range' : ''}`, async () => {
    const media = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800 })
    await using origin = await HlsOrigin.start({ renditions: [{ name: 'v0', media }], byteRanges })
    const streamId = await gateway.api.stream([origin.url])
    await using watch = PlaylistWatch.start(`${gateway.url}/hls/${streamId}/playlist.m3u8`)
    await watch.hasSegments(3)
    await until(() => origin.countOf('segment') > 0, { what: 'the first segment ordered ahead' })
    using viewer = gateway.watch(streamId)
    await viewer.sees('alpha')
    await viewer.hasRead(600_000, 30_000)
    await watch.stop()
    const counts = origin.segmentCounts()
    assert.ok(counts.size > 6, `${counts.size} segments`)
    // Each way reads the playlist for itself, and now the one, now the other learns of a segment first.
    assert.deepEqual(
      [...counts].filter(([, count]) => count !== 1),
      [],
    )
    assert.deepEqual(watch.problems, [])
  })
}

test('both count as one where an account allows one connection', async () => {
  const media = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800 })
  await using first = await HlsOrigin.start({ renditions: [{ name: 'v0', media }] })
  await using second = await HlsOrigin.start({ renditions: [{ name: 'v0', media }] })
  const account = { account: 'one for both', max_connections: 1 }
  const sources = [{ url: first.url, ...account }, { url: second.url }]
  const { stream_id: streamId } = await gateway.api.createStream({ url: first.url, sources })
  await using watch = PlaylistWatch.start(`${gateway.url}/hls/${streamId}/playlist.m3u8`)
  await watch.hasSegments(3)
  using viewer = gateway.watch(streamId)
  await viewer.hasRead(400_000, 30_000)
  await watch.stop()
  assert.deepEqual(await gateway.api.events(streamId, 'failover_triggered'), [])
  assert.equal(second.requests.length, 0)
  const url = `${first.url}?2`
  const other = await gateway.api.createStream({ url, sources: [{ url, ...account }] })
  const refused = await fetch(`${gateway.url}/stream/${other.stream_id}`)
  // Another stream is another connection.
  assert.equal(refused.status, 502)
  assert.match(await refused.text(), /no connection left/)
})

test('where one connection is allowed both come back with the first source that does', async () => {
  const [alpha, bravo] = await Promise.all(
    (['alpha', 'bravo'] as const).map((source) => loadTsMedia({ programme: source, source, segmentMs: 800 })),
  )
  assert.ok(alpha !== undefined && bravo !== undefined)
  await using first = await HlsOrigin.start({ renditions: [{ name: 'v0', media: alpha }] })
  await using second = await HlsOrigin.start({ renditions: [{ name: 'v0', media: bravo }] })
  const account = { account: 'one for both that fail', max_connections: 1 }
  const sources = [first, second].map(({ url }) => ({ url, ...account }))
  const { stream_id: streamId } = await gateway.api.createStream({ url: first.url, sources })
  await using watch = PlaylistWatch.start(`${gateway.url}/hls/${streamId}/playlist.m3u8`)
  await watch.hasSegments(3)
  using viewer = gateway.watch(streamId)
  await viewer.sees('alpha')
  for (const origin of [second, first]) {
    origin.playlistFault = { kind: 'reset' }
    origin.segmentFault = { kind: 'reset' }
  }
  const failures = () =>
    gateway.logs
      .filter((line) => line['stream_id'] === streamId && line['event'] === 'source_failed')
      .map((line) => line['reason'])
  await until(() => failures().length > 4, { what: 'failures of both' })
  second.playlistFault = undefined
  second.segmentFault = undefined
  await viewer.sees('bravo')
  assert.ok(!failures().includes('no_connection_left'), JSON.stringify(failures()))
  await watch.stop()
})
