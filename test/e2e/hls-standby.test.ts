import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { PlaylistWatch } from '../lab/playlist-watch.ts'
import { until } from '../lab/poll.ts'

/** The hot standby of HLS that is passed on, as the API, receipts and accounts of the whole gateway see it. */

const alpha = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800 })
const bravo = await loadTsMedia({ programme: 'bravo', source: 'bravo', segmentMs: 800 })

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: { HLS_CLIENT_TIMEOUT_SECONDS: '5', STANDBY_CHECK_SECONDS: '1' } })
})
after(async () => await gateway[Symbol.asyncDispose]())

interface SourceObject {
  readonly standby: string
  readonly health: string
}

async function sources(streamId: string): Promise<readonly SourceObject[]> {
  const { stream } = await gateway.api.get<{ stream: { sources: readonly SourceObject[] } }>(`/streams/${streamId}`)
  return stream.sources
}

async function standbys(streamId: string): Promise<readonly string[]> {
  return (await sources(streamId)).map(({ standby }) => standby)
}

async function becomes(streamId: string, wanted: readonly string[]): Promise<void> {
  let last: readonly string[] = []
  await until(
    async () => {
      last = await standbys(streamId)
      return last.join() === wanted.join()
    },
    { what: `standbys ${wanted.join()}`, evidence: () => last },
  )
}

interface Receipt {
  readonly cause: string
  readonly was_standby: boolean
  readonly failover_index: number
}

async function receiptOf(streamId: string, cause: string): Promise<Receipt> {
  return await until(
    async () => {
      const { events } = await gateway.api.get<{ events: readonly { data: Receipt }[] }>(
        `/events?type=switch_completed&stream_id=${streamId}&limit=50`,
      )
      return events.map(({ data }) => data).find((receipt) => receipt.cause === cause)
    },
    { what: `the receipt of a ${cause}` },
  )
}

interface Scene extends AsyncDisposable {
  readonly streamId: string
  readonly first: HlsOrigin
  readonly second: HlsOrigin
  readonly watch: PlaylistWatch
}

/** A stream of two sources that a player plays. */
async function playing(source: Readonly<Record<string, unknown>> = {}): Promise<Scene> {
  const first = await HlsOrigin.start({ renditions: [{ name: 'v0', media: alpha }] })
  const second = await HlsOrigin.start({ renditions: [{ name: 'v0', media: bravo }] })
  const { stream_id: streamId } = await gateway.api.createStream({
    url: first.url,
    ...{ sources: [first, second].map(({ url }) => ({ url, ...source })), standby: 'hot' },
  })
  // The look at the sources of a new stream is over: what it fetches comes again for whoever plays.
  if (source['account'] === undefined) {
    await until(() => second.countOf('segment') > 0 && second.connections.every(isClosed), { what: 'the first look' })
  }
  const watch = PlaylistWatch.start(playlistOf(streamId))
  return {
    ...{ streamId, first, second, watch },
    [Symbol.asyncDispose]: async () => {
      await watch.stop()
      await gateway.api.call('DELETE', `/streams/${streamId}`)
      for (const origin of [first, second]) await origin[Symbol.asyncDispose]()
    },
  }
}

const isClosed = ({ closedAtMs }: HlsOrigin['connections'][number]): boolean => closedAtMs !== undefined

const playlistOf = (streamId: string): string => `${gateway.url}/hls/${streamId}/playlist.m3u8`

test('the standby is hot while somebody plays, its switch says so, and the source that failed stands by next', async () => {
  await using scene = await playing()
  const { streamId, first, second, watch } = scene
  await becomes(streamId, ['on_air', 'hot'])
  const before = second.countOf('segment')
  await until(() => second.countOf('segment') > before + 1, { what: 'the standby being followed' })
  // What another look fetched before it stood by comes again.
  const looked = new Set(second.segmentCounts().keys())
  first.playlistFault = { kind: 'reset' }
  first.segmentFault = { kind: 'reset' }
  const receipt = await receiptOf(streamId, 'failover')
  assert.equal(receipt.was_standby, true)
  assert.equal(receipt.failover_index, 1)
  const often = [...second.segmentCounts()].filter(([target, count]) => count > 1 && !looked.has(target))
  assert.deepEqual(often, [])
  first.playlistFault = undefined
  first.segmentFault = undefined
  await becomes(streamId, ['hot', 'on_air'])
  const since = first.countOf('segment')
  await until(() => first.countOf('segment') > since + 1, { what: 'the first source being followed' })
  await gateway.api.failover(streamId, { target: 0 })
  assert.equal((await receiptOf(streamId, 'manual')).was_standby, true)
  assert.deepEqual(watch.problems, [])
})

test('without players there is no standby either', async () => {
  await using scene = await playing()
  const { streamId, second, watch } = scene
  await becomes(streamId, ['on_air', 'hot'])
  await watch.stop()
  await until(async () => !(await standbys(streamId)).includes('on_air'), { what: 'the stream resting' })
  assert.ok(!(await standbys(streamId)).includes('hot'))
  await until(() => second.connections.every(isClosed), {
    what: 'the connections to the standby closing',
  })
})

test('a standby that fails does not stand by any more, and is known to be bad before it is needed', async () => {
  await using scene = await playing()
  const { streamId, second, watch } = scene
  await becomes(streamId, ['on_air', 'hot'])
  second.setFrozen(true)
  await becomes(streamId, ['on_air', 'warm'])
  await until(async () => (await sources(streamId))[1]?.health === 'unhealthy', {
    what: 'the standby known to be bad',
    evidence: async () => await sources(streamId),
  })
  assert.deepEqual(watch.problems, [])
})

test('in an account with one connection nothing stands by, and what is on air stays', async () => {
  await using scene = await playing({ account: 'of-one', max_connections: 1 })
  const { streamId, first, second, watch } = scene
  await watch.hasSegments(5)
  const since = first.countOf('segment')
  await until(() => first.countOf('segment') > since + 2, { what: 'the first source going on' })
  await becomes(streamId, ['on_air', 'warm'])
  assert.equal(second.requests.length, 0)
  assert.deepEqual(watch.problems, [])
})

test('in an account with two connections the standby has the second, until another stream needs it', async () => {
  const account = { account: 'of-two', max_connections: 2 }
  await using scene = await playing(account)
  await becomes(scene.streamId, ['on_air', 'hot'])
  await using other = await HlsOrigin.start({ renditions: [{ name: 'v0', media: alpha }] })
  const { stream_id: otherId } = await gateway.api.createStream({
    url: other.url,
    sources: [{ url: other.url, ...account }],
  })
  const otherWatch = PlaylistWatch.start(playlistOf(otherId))
  await using _ = { [Symbol.asyncDispose]: async () => await otherWatch.stop() }
  await otherWatch.hasSegments(3)
  await becomes(scene.streamId, ['on_air', 'warm'])
  await until(() => scene.second.connections.every(isClosed), {
    what: 'the connections to the standby closing',
  })
  assert.deepEqual([...otherWatch.problems, ...scene.watch.problems], [])
})
