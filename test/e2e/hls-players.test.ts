import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parseMediaPlaylist } from '../../src/hls/parse-playlist.ts'
import type { MediaPlaylist } from '../../src/hls/playlist.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { JsonReceiver } from '../lab/json-receiver.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

/** Players of HLS as operators see them: they have no connection, only requests, and are viewers all the same. */

const media = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800 })
const other = await loadTsMedia({ programme: 'bravo', source: 'bravo', segmentMs: 800, offsetTicks: 8_000_000 })
/** Long after the next request of a player on a busy machine. */
const TIMEOUT_S = 10

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({
    env: {
      ...unhurried,
      HLS_SEGMENT_SECONDS: '1.6',
      HLS_CLIENT_TIMEOUT_SECONDS: String(TIMEOUT_S),
      SHARED_STREAM_GRACE: '1',
      MAX_CLIENTS_PER_SHARED_STREAM: '3',
      HLS_SPILL: 'true',
      HLS_BUFFER_BYTES: '16777216',
      HLS_DVR_SECONDS: '120',
    },
  })
})
after(async () => await gateway[Symbol.asyncDispose]())

interface Client {
  readonly client_id: string
  readonly stream_id: string
  readonly bytes_served: number
  readonly segments_served: number
}

interface Payload {
  readonly event_type: string
  readonly stream_id: string
  readonly data: Readonly<Record<string, unknown>>
}

async function clientsOf(streamId: string): Promise<readonly Client[]> {
  const { clients } = await gateway.api.get<{ readonly clients: readonly Client[] }>('/clients')
  return clients.filter(({ stream_id }) => stream_id === streamId)
}

async function playlistOf(streamId: string, query = '', path = 'playlist.m3u8'): Promise<MediaPlaylist> {
  const answer = await fetch(`${gateway.url}/hls/${streamId}/${path}${query}`)
  const text = await answer.text()
  assert.equal(answer.status, 200, text)
  return parseMediaPlaylist(text)
}

async function fetched(streamId: string, uri: string, init: RequestInit = {}) {
  const answer = await fetch(new URL(uri, `${gateway.url}/hls/${streamId}/`), init)
  return { status: answer.status, headers: answer.headers, body: Buffer.from(await answer.arrayBuffer()) }
}

describe('one player', { concurrency: 2 }, () => {
  for (const way of ['passed on', 'packaged'] as const) {
    test(`of a stream that is ${way} comes once, is counted, and has left when it asks no more`, async () => {
      await using receiver = await JsonReceiver.start()
      await gateway.api.call('POST', '/webhooks', { url: receiver.url })
      await using origin = await HlsOrigin.start({ renditions: [{ name: 'v0', media }] })
      await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
      const streamId = way === 'packaged' ? scene.streamId : await gateway.api.stream([origin.url])
      const query = '?client_id=tv%20set&username=anna'
      const { segments } = await playlistOf(streamId, query)
      let bytes = 0
      for (const { uri } of segments) {
        assert.match(uri, /[?&]client_id=tv\+set/)
        const { status, body } = await fetched(streamId, uri)
        assert.equal(status, 200)
        bytes += body.length
      }
      await playlistOf(streamId, query)
      const [client, ...more] = await until(
        async () => {
          const all = await clientsOf(streamId)
          return all[0]?.segments_served === segments.length && all
        },
        { what: 'the count of its segments', evidence: () => segments.length },
      )
      assert.deepEqual(more, [])
      assert.equal(client?.client_id, 'tv set')
      assert.ok((client?.bytes_served ?? 0) >= bytes)
      const stream = await gateway.api.get<{ stream: { total_segments_served: number; client_count: number } }>(
        `/streams/${streamId}`,
      )
      assert.deepEqual([stream.stream.total_segments_served, stream.stream.client_count], [segments.length, 1])
      const totals = await gateway.api.get<{ total_segments_served: number }>('/stats')
      assert.ok(totals.total_segments_served >= segments.length)
      await until(async () => (await clientsOf(streamId)).length === 0, {
        ...{ what: 'the player gone', deadlineMs: (TIMEOUT_S + 5) * 1_000 },
      })
      const types = () =>
        receiver.received
          .map(({ body }) => body as Payload)
          .filter(({ stream_id }) => stream_id === streamId)
          .map(({ event_type }) => event_type)
      await until(() => types().includes('stream_stopped'), { what: 'the stream at rest', evidence: types })
      assert.deepEqual(
        types().filter((type) => /client/.test(type)),
        ['client_connected', 'client_disconnected'],
      )
      await gateway.api.call('DELETE', `/webhooks?webhook_url=${encodeURIComponent(receiver.url)}`)
    })
  }
})

