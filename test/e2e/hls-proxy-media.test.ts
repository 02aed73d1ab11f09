import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createDecipheriv } from 'node:crypto'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { attributeText } from '../../src/hls/attribute-list.ts'
import { parsePlaylist } from '../../src/hls/parse-playlist.ts'
import type { MasterPlaylist } from '../../src/hls/playlist.ts'
import { checkRenditions } from '../../src/hls/rendition-rules.ts'
import { loadFmp4Media, loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import type { HlsOriginOptions } from '../lab/hls-origin.ts'
import { HlsProxyLab, UNHURRIED } from '../lab/hls-proxy-lab.ts'
import { HlsSegmentPlayer } from '../lab/hls-segment-player.ts'
import { until } from '../lab/poll.ts'

/** What proxied HLS passes on: qualities, languages, encryption, ranges, other containers; and that it is fetched once. */

const run = promisify(execFile)
const alpha = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800 })
const small = await loadTsMedia({ programme: 'alpha', source: 'alpha small', segmentMs: 800, videoKbps: 300 })
const bravo = await loadTsMedia({ programme: 'bravo', source: 'bravo', segmentMs: 800, offsetTicks: 8_000_000 })
const fragmented = await loadFmp4Media({ programme: 'bravo', source: 'bravo', segmentMs: 800, offsetTicks: 8_000_000 })
const alphaOnly = [{ name: 'v0', media: alpha }]
/** Segments of a playlist from which nobody who is slow for some seconds falls out. */
const WINDOW = 15
const bravoOnly = [{ name: 'v0', media: bravo }]
const ladder = [
  { name: 'low', media: small, bandwidth: 400_000, resolution: '320x180' },
  { name: 'high', media: alpha, bandwidth: 900_000, resolution: '640x360' },
]
const start = (options: Partial<HlsOriginOptions> & Pick<HlsOriginOptions, 'renditions'>) => HlsOrigin.start(options)

async function masterOf(lab: HlsProxyLab): Promise<MasterPlaylist> {
  const { status, body } = await lab.get('playlist.m3u8')
  assert.equal(status, 200)
  const playlist = parsePlaylist(body.toString())
  assert.ok(playlist.kind === 'master')
  return playlist
}

test('stays as it is over a switch, and its variants have their seams at the same places', async () => {
  await using first = await start({ renditions: ladder })
  await using second = await start({
    firstSequence: 500,
    renditions: [
      { name: 'x', media: bravo, bandwidth: 1_100_000, resolution: '640x360' },
      { name: 'y', media: bravo, bandwidth: 350_000, resolution: '320x180' },
    ],
  })
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [first.url, second.url] })
  const master = await masterOf(lab)
  assert.deepEqual(
    master.variants.map(({ uri }) => uri),
    ['v/0/playlist.m3u8', 'v/1/playlist.m3u8'],
  )
  assert.equal(attributeText(master.variants[0]?.attributes ?? [], 'BANDWIDTH'), '400000')
  await using low = new HlsSegmentPlayer(lab, 'v/0/playlist.m3u8')
  await using high = new HlsSegmentPlayer(lab, 'v/1/playlist.m3u8')
  await until(() => low.segments.length > 3 && high.segments.length > 3, { what: 'both playing' })
  first.playlistFault = { kind: 'status', status: 500 }
  const isOver = (player: HlsSegmentPlayer) => player.segments.filter(({ source }) => source === 'bravo').length > 3
  await until(() => isOver(low) && isOver(high), { what: 'both playing the second source' })
  const [v0, v1] = [await lab.playlist('v/0/playlist.m3u8'), await lab.playlist('v/1/playlist.m3u8')]
  assert.deepEqual(
    checkRenditions([
      { name: 'v0', playlist: v0 },
      { name: 'v1', playlist: v1 },
    ]),
    [],
  )
  assert.deepEqual(await masterOf(lab), master)
  assert.deepEqual(low.sources, ['alpha small', 'bravo'])
  assert.deepEqual(high.sources, ['alpha', 'bravo'])
  const asked = (name: string) => second.requests.some(({ target }) => target.startsWith(`/live/${name}/index`))
  assert.ok(asked('x') && asked('y'))
  assert.deepEqual(lab.violations, [])
})

