import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parsePlaylist } from '../../src/hls/parse-playlist.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { HlsBrowser } from '../lab/hls-browser.ts'
import { mediaPlaylist, segmentFacts } from '../lab/ladder-lab.ts'
import type { SegmentFacts } from '../lab/ladder-lab.ts'
import { runTool } from '../lab/media.ts'
import { PlaylistWatch } from '../lab/playlist-watch.ts'
import { until } from '../lab/poll.ts'
import { isRunning } from '../lab/running-process.ts'
import { TranscodeScene } from '../lab/transcode-lab.ts'
import type { TranscodedObject } from '../lab/transcode-lab.ts'
import { unhurried } from '../lab/unhurried.ts'
import type { Viewer } from '../lab/viewer.ts'

let gateway: GatewayProcess
const watches: PlaylistWatch[] = []
before(async () => {
  // Playlists are as long as a test takes: what was there before a failure is compared after it.
  const env = { TRANSCODES_MAX: '8', HLS_SEGMENT_SECONDS: '2', HLS_DVR_SECONDS: '300' }
  gateway = await GatewayProcess.start({ env: { ...unhurried, ...env } })
})
after(async () => {
  for (const watch of watches) await watch.stop()
  await gateway[Symbol.asyncDispose]()
})

const RENDITIONS = [
  { height: 90, video_bitrate: '120k', audio_bitrate: '64k', profile: 'baseline' },
  { height: 180, video_bitrate: '400k', audio_bitrate: '96k' },
  { height: 120, video_bitrate: '200k', audio_bitrate: '96k' },
]
const HEIGHTS = [180, 120, 90]
const BODY = {
  profile: undefined,
  renditions: RENDITIONS,
  output_format: 'hls',
  profile_variables: { preset: 'ultrafast' },
}

interface Ladder {
  readonly scene: TranscodeScene
  readonly url: string
  readonly watch: PlaylistWatch
  readonly nextSequence: () => number
}

/** A ladder that is played, with everything that is wrong with any of its playlists. */
async function ladder(query = '', origins: Parameters<typeof TranscodeScene.open>[1] = [{}, {}]): Promise<Ladder> {
  const scene = await TranscodeScene.open(gateway, origins, BODY)
  const url = `${gateway.url}/hls/${scene.streamId}/playlist.m3u8${query}`
  const watch = PlaylistWatch.start(url)
  watches.push(watch)
  await watch.hasSegments(3)
  return { scene, url, watch, nextSequence: () => watch.last.mediaSequence + watch.last.segments.length }
}

async function goesOn({ watch, nextSequence }: Ladder, segments: number): Promise<void> {
  const wanted = nextSequence() + segments
  await until(() => nextSequence() >= wanted, {
    what: `segment ${wanted}`,
    deadlineMs: 40_000,
    evidence: () => watch.problems,
  })
}

async function anotherEncoder(scene: TranscodeScene, pid: number): Promise<TranscodedObject> {
  return scene.comesTo('another encoder', ({ transcoder }) => transcoder.pid !== null && transcoder.pid !== pid)
}

async function killEncoder(scene: TranscodeScene): Promise<void> {
  const pid = await scene.pid()
  process.kill(pid, 'SIGKILL')
  await anotherEncoder(scene, pid)
}

async function killSource(scene: TranscodeScene): Promise<void> {
  await scene.origin(0).refuse()
  scene.origin(0).inject({ kind: 'reset', aligned: false })
  await scene.comesTo('the failover', ({ failover_index: index }) => index === 1)
}

/** What of a segment has to be the same in every rendition. */
function aligned(facts: readonly SegmentFacts[], [from, to]: readonly [number, number]): readonly unknown[] {
  return facts
    .filter(({ sequence }) => sequence >= from && sequence <= to)
    .map(({ sequence, durationS, date, isDiscontinuity, pts, beginsWithKeyframe }) => ({
      ...{ sequence, durationS, date, isDiscontinuity, beginsWithKeyframe },
      firstPts: pts[0],
    }))
}

