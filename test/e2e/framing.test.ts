import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { PACKET_BYTES } from '../../src/mpegts/packet.ts'
import type { Container } from '../../src/streams/framing/framing.ts'
import { sniff } from '../../src/streams/framing/sniff.ts'
import { cut } from '../../src/mpegts/testing.ts'
import { frameAll } from '../../src/streams/framing/testing.ts'
import type { Framed } from '../../src/streams/framing/testing.ts'

/**
 * Framing of streams that FFmpeg made: join points are where ffprobe sees keyframes, and what a viewer gets who begins
 * there decodes without a complaint.
 */
const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0 && spawnSync('ffprobe', ['-version']).status === 0
const skip = hasFfmpeg ? false : 'needs ffmpeg and ffprobe on the path'
const samplesDir = process.env['HOLDFAST_SAMPLES']
const SECONDS = 4
const RUN_TIMEOUT_MS = 60_000
const CHUNK_SIZES = [1_460, 65_536, 7, 188, 4_096] as const

const VIDEO = ['-f', 'lavfi', '-i', `testsrc2=size=320x180:rate=25:duration=${SECONDS}`]
const AUDIO = ['-f', 'lavfi', '-i', `sine=frequency=440:duration=${SECONDS}`]
const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '25']
const AAC = ['-c:a', 'aac']
const TS = ['-f', 'mpegts']
const X265 = ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none:pools=1:keyint=25']
const PROGRAMMES = ['-map', '0:v', '-map', '1:a', '-map', '0:v', '-map', '1:a', '-program', 'title=a:st=0:st=1']

interface Case {
  readonly name: string
  readonly arguments: readonly string[]
  readonly container: Container
  /** What ffprobe lists packets of. */
  readonly probed: 'v:0' | 'a:0'
  /** Bytes from one packet to the next in the file, for MPEG-TS. */
  readonly strideBytes?: number
  /** What a decoder may say at such a join point: pictures that refer to ones before it are part of the format. */
  readonly expectedComplaint?: RegExp
}

const ts = (
  name: string,
  args: readonly string[],
  probed: Case['probed'] = 'v:0',
  strideBytes = PACKET_BYTES,
): Case => ({
  name,
  arguments: [...args, ...TS],
  container: 'mpegts',
  probed,
  strideBytes,
})

const CASES: readonly Case[] = [
  ts('H.264 with B-frames and AAC', [...VIDEO, ...AUDIO, ...X264, '-bf', '2', ...AAC]),
  {
    ...ts('H.264 with open GOPs', [...VIDEO, ...X264, '-bf', '2', '-x264-params', 'open-gop=1']),
    expectedComplaint: /mmco: unref short failure|Last message repeated/,
  },
  ts('H.264 with intra refresh', [...VIDEO, ...X264, '-x264-params', 'intra-refresh=1']),
  ts('H.264 with AC-3', [...VIDEO, ...AUDIO, ...X264, '-c:a', 'ac3']),
  ts('HEVC', [...VIDEO, ...AUDIO, ...X265, ...AAC]),
  ts('MPEG-2 with B-frames and MP2', [...VIDEO, ...AUDIO, '-c:v', 'mpeg2video', '-bf', '2', '-g', '15', '-c:a', 'mp2']),
  ts('MPEG-4 part 2', [...VIDEO, '-c:v', 'mpeg4', '-g', '25']),
  ts('audio only', [...AUDIO, ...AAC], 'a:0'),
  ts('two programmes', [...VIDEO, ...AUDIO, ...PROGRAMMES, '-program', 'title=b:st=2:st=3', ...X264, ...AAC]),
  ts('192-byte packets', [...VIDEO, ...AUDIO, ...X264, ...AAC, '-mpegts_m2ts_mode', '1'], 'v:0', 192),
  { name: 'FLV', arguments: [...VIDEO, ...AUDIO, ...X264, ...AAC, '-f', 'flv'], container: 'flv', probed: 'v:0' },
  {
    name: 'WebM, live',
    arguments: [
      ...VIDEO,
      '-c:v',
      'libvpx',
      // Not `realtime`: that adapts to how busy the machine is.
      '-deadline',
      'good',
      '-cpu-used',
      '5',
      '-g',
      '25',
      '-f',
      'webm',
      '-live',
      '1',
    ],
    container: 'matroska',
    probed: 'v:0',
  },
  { name: 'MP3', arguments: [...AUDIO, '-c:a', 'libmp3lame', '-f', 'mp3'], container: 'mp3', probed: 'a:0' },
  { name: 'AAC', arguments: [...AUDIO, ...AAC, '-f', 'adts'], container: 'adts', probed: 'a:0' },
]

let directory = ''
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-framing-'))
})
after(() => rmSync(directory, { recursive: true, force: true }))

function make({ name, arguments: args }: Case): string {
  const file = join(directory, name.replaceAll(/\W+/g, '-'))
  const common = ['-nostdin', '-v', 'error', '-y', '-threads', '1', ...args]
  execFileSync('ffmpeg', [...common, file], { timeout: RUN_TIMEOUT_MS })
  return file
}

