import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { discontinuitySequences } from '../../src/hls/timeline.ts'
import { parseMediaPlaylist } from '../../src/hls/parse-playlist.ts'
import type { MediaPlaylist } from '../../src/hls/playlist.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { PlaylistWatch } from '../lab/playlist-watch.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

/** The gateway is killed without a word and started again, while players hold playlists of it. */

const alpha = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800 })
const bravo = await loadTsMedia({ programme: 'bravo', source: 'bravo', segmentMs: 800, offsetTicks: 8_000_000 })
/** Segments that the origins still have when the gateway is back, however long that takes. */
const KEPT = 200

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: { ...unhurried, HLS_SEGMENT_SECONDS: '1.6' } })
})
after(async () => await gateway[Symbol.asyncDispose]())

/** What players were told, for as long as they played: a name stands for one number and one content, for ever. */
class Names {
  readonly #known = new Map<string, { readonly sequence: number; hash: string | undefined }>()
  readonly #url: string
  readonly wrong: string[] = []
  last: MediaPlaylist | undefined

  constructor(url: string) {
    this.#url = url
  }

  get size(): number {
    return this.#known.size
  }

  get all(): readonly string[] {
    return [...this.#known.keys()]
  }

  async look(): Promise<MediaPlaylist> {
    const answer = await fetch(this.#url)
    const text = await answer.text()
    assert.equal(answer.status, 200, text)
    const playlist = parseMediaPlaylist(text)
    for (const [index, { uri }] of playlist.segments.entries()) {
      const sequence = playlist.mediaSequence + index
      const known = this.#known.get(uri)
      if (known === undefined) this.#known.set(uri, { sequence, hash: undefined })
      else if (known.sequence !== sequence) this.wrong.push(`${uri} was ${known.sequence} and is ${sequence}`)
    }
    this.last = playlist
    return playlist
  }

  /** Fetches what the latest playlist names. */
  async fetchAll(): Promise<void> {
    for (const { uri } of (await this.look()).segments) await this.fetch(uri)
  }

  async fetch(uri: string): Promise<number> {
    const answer = await fetch(new URL(uri, this.#url))
    const bytes = Buffer.from(await answer.arrayBuffer())
    const known = this.#known.get(uri)
    if (answer.status !== 200 || known === undefined) return answer.status
    const hash = createHash('sha256').update(bytes).digest('hex')
    if (known.hash !== undefined && known.hash !== hash) this.wrong.push(`${uri} has another content`)
    known.hash = hash
    return answer.status
  }
}

const edgeOf = ({ mediaSequence, segments }: MediaPlaylist): number => mediaSequence + segments.length

test('HLS that is passed on goes on after kill -9 as if nothing had been: numbers, names, source, no seam', async () => {
  await using first = await HlsOrigin.start({ renditions: [{ name: 'v0', media: alpha }], kept: KEPT })
  await using second = await HlsOrigin.start({
    renditions: [{ name: 'v0', media: bravo }],
    kept: KEPT,
    firstSequence: 7_000,
  })
  const streamId = await gateway.api.stream([first.url, second.url])
  const url = `${gateway.url}/hls/${streamId}/playlist.m3u8`
  const watch = PlaylistWatch.start(`${url}?client_id=watch`)
  const names = new Names(`${url}?client_id=names`)
  try {
    await names.look()
    await gateway.api.failover(streamId, { target: 1 })
    await until(async () => (await names.look()).segments.some(({ isDiscontinuity }) => isDiscontinuity), {
      what: 'the switch',
    })
    const page = `/streams/${streamId}/switches`
    const receipts = await until(
      async () => {
        const { switches } = await gateway.api.get<{ readonly switches: readonly unknown[] }>(page)
        return switches.length === 1 && switches
      },
      { what: 'the receipt of the switch' },
    )
    for (let round = 0; round < 2; round += 1) {
      await names.fetchAll()
      const before = await names.look()
      const held = before.segments.map(({ uri }) => uri)
      await gateway.restart()
      for (const uri of held) assert.equal(await names.fetch(uri), 200, `${uri} in round ${round}`)
      const after = await names.look()
      assert.ok(edgeOf(after) >= edgeOf(before))
      assert.equal(discontinuitySequences(after).at(-1), discontinuitySequences(before).at(-1), 'a seam of the restart')
      await until(async () => edgeOf(await names.look()) > edgeOf(after) + 2, { what: 'going on' })
      await names.fetchAll()
    }
    const stream = await gateway.api.streamObject(streamId)
    assert.deepEqual([stream.failover_index, stream.current_failover_index], [1, 0])
    assert.deepEqual((await gateway.api.get<{ readonly switches: readonly unknown[] }>(page)).switches, receipts)
  } finally {
    await watch.stop()
  }
  assert.deepEqual(names.wrong, [])
  assert.deepEqual(watch.problems, [])
})

test('a failure while the gateway was down is found at the start, and numbers rise over both', async () => {
  await using first = await HlsOrigin.start({ renditions: [{ name: 'v0', media: alpha }], kept: KEPT })
  await using second = await HlsOrigin.start({ renditions: [{ name: 'v0', media: bravo }], kept: KEPT })
  const streamId = await gateway.api.stream([first.url, second.url])
  const url = `${gateway.url}/hls/${streamId}/playlist.m3u8`
  const names = new Names(url)
  await names.fetchAll()
  const before = await names.look()
  await gateway.kill('SIGKILL')
  first.playlistFault = { kind: 'status', status: 404 }
  first.segmentFault = { kind: 'status', status: 404 }
  await gateway.restart()
  const after = await names.look()
  assert.ok(after.mediaSequence >= before.mediaSequence)
  assert.ok(edgeOf(after) > edgeOf(before))
  const last = discontinuitySequences(before).at(-1) ?? 0
  assert.ok((discontinuitySequences(after).at(-1) ?? 0) > last, 'another source, and players are not told')
  assert.equal((await gateway.api.streamObject(streamId)).failover_index, 1)
  assert.deepEqual(names.wrong, [])
})

test('packaged HLS goes on after kill -9 with one discontinuity: what was in memory is a gap under its numbers and names', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
  const { streamId } = scene
  const renditions = ['playlist.m3u8', 'cmaf/playlist.m3u8'].map((path) => {
    const url = `${gateway.url}/hls/${streamId}/${path}`
    return { names: new Names(`${url}?client_id=names`), watch: PlaylistWatch.start(`${url}?client_id=watch`) }
  })
  try {
    await gateway.api.failover(streamId, { target: 1 })
    for (let round = 0; round < 3; round += 1) {
      if (round > 0) await gateway.restart()
      for (const { names } of renditions) {
        const before = names.last
        const known = new Set(names.all)
        const own = ({ segments }: MediaPlaylist) => segments.slice(segments.findLastIndex(({ isGap }) => isGap) + 1)
        await until(async () => own(await names.look()).length >= 3, { what: 'segments', deadlineMs: 20_000 })
        await names.fetchAll()
        const now = await names.look()
        for (const { uri, isGap } of now.segments) {
          assert.ok(isGap || !known.has(uri), `${uri} was in memory: its name is not used again`)
          if (isGap) assert.equal(await names.fetch(uri), 404)
        }
        assert.deepEqual(
          own(now).map(({ isDiscontinuity }) => isDiscontinuity),
          own(now).map((_, index) => round > 0 && index === 0),
        )
        assert.equal(now.targetDurationS, before?.targetDurationS ?? now.targetDurationS)
        if (before === undefined) continue
        const newest = now.segments[edgeOf(before) - 1 - now.mediaSequence]
        assert.equal(newest?.uri, before.segments.at(-1)?.uri, 'players find what they had')
        assert.ok((discontinuitySequences(now).at(-1) ?? 0) > (discontinuitySequences(before).at(-1) ?? 0))
      }
    }
    assert.equal((await gateway.api.streamObject(streamId)).failover_index, 1)
  } finally {
    for (const { watch } of renditions) await watch.stop()
  }
  for (const { names, watch } of renditions) {
    assert.deepEqual(names.wrong, [])
    assert.deepEqual(watch.problems, [])
  }
})
