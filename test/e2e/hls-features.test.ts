import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { attributeText } from '../../src/hls/attribute-list.ts'
import { parsePlaylist } from '../../src/hls/parse-playlist.ts'
import type { MasterPlaylist, MediaPlaylist } from '../../src/hls/playlist.ts'
import { checkRenditions } from '../../src/hls/rendition-rules.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { loadFmp4Media, loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import type { HlsOriginOptions } from '../lab/hls-origin.ts'
import { runTool } from '../lab/media.ts'
import { PlaylistWatch } from '../lab/playlist-watch.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

/** What HLS sources offer comes through a real gateway, and what players of any other stream can ask for. */

const media = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800 })
const small = await loadTsMedia({ programme: 'alpha', source: 'small', segmentMs: 800, videoKbps: 300 })
const sound = await loadTsMedia({ programme: 'alpha', source: 'sound', segmentMs: 800, streams: 'audio' })
const other = await loadTsMedia({ programme: 'bravo', source: 'bravo', segmentMs: 800, offsetTicks: 8_000_000 })
const fragmented = await loadFmp4Media({ programme: 'alpha', source: 'alpha', segmentMs: 800 })

/** Segments of a playlist from which nobody who is slow for some seconds falls out. */
const WINDOW = 15

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: { HLS_SEGMENT_SECONDS: '1.6', ...unhurried } })
})
after(async () => await gateway[Symbol.asyncDispose]())

const entryOf = (streamId: string) => `${gateway.url}/hls/${streamId}/playlist.m3u8`

async function read(url: string): Promise<MasterPlaylist | MediaPlaylist> {
  const answer = await fetch(url)
  const text = await answer.text()
  assert.equal(answer.status, 200, text)
  return parsePlaylist(text)
}

async function mediaOf(url: string): Promise<MediaPlaylist> {
  const playlist = await read(url)
  assert.ok(playlist.kind === 'media')
  return playlist
}

async function bytesOf(uri: string, playlist: string): Promise<Buffer> {
  const answer = await fetch(new URL(uri, playlist))
  assert.equal(answer.status, 200, uri)
  return Buffer.from(await answer.arrayBuffer())
}

test('qualities and a language: the master stays, and each goes on with what is nearest to it', async () => {
  const renditions = [
    { name: 'low', media: small, bandwidth: 400_000, resolution: '320x180' },
    { name: 'high', media, bandwidth: 900_000, resolution: '640x360' },
    { name: 'en', media: sound, isAudio: true },
  ]
  await using first = await HlsOrigin.start({ renditions, window: WINDOW })
  await using second = await HlsOrigin.start({
    window: WINDOW,
    renditions: [
      { name: 'x', media: other, bandwidth: 1_100_000, resolution: '640x360' },
      { name: 'y', media: other, bandwidth: 350_000, resolution: '320x180' },
      { name: 'de', media: sound, isAudio: true },
    ],
  })
  const streamId = await gateway.api.stream([first.url, second.url])
  const entry = `${entryOf(streamId)}?client_id=tv`
  await using watch = PlaylistWatch.start(entry)
  try {
    const master = await read(entry)
    assert.ok(master.kind === 'master')
    const uris = [...master.variants, ...master.renditions].map(({ uri }) => uri ?? '')
    assert.deepEqual(
      uris.map((uri) => uri.replace(/\d/, '#')),
      Array.from({ length: 3 }, () => 'v/#/playlist.m3u8?client_id=tv'),
    )
    assert.deepEqual(
      master.variants.map(({ attributes }) => attributeText(attributes, 'RESOLUTION')),
      ['320x180', '640x360'],
    )
    const all = () => Promise.all(uris.map(async (uri) => await mediaOf(new URL(uri, entry).href)))
    for (const [index, playlist] of (await all()).entries()) {
      const base = new URL(uris[index] ?? '', entry).href
      const last = await bytesOf(playlist.segments.at(-1)?.uri ?? '', base)
      // There are no marks in sound alone.
      assert.ok(last.length > 188 && last.includes(['small', 'alpha', ''][index] ?? ''), uris[index])
    }
    first.playlistFault = { kind: 'status', status: 500 }
    const isOver = (playlists: readonly MediaPlaylist[]) =>
      playlists.every(({ segments }) => segments.some(({ isDiscontinuity }) => isDiscontinuity))
    const over = await until(
      async () => {
        const playlists = await all()
        return isOver(playlists) && playlists
      },
      { what: 'all three on the second source' },
    )
    assert.deepEqual(checkRenditions(over.map((playlist, index) => ({ name: uris[index] ?? '', playlist }))), [])
    assert.deepEqual(await read(entry), master)
    const asked = (name: string) => second.requests.some(({ target }) => target.startsWith(`/live/${name}/index`))
    assert.deepEqual([asked('x'), asked('y'), asked('de')], [true, true, true])
    assert.equal((await gateway.api.streamObject(streamId)).failover_index, 1)
  } finally {
    await watch.stop()
  }
  assert.deepEqual(watch.problems, [])
})

const forms: Readonly<Record<string, Partial<HlsOriginOptions>>> = {
  'transport stream': {},
  'fragmented MP4': { renditions: [{ name: 'v0', media: fragmented }] },
  'AES-128 whose IV is the number of the segment': { encryption: { explicitIv: false }, firstSequence: 77 },
  'AES-128 with an IV and keys that change': { encryption: { explicitIv: true, rotatesEvery: 3 } },
  'byte ranges of larger files': { byteRanges: true },
  'sound in a playlist of its own': {
    renditions: [
      { name: 'v0', media },
      { name: 'en', media: sound, isAudio: true },
    ],
  },
  'behind a cookie and a redirect': { requiresCookie: true, redirectsEntry: true },
  'an event': { extraLines: ['#EXT-X-PLAYLIST-TYPE:EVENT'], preroll: 6, window: 200 },
  'a finished programme': { vodSegments: 12 },
}