test('before a source that has none: all its variants go on from the one playlist, fetched once', async () => {
  await using first = await start({ renditions: ladder })
  await using second = await start({ renditions: bravoOnly })
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [first.url, second.url] })
  await using low = new HlsSegmentPlayer(lab, 'v/0/playlist.m3u8')
  await using high = new HlsSegmentPlayer(lab, 'v/1/playlist.m3u8')
  await until(() => low.segments.length > 3 && high.segments.length > 3, { what: 'both playing' })
  lab.putOnAir(1)
  const isOver = (player: HlsSegmentPlayer) => player.segments.filter(({ source }) => source === 'bravo').length > 3
  await until(() => isOver(low) && isOver(high), { what: 'both playing the second source' })
  assert.ok([...second.segmentCounts().values()].every((count) => count === 1))
  assert.deepEqual(lab.violations, [])
})

test('behind a source that has none: players go on with its best variant', async () => {
  await using first = await start({ renditions: bravoOnly })
  await using second = await start({ renditions: ladder })
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [first.url, second.url] })
  await using player = new HlsSegmentPlayer(lab)
  await until(() => player.segments.length > 3, { what: 'playing' })
  lab.putOnAir(1)
  await until(() => player.segments.at(-1)?.source === 'alpha', { what: 'playing the second source' })
  assert.deepEqual(lab.violations, [])
})

test('with its sound in a playlist of its own: both go on, and come back after a restart', async () => {
  const audio = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800, streams: 'audio' })
  const renditions = [...ladder, { name: 'en', media: audio, isAudio: true }]
  await using first = await start({ renditions })
  await using second = await start({ renditions: bravoOnly })
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [first.url, second.url] })
  const master = await masterOf(lab)
  const sound = master.renditions[0]?.uri ?? ''
  assert.match(sound, /^v\/\d\/playlist\.m3u8$/)
  await lab.playlist('v/0/playlist.m3u8')
  await lab.playlist(sound)
  lab.putOnAir(1)
  await until(() => lab.delivered.length > 1, { what: 'the second source delivering' })
  for (const path of ['v/0/playlist.m3u8', sound]) {
    const seams = async () => (await lab.playlist(path)).segments.filter(({ isDiscontinuity }) => isDiscontinuity)
    await until(async () => (await seams()).length === 1, { what: `the seam in ${path}` })
  }
  lab.restart()
  assert.deepEqual(await masterOf(lab), master)
  await lab.playlist(sound)
  assert.deepEqual(lab.violations, [])
})

test('only what players ask for is followed', async () => {
  await using first = await start({ renditions: ladder })
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [first.url] })
  await masterOf(lab)
  await lab.playlist('v/1/playlist.m3u8')
  await using player = new HlsSegmentPlayer(lab, 'v/1/playlist.m3u8')
  await until(() => player.segments.length > 14, { what: 'playing', deadlineMs: 15_000 })
  const low = first.requests.filter(({ target }) => target.startsWith('/live/low/'))
  const lastMs = low.at(-1)?.atMs ?? 0
  assert.ok((first.requests.at(-1)?.atMs ?? 0) - lastMs > 1_500, 'a variant that nobody wants is still followed')
})

for (const explicitIv of [false, true]) {
  test(`AES-128 ${explicitIv ? 'with' : 'without'} an IV: what players decrypt is right on both sides of a switch`, async () => {
    await using first = await start({
      renditions: alphaOnly,
      firstSequence: 77,
      encryption: { explicitIv, rotatesEvery: 4 },
    })
    await using second = await start({ renditions: bravoOnly, encryption: { explicitIv }, window: 8 })
    await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [first.url, second.url] })
    await lab.playlist()
    lab.putOnAir(1)
    const { segments, mediaSequence } = await until(
      async () => {
        const playlist = await lab.playlist()
        return playlist.segments.some(({ isDiscontinuity }) => isDiscontinuity) && playlist
      },
      { what: 'the switch' },
    )
    const names: string[] = []
    for (const [index, { uri, keys }] of segments.entries()) {
      const [key] = keys
      assert.ok(key?.uri !== undefined)
      const secret = await lab.get(key.uri)
      const iv = key.iv?.slice(2) ?? (mediaSequence + index).toString(16).padStart(32, '0')
      const decipher = createDecipheriv('aes-128-cbc', secret.body, Buffer.from(iv, 'hex'))
      const body = Buffer.concat([decipher.update((await lab.get(uri)).body), decipher.final()])
      assert.equal(body[0], 0x47)
      names.push(body.includes('bravo') ? 'bravo' : body.includes('alpha') ? 'alpha' : '')
    }
    assert.deepEqual([...new Set(names)], ['alpha', 'bravo'])
    assert.deepEqual(lab.violations, [])
    assert.equal(first.countOf('key') <= 3, true)
  })
}