test('a player that is disconnected is off the list at once, and its answers are cut', async () => {
  await using origin = await HlsOrigin.start({ renditions: [{ name: 'v0', media }] })
  const streamId = await gateway.api.stream([origin.url])
  await playlistOf(streamId, '?client_id=one')
  await playlistOf(streamId, '?client_id=two')
  origin.segmentFault = { kind: 'slow', bytesPerSecond: 2_000 }
  const { segments } = await until(
    async () => {
      const playlist = await playlistOf(streamId, '?client_id=one')
      return playlist.mediaSequence > 2 && playlist
    },
    { what: 'segments that are slow' },
  )
  // The head comes while the rest is still on its way.
  const slow = await fetch(new URL(segments.at(-1)?.uri ?? '', `${gateway.url}/hls/${streamId}/`))
  assert.equal(slow.status, 200)
  await playlistOf(streamId, '?client_id=two')
  const answer = await gateway.api.call('DELETE', `/hls/${streamId}/clients/one`)
  assert.equal(answer.status, 200)
  assert.deepEqual(
    (await clientsOf(streamId)).map(({ client_id }) => client_id),
    ['two'],
  )
  await assert.rejects(slow.arrayBuffer())
})

test('as many players as are allowed, and one who plays is never turned away', async () => {
  await using origin = await HlsOrigin.start({ renditions: [{ name: 'v0', media }] })
  const streamId = await gateway.api.stream([origin.url])
  for (const id of ['a', 'b', 'c']) await playlistOf(streamId, `?client_id=${id}`)
  const refused = await gateway.api.call<{ detail: string }>('GET', `/hls/${streamId}/playlist.m3u8?client_id=d`)
  assert.equal(refused.status, 503)
  assert.match(refused.body.detail, /MAX_CLIENTS_PER_SHARED_STREAM/)
  for (const id of ['a', 'b', 'c']) await playlistOf(streamId, `?client_id=${id}`)
  await gateway.api.call('DELETE', `/hls/${streamId}/clients/b`)
  await playlistOf(streamId, '?client_id=d')
})

test('a switch by hand is answered with where players are, told to webhooks and to players', async () => {
  await using receiver = await JsonReceiver.start()
  await gateway.api.call('POST', '/webhooks', { url: receiver.url, events: ['failover_triggered'] })
  await using first = await HlsOrigin.start({ renditions: [{ name: 'v0', media }] })
  await using second = await HlsOrigin.start({ renditions: [{ name: 'v0', media: other }] })
  const streamId = await gateway.api.stream([first.url, second.url])
  await playlistOf(streamId, '?client_id=tv')
  const answer = await gateway.api.failover(streamId)
  assert.deepEqual([answer.failover_index, answer.new_url, answer.active_clients], [1, second.url, 1])
  await until(async () => (await playlistOf(streamId, '?client_id=tv')).dateRanges.length > 0, { what: 'the mark' })
  const payload = await until(
    () => receiver.received.map(({ body }) => body as Payload).find(({ stream_id }) => stream_id === streamId),
    { what: 'the webhook' },
  )
  assert.deepEqual([payload.stream_id, payload.data['failover_index'], payload.data['client_count']], [streamId, 1, 1])
  const { switches } = await until(
    async () => {
      const page = await gateway.api.get<{ switches: readonly { cause: string; seam: string | null }[] }>(
        `/streams/${streamId}/switches`,
      )
      return page.switches.length > 0 && page
    },
    { what: 'the receipt' },
  )
  assert.equal(switches[0]?.cause, 'manual')
  await gateway.api.call('DELETE', `/webhooks?webhook_url=${encodeURIComponent(receiver.url)}`)
})