/** ffmpeg 5.1 says it of every live playlist of fragmented MP4 that it loads again, whosever it is. */
const SAID_OF_ANY_FMP4 = /^.*Found duplicated MOOV Atom\. Skipped it\n(?: +Last message repeated .*\n)?/gm

describe('ffmpeg reads through the gateway without a complaint', { concurrency: 3 }, () => {
  for (const [name, options] of Object.entries(forms)) {
    test(name, async () => {
      await using origin = await HlsOrigin.start({ renditions: [{ name: 'v0', media }], window: WINDOW, ...options })
      const streamId = await gateway.api.stream([origin.url], { use_sticky_session: true })
      const { code, stdout, stderr } = await runTool('ffmpeg', [
        ...['-v', 'warning', '-nostdin', '-live_start_index', '-4', '-i', entryOf(streamId), '-t', '4'],
        ...['-map', '0:v:0', '-map', '0:a:0', '-f', 'framemd5', '-'],
      ])
      assert.deepEqual([code, stderr.replace(SAID_OF_ANY_FMP4, '')], [0, ''])
      const frames = stdout.split('\n').filter((line) => line.startsWith('0,'))
      assert.ok(frames.length >= 95, `${frames.length} pictures in 4 s`)
      assert.ok(stdout.split('\n').filter((line) => line.startsWith('1,')).length > 150)
      for (const [segment, count] of origin.segmentCounts()) assert.equal(count, 1, segment)
      assert.equal((await gateway.api.streamObject(streamId)).failover_attempts, 0)
    })
  }
})

test('a finished programme is whole, and an event keeps all that it had', async () => {
  await using film = await HlsOrigin.start({ renditions: [{ name: 'v0', media }], vodSegments: 9 })
  const programme = await mediaOf(entryOf(await gateway.api.stream([film.url])))
  assert.deepEqual([programme.hasEndList, programme.playlistType, programme.segments.length], [true, 'VOD', 9])
  await using origin = await HlsOrigin.start({
    ...{ renditions: [{ name: 'v0', media }], preroll: 5, window: 200 },
    extraLines: ['#EXT-X-PLAYLIST-TYPE:EVENT'],
  })
  const entry = entryOf(await gateway.api.stream([origin.url]))
  const first = (await mediaOf(entry)).segments[0]
  const grown = await until(
    async () => {
      const event = await mediaOf(entry)
      return event.segments.length >= 9 && event
    },
    { what: 'an event of nine segments' },
  )
  assert.deepEqual([grown.playlistType, grown.segments[0]?.uri], ['EVENT', first?.uri])
})

test('a channel in parts is passed on in parts: one gateway behind another', async () => {
  await using behind = await GatewayProcess.start({ env: { HLS_SEGMENT_SECONDS: '1.6', ...unhurried } })
  await using scene = await Scene.open({ gateway: behind, origins: [{ name: 'primary' }] })
  const streamId = await gateway.api.stream([`${behind.url}/hls/${scene.streamId}/cmaf/playlist.m3u8`])
  const entry = entryOf(streamId)
  await using watch = PlaylistWatch.start(`${entry}?client_id=watch`)
  try {
    let playlist = await until(
      async () => {
        const now = await mediaOf(entry)
        return now.segments.length > 2 && now
      },
      { what: 'segments' },
    )
    assert.ok(playlist.serverControl?.canBlockReload === true && playlist.partTargetS !== undefined)
    for (let reload = 0; reload < 8; reload += 1) {
      const next = playlist.mediaSequence + playlist.segments.length
      const part = playlist.trailing?.parts.length ?? 0
      const later = await mediaOf(`${entry}?_HLS_msn=${next}&_HLS_part=${part}`)
      const parts = later.trailing?.parts.length ?? 0
      const edge = later.mediaSequence + later.segments.length
      assert.ok(edge > next || (edge === next && parts > part), `${edge}.${parts} after ${next}.${part}`)
      const hint = later.preloadHints[0]?.uri
      if (hint !== undefined) assert.equal((await bytesOf(hint, entry)).toString('latin1', 4, 8), 'moof')
      playlist = later
    }
  } finally {
    await watch.stop()
  }
  assert.deepEqual(watch.problems, [])
})

test('sources of both kinds are packaged as one, whichever is on air', async () => {
  await using playlist = await HlsOrigin.start({ renditions: [{ name: 'v0', media: other }] })
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'body' }],
    stream: { failover_urls: [playlist.url] },
  })
  const entry = entryOf(scene.streamId)
  await using watch = PlaylistWatch.start(`${entry}?client_id=watch`)
  try {
    const before = await mediaOf(entry)
    assert.equal(before.serverControl?.canBlockReload, true)
    await scene.origin(0).refuse()
    scene.origin(0).inject({ kind: 'reset', aligned: true })
    const isBravo = async () => {
      const now = await mediaOf(entry)
      return (await bytesOf(now.segments.at(-1)?.uri ?? '', entry)).includes('bravo') && now
    }
    const after = await until(isBravo, { what: 'segments of the playlist', deadlineMs: 20_000 })
    assert.equal(
      after.segments.some(({ isDiscontinuity }) => isDiscontinuity),
      false,
      'the seam is spliced',
    )
    assert.equal((await gateway.api.streamObject(scene.streamId)).failover_index, 1)
  } finally {
    await watch.stop()
  }
  assert.deepEqual(watch.problems, [])
})