for (const first of ['ts', 'm4s'] as const) {
  test(`players that have ${first} get ${first} of every source, also after a restart`, async () => {
    const media = first === 'ts' ? [alpha, fragmented] : [fragmented, alpha]
    const [here, there] = media.map((each) => [{ name: 'v0', media: each }])
    await using primary = await start({ renditions: here ?? [] })
    await using backup = await start({ renditions: there ?? [] })
    await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [primary.url, backup.url] })
    await lab.playlist()
    const look = async (): Promise<void> => {
      for (const { uri, map } of (await lab.playlist()).segments) {
        const { status, body, headers } = await lab.get(uri)
        assert.equal(status, 200)
        assert.equal(Number(headers.get('content-length')), body.length)
        assert.equal(body[0] === 0x47, first === 'ts', uri)
        assert.equal(map === undefined, first === 'ts')
        if (map !== undefined) assert.match((await lab.get(map.uri)).body.toString('latin1'), /^....ftyp.*moov/s)
      }
    }
    for (const [index, epoch] of [
      [1, 2],
      [0, 3],
    ] as const) {
      lab.putOnAir(index)
      await until(() => lab.delivered.at(-1) === epoch, { what: `source ${index} delivering` })
      await look()
    }
    lab.putOnAir(1)
    await until(() => lab.delivered.at(-1) === 4, { what: 'the other source delivering again' })
    lab.restart()
    await look()
    assert.deepEqual(lab.violations, [])
    assert.deepEqual(lab.failures, [])
  })
}

test('byte ranges: each segment is exactly its bytes, under a name of its own', async () => {
  await using first = await start({ renditions: alphaOnly, byteRanges: true })
  await using second = await start({ renditions: bravoOnly, byteRanges: true })
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [first.url, second.url] })
  await using player = new HlsSegmentPlayer(lab)
  await until(() => player.segments.length > 3, { what: 'playing' })
  lab.putOnAir(1)
  await until(() => player.segments.at(-1)?.source === 'bravo', { what: 'playing the second source' })
  for (const { body } of player.segments) assert.equal(body.length % 188, 0)
  for (const { byteRange } of (await lab.playlist()).segments) assert.equal(byteRange, undefined)
  assert.deepEqual(lab.violations, [])
})

test('cookies and redirects of a source are kept for its segments', async () => {
  await using first = await start({ renditions: alphaOnly, requiresCookie: true, redirectsEntry: true })
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [first.url], useStickySession: true })
  await using player = new HlsSegmentPlayer(lab)
  await until(() => player.segments.length > 5, { what: 'playing' })
  assert.equal(first.requests.filter(({ target }) => target === '/entry.m3u8').length, 1)
  assert.deepEqual(lab.failures, [])
})

test('a finished programme passes whole, and goes on from the other source at the same place', async () => {
  await using first = await start({ renditions: alphaOnly, vodSegments: 8 })
  await using second = await start({ renditions: bravoOnly, vodSegments: 8 })
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [first.url, second.url] })
  const playlist = await lab.playlist()
  assert.equal(playlist.hasEndList, true)
  assert.equal(playlist.playlistType, 'VOD')
  assert.equal(playlist.segments.length, 8)
  assert.ok((await lab.get(playlist.segments[2]?.uri ?? '')).body.includes('alpha'))
  first.segmentFault = { kind: 'status', status: 500 }
  const answer = await lab.get(playlist.segments[3]?.uri ?? '')
  assert.equal(answer.status, 200)
  assert.ok(answer.body.equals(bravo.segment(3, 0)) || answer.body.includes('bravo'))
  assert.equal(lab.failures.length, 1)
  assert.deepEqual((await lab.playlist()).segments, playlist.segments)
  assert.deepEqual(lab.violations, [])
})

