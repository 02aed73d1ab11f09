import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { runTool } from '../lab/media.ts'
import { PlaylistWatch } from '../lab/playlist-watch.ts'
import { until } from '../lab/poll.ts'
import { TranscodeScene } from '../lab/transcode-lab.ts'
import { unhurried } from '../lab/unhurried.ts'

let gateway: GatewayProcess
const watches: PlaylistWatch[] = []
before(async () => {
  gateway = await GatewayProcess.start({ env: { ...unhurried, TRANSCODES_MAX: '8', HLS_SEGMENT_SECONDS: '2' } })
})
after(async () => {
  for (const watch of watches) await watch.stop()
  await gateway[Symbol.asyncDispose]()
})

/** What ffmpeg complains of while it plays so much of a playlist; '' when it has played all of it. */
async function complaintsAbout(url: string, seconds: number): Promise<string> {
  const limits = ['-rw_timeout', '20000000', '-t', `${seconds}`]
  const { stderr } = await runTool('ffmpeg', ['-v', 'warning', '-xerror', ...limits, '-i', url, '-f', 'null', '-'])
  // It reads an initialisation segment again with each reload.
  return stderr.replaceAll(/^.*Found duplicated MOOV Atom. Skipped it\n/gm, '')
}

/** A transcoded stream that is played as HLS, with everything that is wrong with its playlists. */
async function playing(
  origins: Parameters<typeof TranscodeScene.open>[1],
  playlist: string,
): Promise<{ scene: TranscodeScene; url: string; watch: PlaylistWatch }> {
  const scene = await TranscodeScene.open(gateway, origins, { output_format: 'hls' })
  const url = `${gateway.url}/hls/${scene.streamId}/${playlist}`
  const watch = PlaylistWatch.start(`${url}${playlist.includes('?') ? '&' : '?'}client_id=watch`)
  watches.push(watch)
  await watch.hasSegments(3)
  return { scene, url, watch }
}

test('an encoded stream is had as HLS, in transport stream segments and as fragmented MP4', async () => {
  const { scene, url, watch } = await playing([{}], 'playlist.m3u8')
  await using _scene = scene
  const fragmented = PlaylistWatch.start(`${url}?format=fmp4&client_id=watch-fmp4`)
  assert.equal(await complaintsAbout(url, 6), '')
  assert.equal(await complaintsAbout(`${url}?format=fmp4`, 6), '')
  await watch.stop()
  await fragmented.stop()
  assert.deepEqual([...watch.problems, ...fragmented.problems], [])
  assert.ok(fragmented.count > 0)
  const state = await scene.state()
  assert.equal(state.stream_type, 'Transcoding')
})

for (const playlist of ['playlist.m3u8', 'playlist.m3u8?format=fmp4']) {
  test(`kill -9 of ffmpeg, then of the source: ${playlist} goes on`, async () => {
    const { scene, url, watch } = await playing([{}, {}], playlist)
    await using _scene = scene
    const pid = await scene.pid()
    process.kill(pid, 'SIGKILL')
    await scene.comesTo('another encoder', ({ transcoder }) => transcoder.pid !== null && transcoder.pid !== pid)
    const second = await scene.pid()
    const before = watch.last.mediaSequence + watch.last.segments.length
    const reaches = async (sequence: number) =>
      until(() => watch.last.mediaSequence + watch.last.segments.length >= sequence, {
        what: `segment ${sequence}`,
        deadlineMs: 30_000,
        evidence: () => watch.problems,
      })
    await reaches(before + 2)
    await scene.origin(0).refuse()
    scene.origin(0).inject({ kind: 'reset', aligned: false })
    await scene.comesTo('the failover', ({ failover_index: index }) => index === 1)
    await reaches(before + 5)
    assert.equal(await scene.pid(), second, 'the encoder did not notice')
    assert.equal(await complaintsAbout(url, 4), '')
    await watch.stop()
    assert.deepEqual(watch.problems, [])
  })
}

test('playlists are what is encoded, and one source of two fails', async () => {
  const media = await loadTsMedia({ source: 'transcode-hls', programme: 'alpha', videoKbps: 600, offsetTicks: 0 })
  const other = await loadTsMedia({
    source: 'transcode-hls-2',
    programme: 'bravo',
    videoKbps: 600,
    offsetTicks: 90_000,
  })
  await using primary = await HlsOrigin.start({ renditions: [{ name: 'v0', media }] })
  await using backup = await HlsOrigin.start({ renditions: [{ name: 'v0', media: other }] })
  const asked = { url: primary.url, failover_urls: [backup.url], profile: 'lowlatency', output_format: 'hls' }
  const { body } = await gateway.api.call<{ stream_id: string; stream_endpoint: string }>('POST', '/transcode', asked)
  const url = `${gateway.url}${body.stream_endpoint}`
  const watch = PlaylistWatch.start(`${url}?client_id=watch`)
  watches.push(watch)
  await watch.hasSegments(2)
  const continuous = gateway.watch(body.stream_id)
  await continuous.hasRead(200_000)
  primary.playlistFault = { kind: 'status', status: 404 }
  await until(
    async () => {
      const state = await gateway.api.call<{ stream: { failover_index: number } }>('GET', `/streams/${body.stream_id}`)
      return state.body.stream.failover_index === 1
    },
    { what: 'the failover', deadlineMs: 20_000 },
  )
  await continuous.hasRead(continuous.totalBytes + 600_000)
  assert.equal(continuous.state, 'reading')
  continuous.close()
  await watch.stop()
  assert.deepEqual(watch.problems, [])
  await gateway.api.call('DELETE', `/streams/${body.stream_id}`)
})
