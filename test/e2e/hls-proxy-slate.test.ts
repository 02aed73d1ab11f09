import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import type { SlateMaker } from '../../src/streams/outage.ts'
import { fixtureSlate } from '../../src/streams/slate/slate.fixture.ts'
import { createSlateMaker } from '../../src/streams/slate/slate-maker.ts'
import { createSlateRenderer } from '../../src/streams/slate/slate-renderer.ts'
import { loadFmp4Media, loadPackedAudioMedia, loadTsMedia, streamPids } from '../lab/hls-media.ts'
import type { HlsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import type { HlsOriginOptions } from '../lab/hls-origin.ts'
import { HlsProxyLab } from '../lab/hls-proxy-lab.ts'
import { HlsSegmentPlayer } from '../lab/hls-segment-player.ts'
import { runTool } from '../lab/media.ts'
import { until } from '../lab/poll.ts'
import { openProcessRoom } from '../lab/process-room.ts'
import type { ProcessRoom } from '../lab/process-room.ts'

/** What players of passed-on HLS get while none of its sources delivers. */

const skip = (await runTool('ffmpeg', ['-version'])).code === 0 ? false : 'ffmpeg is not installed'
const alpha = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 1_600 })
const alphaFmp4 = await loadFmp4Media({ programme: 'alpha', source: 'alpha', segmentMs: 1_600 })
const video = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 1_600, streams: 'video' })
const packedAudio = await loadPackedAudioMedia({ programme: 'alpha', source: 'alpha', segmentMs: 1_600 })
const audio = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 1_600, streams: 'audio' })

/** A player is a few segments behind its first seam. */
function isOver({ segments }: HlsSegmentPlayer): boolean {
  const seam = segments.findIndex(({ startsDiscontinuity }) => startsDiscontinuity)
  return seam !== -1 && segments.length - seam > 2
}

function newestPids({ segments }: HlsSegmentPlayer): ReturnType<typeof streamPids> {
  return streamPids(segments.at(-1)?.body ?? Buffer.alloc(0))
}