for (const [query, playlist] of [
  ['', 'playlist.m3u8'],
  ['?format=fmp4', 'cmaf/playlist.m3u8'],
] as const) {
  test(`renditions have the same numbers, dates, cuts and times, also after kill -9 of ffmpeg: ${playlist}`, async () => {
    const stream = await ladder(query)
    const { scene, url, watch } = stream
    await using _scene = scene
    const before = stream.nextSequence()
    await killEncoder(scene)
    await goesOn(stream, 2)
    await killSource(scene)
    await goesOn(stream, 3)
    await watch.stop()
    assert.deepEqual(watch.problems, [])
    const found = await Promise.all(
      HEIGHTS.map(async (_, index) => await segmentFacts(new URL(`r/${index}/${playlist}`, url).href)),
    )
    assert.deepEqual(
      found.map((facts) => [...new Set(facts.map(({ height }) => height))]),
      HEIGHTS.map((height) => [height]),
    )
    const range = [
      Math.max(...found.map((facts) => facts[0]?.sequence ?? 0)),
      Math.min(...found.map((facts) => facts.at(-1)?.sequence ?? 0)),
    ] as const
    assert.ok(range[0] <= before && range[1] - range[0] >= 5, `they have ${range.join(' to ')} in common`)
    const [best = [], ...others] = found.map((facts) => aligned(facts, range))
    assert.ok(best.every((each) => JSON.stringify(each).includes('"beginsWithKeyframe":true')))
    for (const other of others) assert.deepEqual(other, best)
    assert.equal((await scene.state()).transcoder.restarts, 1)
  })
}

test('the master playlist tells what each rendition is, best first, and ffmpeg plays any of them', async () => {
  const { scene, url } = await ladder()
  await using _scene = scene
  const master = parsePlaylist(await (await fetch(`${url}?client_id=x`)).text())
  assert.ok(master.kind === 'master')
  const attribute = (index: number, wanted: string) =>
    master.variants[index]?.attributes.find(({ name }) => name === wanted)?.value
  assert.deepEqual(
    master.variants.map(({ uri }) => uri),
    [0, 1, 2].map((index) => `r/${index}/playlist.m3u8?client_id=x`),
  )
  assert.deepEqual([attribute(0, 'RESOLUTION'), attribute(2, 'RESOLUTION')], ['320x180', '160x90'])
  assert.match(attribute(1, 'CODECS') ?? '', /^avc1\.[0-9a-f]{6},mp4a\.40\.2$/)
  assert.equal(attribute(1, 'FRAME-RATE'), '25.000')
  const rates = [0, 1, 2].map((index) => Number(attribute(index, 'BANDWIDTH')))
  assert.deepEqual(
    rates,
    rates.toSorted((left, right) => right - left),
  )
  for (const index of [0, 1, 2]) {
    const { stderr } = await runTool('ffmpeg', [
      ...['-v', 'warning', '-xerror', '-rw_timeout', '20000000', '-t', '4'],
      ...['-i', new URL(`r/${index}/playlist.m3u8`, url).href, '-f', 'null', '-'],
    ])
    assert.equal(stderr, '')
  }
  await assert.rejects(mediaPlaylist(new URL('r/3/playlist.m3u8', url).href), /404/)
  await assert.rejects(mediaPlaylist(new URL('r/0/nothing.m3u8', url).href), /404/)
})

