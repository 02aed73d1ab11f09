import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { PACKET_BYTES } from '../../src/mpegts/packet.ts'
import { Splicer } from '../../src/mpegts/splice/splicer.ts'
import { cutAt, dtsSteps, framesBetween, judgeSeams, makeOracleSource } from '../lab/seam-oracle.ts'
import type { OracleSource } from '../lab/seam-oracle.ts'

/**
 * The oracle of the seam: real encodings, cut at any packet and joined at any key picture, must leave ffmpeg with nothing
 * to say. The same parts put together without the splice show that it can fail.
 */
const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0 && spawnSync('ffprobe', ['-version']).status === 0
const SECONDS = 5
const CHUNK_BYTES = 37 * PACKET_BYTES
/** PTS counts 2^33 / 90 kHz = 95443.7 s. */
const BEFORE_WRAP_SECONDS = 95_440

const encodings = {
  h264: ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-g', '25', '-c:a', 'aac'],
  'h264 without B': ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '0', '-g', '25', '-c:a', 'aac'],
  'h264 pyramid': ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '3', '-b_strategy', '0', '-g', '25', '-c:a', 'aac'],
  hevc: ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none:keyint=25', '-c:a', 'mp2'],
  'hevc open GOP': [
    ...['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params'],
    'log-level=none:keyint=24:min-keyint=24:bframes=3:b-adapt=0:scenecut=0:open-gop=1',
    ...['-c:a', 'mp2'],
  ],
  mpeg2: ['-c:v', 'mpeg2video', '-bf', '2', '-g', '12', '-b:v', '1M', '-c:a', 'ac3'],
} as const

interface SourceOptions {
  readonly encoding: keyof typeof encodings | 'audio only'
  readonly fps?: number
  readonly startSeconds?: number
  readonly firstPid?: number
  readonly muxDelay?: number
}

interface PartOptions extends SourceOptions {
  /** Which key picture it is joined at, and the share of the source's bytes at which it ends. */
  readonly key: number
  readonly until: number
}

interface Case {
  readonly name: string
  readonly parts: readonly PartOptions[]
  /** The longest step of video DTS, in frames of the slower source. */
  readonly stepFramesMax?: number
}

const far = { startSeconds: 40_000, firstPid: 0x300 }
const cases: readonly Case[] = [
  { name: 'same PIDs', parts: seam({ encoding: 'h264' }, { encoding: 'h264', startSeconds: 4_990 }) },
  { name: 'other PIDs, hours apart', parts: seam({ encoding: 'h264' }, { encoding: 'h264', ...far }) },
  {
    name: 'PTS wraps in the seam',
    parts: seam({ encoding: 'h264', startSeconds: BEFORE_WRAP_SECONDS }, { encoding: 'h264', ...far }),
  },
  {
    name: 'PTS wraps in the next source, PCR without delay',
    parts: seam({ encoding: 'h264' }, { encoding: 'h264', startSeconds: BEFORE_WRAP_SECONDS, muxDelay: 0 }),
  },
  { name: '25 to 50 fps', parts: seam({ encoding: 'h264' }, { encoding: 'h264', fps: 50, ...far }) },
  { name: '50 to 25 fps', parts: seam({ encoding: 'h264', fps: 50 }, { encoding: 'h264', ...far }) },
  { name: 'B pictures to none', parts: seam({ encoding: 'h264' }, { encoding: 'h264 without B', ...far }) },
  {
    name: 'none to a pyramid of B pictures',
    parts: seam({ encoding: 'h264 without B' }, { encoding: 'h264 pyramid' }),
    // What ffprobe calls the DTS of pictures that have none is the PTS of the picture before.
    stepFramesMax: 2,
  },
  { name: 'HEVC and MP2', parts: seam({ encoding: 'hevc' }, { encoding: 'hevc', ...far }) },
  { name: 'HEVC, open GOP', parts: seam({ encoding: 'hevc open GOP' }, { encoding: 'hevc open GOP', ...far }) },
  { name: 'MPEG-2 and AC-3, open GOP', parts: seam({ encoding: 'mpeg2' }, { encoding: 'mpeg2', ...far }) },
  { name: 'audio only', parts: seam({ encoding: 'audio only' }, { encoding: 'audio only', ...far }) },
  {
    name: 'three seams in a row',
    parts: [
      { encoding: 'h264', key: 0, until: 0.43 },
      { encoding: 'h264', fps: 50, key: 2, until: 0.8, ...far },
      { encoding: 'h264', key: 1, until: 0.77 },
      { encoding: 'h264 pyramid', key: 2, until: 1 },
    ],
  },
]

function seam(first: SourceOptions, second: SourceOptions): readonly PartOptions[] {
  return [
    { ...first, key: 0, until: 0.61 },
    { ...second, key: 2, until: 1 },
  ]
}