describe('a slate in passed-on playlists', { skip }, () => {
  let room: ProcessRoom
  let slates: SlateMaker

  before(() => {
    room = openProcessRoom()
    const { processes, directory } = room
    const renderer = createSlateRenderer({ directory, processes, clock: systemClock })
    slates = createSlateMaker({ renderer, clock: systemClock, log: silentLog })
  })
  after(async () => room[Symbol.asyncDispose]())

  const start = (media: HlsMedia, options: Partial<HlsOriginOptions> = {}) =>
    HlsOrigin.start({ renditions: [{ name: 'v0', media }], ...options })

  for (const [name, media] of [
    ['MPEG-TS', alpha],
    ['fragmented MP4', alphaFmp4],
  ] as const) {
    test(`${name}: players go over to it behind a discontinuity, and back`, async () => {
      await using origin = await start(media)
      await using lab = await HlsProxyLab.start({ urls: [origin.url], slates, delayMs: 500 })
      await using player = new HlsSegmentPlayer(lab)
      await until(() => player.segments.length > 3, { what: 'playing', deadlineMs: 15_000 })
      origin.playlistFault = { kind: 'status', status: 503 }
      await until(() => lab.slatesShown > 0, { what: 'the slate', deadlineMs: 20_000, evidence: () => lab.slateErrors })
      const before = player.segments.length
      await until(() => player.segments.length > before + 2, {
        ...{ what: 'the slate playing', deadlineMs: 20_000 },
        evidence: () => [lab.failures.slice(-2), player.refusals.slice(-3)],
      })
      const onSlate = player.segments.slice(before)
      assert.equal(onSlate.filter(({ startsDiscontinuity }) => startsDiscontinuity).length, 1)
      assert.ok(onSlate.every(({ body }) => body.length > 1_000))
      origin.playlistFault = undefined
      const atReturn = player.segments.length
      await until(() => player.segments.length > atReturn + 4, { what: 'back', deadlineMs: 20_000 })
      const seams = player.segments.filter(({ startsDiscontinuity }) => startsDiscontinuity)
      assert.equal(seams.length, 2)
      if (media === alpha) assert.equal(player.segments.at(-1)?.source, 'alpha')
      const sequences = player.segments.map(({ sequence }) => sequence)
      assert.deepEqual(
        sequences,
        sequences.map((_, index) => (sequences[0] ?? 0) + index),
      )
      assert.equal(lab.proxy.isSlateOn, false)
      assert.deepEqual(lab.violations, [])
      assert.deepEqual(lab.slateErrors, [])
    })
  }

  /** Pictures in one playlist and `sound` in another, from the channel to the slate. */
  async function bothOver(
    sound: HlsMedia,
    judge: (pictures: HlsSegmentPlayer, sound: HlsSegmentPlayer) => void,
  ): Promise<void> {
    await using origin = await HlsOrigin.start({
      renditions: [
        { name: 'v0', media: video, bandwidth: 900_000, resolution: '640x360' },
        { name: 'en', media: sound, isAudio: true },
      ],
    })
    await using lab = await HlsProxyLab.start({ urls: [origin.url], slates, delayMs: 500 })
    await lab.get('playlist.m3u8')
    await using watching = new HlsSegmentPlayer(lab, 'v/0/playlist.m3u8')
    await using listening = new HlsSegmentPlayer(lab, 'v/1/playlist.m3u8')
    const isPlaying = () => watching.segments.length > 3 && listening.segments.length > 3
    await until(isPlaying, { what: 'playing', deadlineMs: 15_000 })
    origin.playlistFault = { kind: 'reset' }
    await until(() => isOver(watching) && isOver(listening), {
      ...{ what: 'both on the slate', deadlineMs: 20_000, evidence: () => lab.slateErrors },
    })
    assert.ok(lab.slatesShown > 0)
    judge(watching, listening)
    assert.deepEqual(lab.violations, [])
  }

  test('with sound in a playlist of its own: both have it, at the same place', async () => {
    await bothOver(audio, (pictures, sound) => {
      assert.deepEqual(newestPids(pictures), { video: 0x100, audio: undefined })
      assert.deepEqual(newestPids(sound), { video: undefined, audio: 0x101 })
    })
  })

  test('with packed audio in a playlist of its own: the slate has sound there', async () => {
    await bothOver(packedAudio, (_, sound) => {
      assert.ok(newestPids(sound).audio !== undefined)
      assert.deepEqual(sound.gaps, [])
    })
  })

  test('no slate where it is off: the playlist stays as it was', async () => {
    await using origin = await start(alpha)
    await using lab = await HlsProxyLab.start({ urls: [origin.url], delayMs: 500 })
    await using player = new HlsSegmentPlayer(lab)
    await until(() => player.segments.length > 3, { what: 'playing', deadlineMs: 15_000 })
    origin.playlistFault = { kind: 'status', status: 503 }
    await until(() => lab.failures.length > 2, { what: 'failing', deadlineMs: 15_000 })
    await until(async () => (await lab.playlist()).segments.length > 0, { what: 'a playlist' })
    assert.equal(lab.slatesShown, 0)
    assert.equal((await lab.playlist()).segments.filter(({ isDiscontinuity }) => isDiscontinuity).length, 0)
  })
})

test('a slate without sound is a gap where sound has a playlist of its own; pictures go on, and no source is blamed', async () => {
  const whole = fixtureSlate()
  const silent = { ...whole, tracks: whole.tracks.filter(({ kind }) => kind === 'video') }
  const slates: SlateMaker = {
    render: async () => silent,
    prepare: () => Promise.reject(new Error('nobody asks for it')),
  }
  await using origin = await HlsOrigin.start({
    renditions: [
      { name: 'v0', media: video, bandwidth: 900_000, resolution: '640x360' },
      { name: 'en', media: audio, isAudio: true },
    ],
  })
  await using other = await HlsOrigin.start({ renditions: [{ name: 'v0', media: alpha }] })
  other.playlistFault = { kind: 'status', status: 503 }
  await using lab = await HlsProxyLab.start({ urls: [origin.url, other.url], slates, delayMs: 500 })
  await lab.get('playlist.m3u8')
  await using pictures = new HlsSegmentPlayer(lab, 'v/0/playlist.m3u8')
  await using sound = new HlsSegmentPlayer(lab, 'v/1/playlist.m3u8')
  await until(() => pictures.segments.length > 3 && sound.segments.length > 3, { what: 'playing', deadlineMs: 15_000 })
  origin.playlistFault = { kind: 'status', status: 503 }
  await until(() => isOver(pictures) && sound.gaps.length > 2, { what: 'the slate', deadlineMs: 20_000 })
  assert.deepEqual([...new Set(lab.failures.map(({ reason }) => reason))], ['http_503'])
  assert.equal(lab.proxy.isSlateOn, true)
  origin.playlistFault = undefined
  const before = sound.segments.length
  await until(() => sound.segments.length > before + 2, { what: 'sound again', deadlineMs: 20_000 })
  assert.deepEqual(lab.violations, [])
})