describe('what players may ask of a segment', { concurrency: 2 }, () => {
  for (const way of ['passed on', 'packaged'] as const) {
    test(`heads and ranges of one that is ${way}`, async () => {
      await using origin = await HlsOrigin.start({ renditions: [{ name: 'v0', media }] })
      await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
      const streamId = way === 'packaged' ? scene.streamId : await gateway.api.stream([origin.url])
      const uri = (await playlistOf(streamId)).segments[0]?.uri ?? ''
      const whole = await fetched(streamId, uri)
      const length = String(whole.body.length)
      assert.deepEqual([whole.status, whole.headers.get('content-length')], [200, length])
      assert.equal(whole.headers.get('access-control-allow-origin'), '*')
      const head = await fetched(streamId, uri, { method: 'HEAD' })
      assert.deepEqual([head.status, head.headers.get('content-length'), head.body.length], [200, length, 0])
      const part = await fetched(streamId, uri, { headers: { range: 'bytes=188-563' } })
      assert.equal(part.status, 206)
      assert.equal(part.headers.get('content-range'), `bytes 188-563/${length}`)
      assert.ok(part.body.equals(whole.body.subarray(188, 564)))
      const beyond = await fetched(streamId, uri, { headers: { range: `bytes=${length}-` } })
      assert.equal(beyond.status, 416)
      const playlist = await fetched(streamId, 'playlist.m3u8', { method: 'HEAD' })
      assert.deepEqual([playlist.status, playlist.body.length], [200, 0])
      const preflight = await fetched(streamId, uri, {
        method: 'OPTIONS',
        headers: { origin: 'http://player.example', 'access-control-request-method': 'GET' },
      })
      assert.ok(preflight.status < 300, `${preflight.status}`)
    })
  }
})

test('players can go back beyond what fits into memory, as far as the disk allows', async () => {
  // 20 Mbit/s: the memory is full within seven seconds.
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary', videoKbps: 20_000 }] })
  const first = await until(async () => (await playlistOf(scene.streamId)).segments[0], { what: 'a segment' })
  const before = await fetched(scene.streamId, first.uri)
  const playlist = await until(
    async () => {
      const now = await playlistOf(scene.streamId)
      return now.segments.reduce((sum, { durationS }) => sum + durationS, 0) > 13 && now
    },
    { what: 'thirteen seconds', deadlineMs: 25_000 },
  )
  assert.equal(playlist.segments[0]?.uri, first.uri)
  const files = await readdir(join(gateway.dataDirectory, 'hls'), { recursive: true })
  assert.ok(files.length > 0)
  const after = await fetched(scene.streamId, first.uri)
  assert.ok(after.status === 200 && after.body.equals(before.body))
  await gateway.api.call('DELETE', `/streams/${scene.streamId}`)
  await until(async () => (await readdir(join(gateway.dataDirectory, 'hls'), { recursive: true })).length === 0, {
    what: 'an empty disk',
  })
})

test('players of a stream whose sources are all dead are told so at once, passed on or packaged', async () => {
  const dead = `http://127.0.0.1:1`
  for (const [name, urls] of [
    ['packaged', [`${dead}/a.ts`, `${dead}/b.ts`]],
    ['passed on', [`${dead}/a.m3u8`, `${dead}/b.m3u8`]],
  ] as const) {
    const streamId = await gateway.api.stream(urls)
    const answer = await fetch(`${gateway.url}/hls/${streamId}/playlist.m3u8`, { signal: AbortSignal.timeout(60_000) })
    assert.equal(answer.status, 502, name)
    assert.match(await answer.text(), /no source delivers/)
    await gateway.api.call('DELETE', `/streams/${streamId}`)
  }
})

test('a stream that is given a source of another kind while it is played goes on being played', async () => {
  await using origin = await HlsOrigin.start({ renditions: [{ name: 'main', media }] })
  const streamId = await gateway.api.stream([origin.url])
  const url = `${gateway.url}/hls/${streamId}/playlist.m3u8?client_id=player`
  const read = async (): Promise<MediaPlaylist> => {
    const answer = await fetch(url)
    assert.equal(answer.status, 200)
    return parseMediaPlaylist(await answer.text())
  }
  assert.match((await read()).segments[0]?.uri ?? '', /^s\//)
  await using scene = await Scene.open({ gateway, origins: [{ name: 'body' }] })
  assert.equal(await gateway.api.stream([origin.url, scene.origin(0).url]), streamId)
  const packaged = await read()
  assert.match(packaged.segments[0]?.uri ?? '', /^ts\//)
  // What nobody needs any more is stopped after the grace time, and nothing else.
  const later = await until(
    async () => {
      const now = await read()
      return now.segments.length >= packaged.segments.length + 3 && now
    },
    { what: 'three segments more', deadlineMs: 20_000 },
  )
  assert.equal(later.mediaSequence, packaged.mediaSequence)
  assert.equal(
    later.segments.some(({ isDiscontinuity }) => isDiscontinuity),
    false,
  )
  await gateway.api.call('DELETE', `/streams/${streamId}`)
})