describe('the seam oracle', { skip: hasFfmpeg ? false : 'ffmpeg and ffprobe are not installed' }, () => {
  let directory = ''
  const sources = new Map<string, OracleSource>()

  before(async () => {
    directory = await mkdtemp(joinPath(tmpdir(), 'holdfast-seam-'))
  })
  after(() => rm(directory, { recursive: true, force: true }))

  const sourceOf = (options: SourceOptions) => makeSource(directory, sources, options)

  for (const { name, parts, stepFramesMax = 1.5 } of cases) {
    it(`is silent over a seam: ${name}`, async () => {
      const splicer = new Splicer()
      const output: Buffer[] = []
      const sink = { packets: (data: Buffer) => void output.push(Buffer.from(data)) }
      let [certain, possible] = [0, 0]
      for (const part of parts) {
        const source = await sourceOf(part)
        const from = source.joinOffsets[part.key] ?? 0
        const to = cutAt(source, part.until)
        pushAll(splicer, source, from, to, sink)
        const frames = framesBetween(source, from, to)
        certain += frames.certain
        possible += frames.possible
      }
      splicer.cut(sink)
      const path = joinPath(directory, 'spliced.ts')
      await writeFile(path, Buffer.concat(output))
      const verdict = await judgeSeams(path)
      assert.deepEqual(verdict.warnings, [])
      assert.equal(verdict.continuityErrors, 0)
      const frameTicks = 90_000 / Math.min(...parts.map(({ fps = 25 }) => fps))
      for (const step of dtsSteps(verdict.packets, 'video'))
        assert.ok(step > 0 && step <= stepFramesMax * frameTicks, `${step}`)
      for (const step of dtsSteps(verdict.packets, 'audio')) assert.ok(step > 0, `audio step ${step}`)
      const frames = verdict.packets.filter(({ kind }) => kind === 'video').length
      assert.ok(frames >= certain && frames <= possible, `${frames} frames, expected ${certain} to ${possible}`)
      if (parts.every(({ encoding }) => encoding !== 'audio only')) assert.equal(verdict.decodedFrames, frames)
      assert.equal(splicer.facts.seam?.kind, 'seamless')
    })
  }

  it('speaks up when the parts are only put together', async () => {
    for (const { name, parts } of cases) {
      const output: Buffer[] = []
      for (const part of parts) {
        const source = await sourceOf(part)
        // In the middle of a group, as a proxy does that passes what arrives.
        const from = part.key === 0 ? 0 : cutAt(source, 0.3)
        output.push(source.bytes.subarray(from, cutAt(source, part.until)))
      }
      const path = joinPath(directory, 'naive.ts')
      await writeFile(path, Buffer.concat(output))
      const verdict = await judgeSeams(path)
      const isStepped = [...dtsSteps(verdict.packets, 'video'), ...dtsSteps(verdict.packets, 'audio')].some(
        (step) => !(step > 0 && step < 90_000),
      )
      assert.ok(verdict.warnings.length > 0 || verdict.continuityErrors > 0 || isStepped, name)
    }
  })
})

/** Encodes a source, once for all cases that use it. */
async function makeSource(
  directory: string,
  sources: Map<string, OracleSource>,
  options: SourceOptions,
): Promise<OracleSource> {
  const { encoding, fps = 25, startSeconds = 0, firstPid = 0x100, muxDelay = 0.7 } = options
  const key = JSON.stringify([encoding, fps, startSeconds, firstPid, muxDelay])
  const known = sources.get(key)
  if (known !== undefined) return known
  const toneHz = 400 + sources.size * 50
  const audio = ['-f', 'lavfi', '-i', `sine=frequency=${toneHz}:sample_rate=48000`]
  const video = ['-f', 'lavfi', '-i', `testsrc2=size=192x108:rate=${fps}`]
  const codecs = encoding === 'audio only' ? ['-c:a', 'aac'] : encodings[encoding]
  const mux = ['-mpegts_start_pid', `${firstPid}`, '-output_ts_offset', `${startSeconds}`, '-muxdelay', `${muxDelay}`]
  const inputs = encoding === 'audio only' ? audio : [...video, ...audio]
  const made = await makeOracleSource(joinPath(directory, `source-${sources.size}.ts`), [
    ...[...inputs, '-t', `${SECONDS}`, '-pix_fmt', 'yuv420p', ...codecs],
    ...mux,
  ])
  sources.set(key, made)
  return made
}

function pushAll(
  splicer: Splicer,
  source: OracleSource,
  from: number,
  to: number,
  sink: { packets(data: Buffer): void },
): void {
  splicer.begin(source.tables, sink)
  for (let at = from; at < to; at += CHUNK_BYTES) {
    const end = Math.min(at + CHUNK_BYTES, to)
    const joins = source.joinOffsets.filter((offset) => offset >= at && offset < end).map((offset) => offset - at)
    splicer.push(source.bytes.subarray(at, end), joins, sink)
  }
}