test('fifty players at once: each segment and each playlist is fetched once', async () => {
  await using first = await start({ renditions: alphaOnly })
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [first.url] })
  const players = Array.from({ length: 50 }, () => new HlsSegmentPlayer(lab))
  await until(() => players.every(({ segments }) => segments.length > 6), { what: 'all playing', deadlineMs: 20_000 })
  for (const player of players) await player[Symbol.asyncDispose]()
  const counts = [...first.segmentCounts().values()]
  assert.ok(counts.length > 6 && counts.every((count) => count === 1), JSON.stringify(counts))
  const playlists = first.requests.filter(({ kind }) => kind === 'playlist')
  const seconds = ((playlists.at(-1)?.atMs ?? 0) - (playlists[0]?.atMs ?? 0)) / 1_000
  assert.ok(playlists.length <= seconds * 2.5 + 2, `${playlists.length} playlists in ${seconds} s`)
  assert.deepEqual(lab.failures, [])
  assert.deepEqual(lab.violations, [])
})

test('heads, ranges and types are those of the segment', async () => {
  await using first = await start({ renditions: alphaOnly })
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [first.url] })
  const name = (await lab.playlist()).segments[3]?.uri ?? ''
  const whole = await lab.get(name)
  assert.equal(whole.headers.get('content-type'), 'video/mp2t')
  assert.equal(Number(whole.headers.get('content-length')), whole.body.length)
  const head = await lab.get(name, {}, 'HEAD')
  assert.equal(head.headers.get('content-length'), whole.headers.get('content-length'))
  assert.equal(head.body.length, 0)
  const part = await lab.get(name, { range: 'bytes=188-375' })
  assert.equal(part.status, 206)
  assert.equal(part.headers.get('content-range'), `bytes 188-375/${whole.body.length}`)
  assert.ok(part.body.equals(whole.body.subarray(188, 376)))
  const tail = await lab.get(name, { range: 'bytes=-188' })
  assert.ok(tail.body.equals(whole.body.subarray(-188)))
  assert.equal((await lab.get(name, { range: `bytes=${whole.body.length}-` })).status, 416)
  assert.equal((await lab.get('playlist.m3u8', {}, 'HEAD')).body.length, 0)
  assert.equal(
    first.segmentCounts().size >= 1 && [...first.segmentCounts().values()].every((count) => count === 1),
    true,
  )
})

test('ffmpeg reads over a switch, and has nothing to say but that the stream is another', async () => {
  await using first = await start({ renditions: alphaOnly, window: WINDOW })
  // ffmpeg knows streams by their PIDs, also behind a discontinuity: this one has the PIDs of the first.
  const still = await loadTsMedia({ programme: 'alpha_still', source: 'still', segmentMs: 800, offsetTicks: 8_000_000 })
  await using second = await start({ renditions: [{ name: 'v0', media: still }], window: WINDOW })
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [first.url, second.url] })
  await lab.playlist()
  const reading = run(
    'ffmpeg',
    [
      '-v',
      'warning',
      '-nostdin',
      '-live_start_index',
      '-3',
      '-i',
      lab.entry,
      '-t',
      '9',
      '-map',
      '0:v',
      '-f',
      'framemd5',
      '-',
    ],
    { timeout: 40_000 },
  )
  await until(() => lab.asked.filter((path) => path.startsWith('s/')).length > 3, { what: 'ffmpeg reading' })
  await first[Symbol.asyncDispose]()
  const { stdout, stderr } = await reading
  const others = stderr
    .split('\n')
    .filter(
      (line) => line.trim() !== '' && !/timestamp discontinuity|DTS|Packet corrupt|corrupt input packet/i.test(line),
    )
  assert.deepEqual(others, [])
  const frames = stdout.split('\n').filter((line) => line.startsWith('0,'))
  // Nine seconds at 25 a second; a picture or two at the seam are of no use to a decoder.
  assert.ok(frames.length >= 215, `${frames.length} frames`)
  assert.equal(lab.onAir, 1)
  assert.deepEqual(lab.violations, [])
})