/** Byte positions in the file at which keyframes begin. */
function keyframePositions(file: string, probed: Case['probed']): number[] {
  const entries = ['-select_streams', probed, '-show_entries', 'packet=pos,flags', '-of', 'compact=p=0']
  const listing = execFileSync('ffprobe', ['-v', 'error', ...entries, file], { timeout: RUN_TIMEOUT_MS }).toString()
  const positions: number[] = []
  for (const [, position] of listing.matchAll(/^pos=(\d+)\|flags=K/gm)) positions.push(Number(position))
  return positions
}

/** What decoding complains about, from the join point on; a guess at the duration is no complaint. */
function complaints(file: string): string[] {
  const { stderr } = spawnSync('ffmpeg', ['-nostdin', '-v', 'warning', '-i', file, '-f', 'null', '-'], {
    timeout: RUN_TIMEOUT_MS,
  })
  return stderr
    .toString()
    .split('\n')
    .filter((line) => line !== '' && !line.includes('Estimating duration'))
}

function assertJoinsDecode({ name, expectedComplaint }: Case, { joins, output }: Framed): void {
  const picked = [joins[1], joins[Math.floor(joins.length / 2)], joins.at(-2)]
  for (const point of new Set(picked)) {
    if (point === undefined) continue
    const file = join(directory, `joined-${name.replaceAll(/\W+/g, '-')}-${point.at}`)
    writeFileSync(file, Buffer.concat([point.preamble, output.subarray(point.at)]))
    const unexpected = complaints(file).filter((line) => expectedComplaint?.test(line) !== true)
    assert.deepEqual(unexpected, [], `joined at ${point.at}`)
  }
}

for (const item of CASES) {
  test(`${item.name}: a viewer begins where ffprobe sees keyframes, and decodes without a complaint`, { skip }, () => {
    const file = make(item)
    const bytes = readFileSync(file)
    assert.equal(sniff(bytes.subarray(0, 4_096), '').container, item.container)
    const framed = frameAll(item.container, [bytes])
    for (const size of CHUNK_SIZES) {
      const inPieces = frameAll(item.container, cut(bytes, [size]))
      assert.ok(inPieces.output.equals(framed.output), `chunks of ${size}`)
      if (item.container !== 'mp3' && item.container !== 'adts') assert.deepEqual(inPieces.joins, framed.joins)
    }
    assert.equal(framed.framer.mediaSeen, true)
    const { skippedBytes, continuityErrors, transportErrors } = framed.framer.counters
    assert.deepEqual([skippedBytes, continuityErrors, transportErrors], [0, 0, 0])
    assert.ok(item.container === 'matroska' || framed.framer.mediaMs !== undefined)
    const isNear = Math.abs((framed.framer.mediaMs ?? 0) - SECONDS * 1_000) < 300
    assert.ok(isNear, `media time ${framed.framer.mediaMs} ms`)
    const joins = framed.joins.map(({ at }) => at)
    const keyframes = keyframePositions(file, item.probed)
    if (item.strideBytes !== undefined) {
      const stride = item.strideBytes
      const positions = keyframes.map((position) => Math.floor(position / stride) * PACKET_BYTES)
      assert.deepEqual(joins, positions)
    } else assert.ok(joins.length >= SECONDS && joins.length <= keyframes.length)
    assertJoinsDecode(item, framed)
  })
}

test('H.264 and HEVC keyframes are found without the random access flag', { skip }, () => {
  for (const item of CASES.filter(({ name }) => /^(H\.264 with|HEVC|MPEG-2)/.test(name))) {
    const file = make(item)
    const bytes = readFileSync(file)
    const expected = frameAll('mpegts', [bytes]).joins.map(({ at }) => at)
    for (let at = 0; at < bytes.length; at += PACKET_BYTES) {
      if (((bytes[at + 3] ?? 0) & 0x20) !== 0 && (bytes[at + 4] ?? 0) > 0) bytes[at + 5] = (bytes[at + 5] ?? 0) & ~0x40
    }
    assert.deepEqual(
      frameAll('mpegts', [bytes]).joins.map(({ at }) => at),
      expected,
      item.name,
    )
  }
})

test(
  'captures of other encoders: join points are where ffprobe sees keyframes behind the first tables',
  {
    skip: skip || (samplesDir === undefined ? 'set HOLDFAST_SAMPLES to a folder of .ts files' : false),
  },
  () => {
    const folder = samplesDir ?? ''
    for (const name of readdirSync(folder).filter((entry) => entry.endsWith('.ts'))) {
      const bytes = readFileSync(join(folder, name))
      const { joins, output } = frameAll('mpegts', cut(bytes, [1_460]))
      const first = joins[0]?.at
      if (first === undefined) continue
      assert.ok(output.equals(bytes), name)
      const keyframes = keyframePositions(join(folder, name), 'v:0').filter((position) => position >= first)
      assert.deepEqual(
        joins.map(({ at }) => at),
        keyframes,
        name,
      )
    }
  },
)