test('hls.js changes between the renditions, through the death of the encoder and of the source', async () => {
  await using browser = await HlsBrowser.start()
  const stream = await ladder()
  const { scene, url, watch } = stream
  await using _scene = scene
  await using player = await browser.play(`${url}?client_id=browser`, { startLevel: 0 })
  const shows = async (lines: number) => {
    await player.page.evaluate(`hls.nextLevel = hls.levels.findIndex(({ height }) => height === ${lines})`)
    let facts: unknown
    await until(
      async () => {
        facts = await player.facts()
        return (await player.page.evaluate('video.videoHeight')) === lines
      },
      { what: `a picture of ${lines} lines`, deadlineMs: 30_000, evidence: () => facts },
    )
  }
  await player.hasPlayed(2)
  assert.deepEqual(
    await player.page.evaluate('hls.levels.map(({ height }) => height)'),
    HEIGHTS.toSorted((left, right) => left - right),
  )
  await shows(180)
  await shows(90)
  await killEncoder(scene)
  await shows(120)
  await killSource(scene)
  await shows(180)
  await shows(90)
  const facts = await player.playsOn(3)
  assert.deepEqual(facts.fatalErrors, [])
  // A player on a machine that has no time for it stands still for a while; one that has lost the stream does for good.
  assert.ok(facts.longestStallMs < 30_000, JSON.stringify(facts))
  await watch.stop()
  assert.deepEqual(watch.problems, [])
})

/** Lines of the picture that a viewer gets, and what a decoder complains of; '' when it reads all of it. */
async function decoded(viewer: Viewer, name: string): Promise<{ readonly lines: number; readonly complaints: string }> {
  const path = join(tmpdir(), `holdfast-lab-ladder-${process.pid}-${name}.ts`)
  await writeFile(path, viewer.body)
  const { stderr } = await runTool('ffmpeg', ['-v', 'warning', '-xerror', '-i', path, '-f', 'null', '-'])
  const entries = ['-show_entries', 'stream=height,codec_type', '-of', 'csv=p=0']
  const { stdout } = await runTool('ffprobe', ['-v', 'error', ...entries, path])
  // It names each once for itself and once in its programme.
  const streams = new Set(stdout.trim().split(/\s+/))
  assert.equal(streams.size, 2, stdout)
  return { lines: Number(/^video,(\d+)/m.exec(stdout)?.[1]), complaints: stderr }
}

test('a continuous stream is the best rendition, or the one that is asked for, from the same encoder', async () => {
  await using scene = await TranscodeScene.open(gateway, [{}, {}], { ...BODY, output_format: 'mpegts' })
  const best = gateway.watch(scene.streamId)
  const small = gateway.watch(scene.streamId, { query: '?rendition=2' })
  await Promise.all([best.hasRead(100_000), small.hasRead(50_000)])
  const state = await scene.state()
  assert.equal(state.client_count, 2)
  assert.deepEqual(
    state.transcoder.renditions?.map(({ height, viewers }) => [height, viewers]),
    [
      [180, 1],
      [120, 0],
      [90, 1],
    ],
  )
  await killEncoder(scene)
  await killSource(scene)
  await Promise.all([best.hasRead(best.totalBytes + 200_000), small.hasRead(small.totalBytes + 60_000)])
  assert.deepEqual([best.state, small.state], ['reading', 'reading'])
  assert.deepEqual(await decoded(best, 'best'), { lines: 180, complaints: '' })
  assert.deepEqual(await decoded(small, 'small'), { lines: 90, complaints: '' })
  const unknown = gateway.watch(scene.streamId, { query: '?rendition=3' })
  await unknown.finished()
  assert.equal(unknown.status, 404)
  const pid = await scene.pid()
  best.close()
  small.close()
  await scene.comesTo('its rest', ({ transcoder }) => transcoder.pid === null)
  await until(async () => !(await isRunning(pid)), { what: 'the end of the encoder' })
})

test('no source delivers: whoever waits for a rendition is told why', async () => {
  await using scene = await TranscodeScene.open(gateway, [{ answer: { kind: 'status', status: 404 } }], BODY)
  const viewer = scene.watch()
  await viewer.finished()
  assert.equal(viewer.status, 502, viewer.text)
})

test('without renditions the ladder is what suits the source, and never larger', async () => {
  await using scene = await TranscodeScene.open(gateway, [{}], { profile: 'ladder' })
  const viewer = scene.watch()
  await viewer.hasRead(100_000)
  const { transcoder } = await scene.state()
  const { lines, complaints } = await decoded(viewer, 'default')
  assert.deepEqual(
    transcoder.renditions?.map(({ height }) => height),
    [lines],
  )
  assert.ok(lines <= 360)
  assert.equal(complaints, '')
})
