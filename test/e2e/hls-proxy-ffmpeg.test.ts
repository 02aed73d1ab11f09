import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { loadFmp4Media, loadTsMedia } from '../lab/hls-media.ts'
import type { HlsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { HlsProxyLab, UNHURRIED } from '../lab/hls-proxy-lab.ts'
import { until } from '../lab/poll.ts'

/** ffmpeg as the player of proxied HLS, which knows streams by their PIDs, and takes one initialisation section for all. */

const run = promisify(execFile)
const first = { programme: 'alpha', source: 'alpha', segmentMs: 800 } as const
const second = { programme: 'charlie', source: 'charlie', segmentMs: 800, offsetTicks: 8_000_000 } as const
const PLAYED_S = 10
/** Segments of a playlist from which an ffmpeg that is slow for some seconds does not fall out. */
const WINDOW = 15
const FRAMES_A_SECOND = 25
/** A group of pictures at the seam may be of no use to a decoder. */
const FRAMES_LOST_MAX = 20
/** 16 × 9 in red, green and blue. */
const PICTURE_BYTES = 432

/** Pictures that ffmpeg decodes, as the mean of their red channel, and what it says. */
async function played(
  url: string,
): Promise<{ readonly reds: readonly number[]; readonly warnings: readonly string[] }> {
  const filter = `scale=16:9,setsar=1,format=rgb24`
  const { stdout, stderr } = await run(
    'ffmpeg',
    [
      ...['-v', 'warning', '-nostdin', '-live_start_index', '-3', '-i', url, '-t', String(PLAYED_S), '-map', '0:v'],
      ...['-vf', filter, '-fps_mode', 'passthrough', '-f', 'rawvideo', '-'],
    ],
    { timeout: 90_000, encoding: 'buffer', maxBuffer: 8_000_000 },
  )
  const reds = Array.from({ length: stdout.length / PICTURE_BYTES }, (_, index) => {
    const picture = stdout.subarray(index * PICTURE_BYTES, (index + 1) * PICTURE_BYTES)
    return picture.reduce((sum, byte, at) => sum + (at % 3 === 0 ? byte : 0), 0) / (PICTURE_BYTES / 3)
  })
  const isTheSeam =
    /timestamp discontinuity|DTS|Packet corrupt|corrupt input packet|duplicated MOOV|Last message repeated/i
  const lines = stderr.toString().split('\n')
  return { reds, warnings: lines.filter((line) => line.trim() !== '' && !isTheSeam.test(line)) }
}

const cases: Readonly<Record<string, () => Promise<readonly [HlsMedia, HlsMedia]>>> = {
  'MPEG-TS on other PIDs': async () => [await loadTsMedia(first), await loadTsMedia(second)],
  'fragmented MP4 behind MPEG-TS': async () => [await loadTsMedia(first), await loadFmp4Media(second)],
  'MPEG-TS behind fragmented MP4': async () => [await loadFmp4Media(first), await loadTsMedia(second)],
}

for (const [name, load] of Object.entries(cases)) {
  test(`ffmpeg plays on when a source fails: ${name}`, async () => {
    const [alpha, charlie] = await load()
    await using primary = await HlsOrigin.start({ renditions: [{ name: 'v0', media: alpha }], window: WINDOW })
    await using backup = await HlsOrigin.start({
      renditions: [{ name: 'v0', media: charlie }],
      firstSequence: 70,
      window: WINDOW,
    })
    await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [primary.url, backup.url] })
    await lab.playlist()
    const playing = played(lab.entry)
    await until(() => lab.asked.filter((path) => path.startsWith('s/')).length > 3, { what: 'ffmpeg reading' })
    await primary[Symbol.asyncDispose]()
    const { reds, warnings } = await playing
    assert.deepEqual(warnings, [])
    const wanted = PLAYED_S * FRAMES_A_SECOND
    assert.ok(reds.length >= wanted - FRAMES_LOST_MAX, `${reds.length} pictures`)
    const dark = reds.filter((red) => red < 100).length
    assert.ok(dark > FRAMES_A_SECOND && dark < reds.length - FRAMES_A_SECOND, `${dark} pictures of the second source`)
    assert.deepEqual(lab.violations, [])
  })
}
