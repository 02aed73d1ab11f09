import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { attributeText } from '../../src/hls/attribute-list.ts'
import { parsePlaylist } from '../../src/hls/parse-playlist.ts'
import { PlaylistRules } from '../../src/hls/rules.ts'
import { describeViolations } from '../../src/hls/violation.ts'
import { createSimulatedClock } from '../../src/lib/simulated-clock.ts'
import { CmafMuxer } from '../../src/streams/cmaf/cmaf-muxer.ts'
import { TS_PACKET_BYTES } from '../lab/marker.ts'
import { runTool } from '../lab/media.ts'
import { PackagedStream, SplicedStream } from '../lab/packaged-stream.ts'
import type { TsLoop } from '../lab/ts-loop.ts'

const SECONDS = 26
const limits = { startTimeoutMs: 60_000 }

interface Case {
  readonly name: string
  readonly args: readonly string[]
  readonly codecs: RegExp
  readonly segmentS: number
  readonly targetDurationS: number
}

const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-sc_threshold', '0']
const CASES: readonly Case[] = [
  {
    name: 'HEVC with AC-3',
    args: ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=error:keyint=50', '-c:a', 'ac3'],
    ...{ codecs: /^hvc1\.1\.6\.L\d+\.90,ac-3$/, segmentS: 4, targetDurationS: 5 },
  },
  {
    name: 'sound only',
    args: ['-vn', '-c:a', 'aac'],
    ...{ codecs: /^mp4a\.40\.2$/, segmentS: 4, targetDurationS: 5 },
  },
  {
    name: 'H.264 with a keyframe every 11 s',
    args: [...X264, '-g', '275', '-bf', '3', '-c:a', 'aac'],
    ...{ codecs: /^avc1\.4d40..,mp4a\.40\.2$/, segmentS: 11, targetDurationS: 14 },
  },
  {
    name: 'H.264 of ten pictures a second with MP3',
    args: ['-r', '10', ...X264, '-g', '20', '-c:a', 'libmp3lame'],
    ...{ codecs: /^avc1\.42c0..,mp4a\.6B$/, segmentS: 4, targetDurationS: 5 },
  },
]

/** A file as if it arrived evenly. */
async function fileAsLoop(args: readonly string[]): Promise<TsLoop> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-codecs-'))
  try {
    const path = join(directory, 'source.ts')
    const picture = ['-f', 'lavfi', '-i', `testsrc2=size=192x108:rate=25:duration=${SECONDS}`]
    const sound = ['-f', 'lavfi', '-i', `sine=sample_rate=48000:duration=${SECONDS}`]
    const made = await runTool('ffmpeg', ['-v', 'error', '-y', ...picture, ...sound, ...args, '-f', 'mpegts', path])
    assert.equal(made.code, 0, made.stderr)
    const bytes = await readFile(path)
    const packetCount = Math.floor(bytes.length / TS_PACKET_BYTES)
    const durationMs = SECONDS * 1_000
    const dueMs = Float64Array.from({ length: packetCount }, (_, index) => (index * durationMs) / packetCount)
    return { packetCount, durationMs, dueMs, entries: [], render: () => bytes }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

describe('a live stream as HLS, whatever it carries:', () => {
  for (const { name, args, codecs, segmentS, targetDurationS } of CASES) {
    it(name, async () => {
      const loop = await fileAsLoop(args)
      const clock = createSimulatedClock()
      const stream = new SplicedStream(clock)
      await using hls = await PackagedStream.start({ clock, stream, createMuxer: () => new CmafMuxer(), limits })
      const master = hls.get('master.m3u8')
      const paths = ['playlist.m3u8', 'cmaf/playlist.m3u8']
      const rules = new Map(paths.map((path) => [path, new PlaylistRules()]))
      const state = { isOver: false }
      const playing = stream.play(loop, SECONDS - 0.1, 100).finally(() => {
        state.isOver = true
      })
      await master
      do {
        for (const [path, rule] of rules) {
          const { text } = await hls.get(path)
          assert.equal(describeViolations(rule.pushText(text, clock.nowMs())), '', text)
        }
      } while (!state.isOver)
      await playing
      for (const path of paths) {
        const playlist = parsePlaylist((await hls.get(path)).text)
        assert.ok(playlist.kind === 'media')
        assert.equal(playlist.targetDurationS, targetDurationS)
        assert.ok(playlist.isIndependentSegments)
        assert.ok(playlist.segments.every(({ isGap, isDiscontinuity }) => !isGap && !isDiscontinuity))
        assert.ok(Math.abs((playlist.segments.at(-1)?.durationS ?? 0) - segmentS) < 0.2)
      }
      const variants = parsePlaylist((await master).text)
      assert.ok(variants.kind === 'master')
      for (const { attributes } of variants.variants) assert.match(attributeText(attributes, 'CODECS') ?? '', codecs)
    })
  }
})
