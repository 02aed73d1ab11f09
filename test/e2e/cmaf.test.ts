import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { runTool } from '../lab/media.ts'
import { decodedHashes, filesOf, findingsOf, packTs, unpackCmaf } from '../lab/cmaf.ts'

/** Transport stream to fragmented MP4 and back, judged by what ffmpeg decodes. */
const SECONDS = 6
const PICTURE = ['-f', 'lavfi', '-i', `testsrc2=size=320x180:rate=25:duration=${SECONDS}`]
const SOUND = ['-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=48000:duration=${SECONDS}`]
const BOTH = [...PICTURE, ...SOUND, '-pix_fmt', 'yuv420p']
const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '25']
const FRAGMENTED = ['-f', 'mp4', '-movflags', 'frag_keyframe+empty_moov+delay_moov+default_base_moof']

interface Case {
  readonly name: string
  readonly args: readonly string[]
  readonly codecs: string
}

const cases: readonly Case[] = [
  {
    name: 'H.264 with B-frames and slices, open groups; AAC',
    args: [...BOTH, '-c:v', 'libx264', '-bf', '3', '-x264-params', 'open-gop=1:keyint=25:slices=4', '-c:a', 'aac'],
    codecs: 'avc1.64000c,mp4a.40.2',
  },
  {
    name: 'interlaced H.264; AC-3 of 44.1 kHz',
    args: [...BOTH, '-c:v', 'libx264', '-flags', '+ilme+ildct', '-x264-params', 'tff=1', '-c:a', 'ac3', '-ar', '44100'],
    codecs: 'avc1.640015,ac-3',
  },
  {
    name: 'HEVC; E-AC-3',
    args: [
      ...BOTH,
      '-c:v',
      'libx265',
      '-preset',
      'ultrafast',
      '-x265-params',
      'log-level=none:keyint=25',
      '-c:a',
      'eac3',
    ],
    codecs: 'hvc1.1.6.L60.90,ec-3',
  },
  {
    name: 'MPEG-2 video; MP2',
    args: [...BOTH, '-c:v', 'mpeg2video', '-bf', '2', '-c:a', 'mp2'],
    codecs: 'mp4v.61,mp4a.6B',
  },
  { name: 'H.264; MP3', args: [...BOTH, ...X264, '-c:a', 'libmp3lame'], codecs: 'avc1.42c00c,mp4a.6B' },
  { name: 'AAC of 44.1 kHz alone', args: [...SOUND, '-c:a', 'aac', '-ar', '44100', '-ac', '2'], codecs: 'mp4a.40.2' },
]

let directory = ''
before(async () => void (directory = await mkdtemp(join(tmpdir(), 'holdfast-cmaf-'))))
after(async () => await rm(directory, { recursive: true, force: true }))

const at = (name: string) => join(directory, name)

async function ffmpeg(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await runTool('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args])
  assert.equal(code, 0, stderr)
}

async function saved(name: string, bytes: Buffer): Promise<string> {
  await writeFile(at(name), bytes)
  return at(name)
}

for (const [index, { name, args, codecs }] of cases.entries()) {
  test(`${name}: to CMAF and back, every picture and sample is the same`, async () => {
    const source = at(`${index}.ts`)
    await ffmpeg(...args, '-f', 'mpegts', source)
    const isAac = codecs.includes('mp4a.40')
    await ffmpeg(
      '-i',
      source,
      '-c',
      'copy',
      ...(isAac ? ['-bsf:a', 'aac_adtstoasc'] : []),
      ...FRAGMENTED,
      at(`${index}.mp4`),
    )
    const expected = await decodedHashes(source)
    // Of MP2 in MP4 ffmpeg chooses another decoder than in MPEG-TS.
    const expectedInMp4 = await decodedHashes(at(`${index}.mp4`))

    const fragments = packTs(await readFile(source))
    assert.equal(fragments[0]?.init.codecs, codecs)
    const [file, ...others] = filesOf(fragments)
    assert.ok(file !== undefined && others.length === 0)
    const packed = await decodedHashes(await saved(`${index}.packed.mp4`, file))
    assert.deepEqual(packed.pictures, expected.pictures)
    assert.equal(packed.sound, expectedInMp4.sound)

    for (const [from, bytes] of [
      ['ours', file],
      ['ffmpeg', await readFile(at(`${index}.mp4`))],
    ] as const) {
      const { ts, demuxer } = unpackCmaf([[bytes]], 997)
      assert.deepEqual(demuxer.leftOut, [])
      assert.deepEqual(findingsOf(ts), [], `the transport stream out of the MP4 of ${from}`)
      assert.deepEqual(await decodedHashes(await saved(`${index}.${from}.ts`, ts)), expected)
    }
  })
}

test('every segment decodes by itself, from its first picture on', async () => {
  const source = at('segments.ts')
  await ffmpeg(...BOTH, ...X264, '-bf', '2', '-c:a', 'aac', '-f', 'mpegts', source)
  const fragments = packTs(await readFile(source), { partS: 0.3, segmentS: 1 })
  const starts = fragments.flatMap(({ isIndependent }, index) => (isIndependent ? [index] : []))
  assert.equal(starts.length, SECONDS)
  for (const [index, start] of starts.entries()) {
    const segment = fragments.slice(start, starts[index + 1])
    assert.equal(
      segment.reduce((sum, { durationS }) => sum + durationS, 0),
      1,
    )
    const [file = Buffer.alloc(0)] = filesOf(segment)
    const { pictures } = await decodedHashes(await saved('segment.mp4', file))
    assert.equal(pictures.length, 25)
  }
  for (const [index, { startDts90k, durationS }] of fragments.entries()) {
    const next = fragments[index + 1]
    if (next !== undefined) assert.equal(next.startDts90k, startDts90k + Math.round(durationS * 90_000))
  }
})

test('an HLS source with sound in a playlist of its own becomes one transport stream in step', async () => {
  const streams = 'v:0,agroup:a a:0,agroup:a'
  const hls = ['-f', 'hls', '-hls_time', '2', '-hls_segment_type', 'fmp4', '-hls_list_size', '0']
  const names = ['-hls_segment_filename', at('r%v-%03d.m4s'), '-hls_fmp4_init_filename', 'r%v-init.mp4']
  await ffmpeg(
    ...BOTH,
    ...X264,
    '-bf',
    '2',
    '-c:a',
    'aac',
    ...hls,
    ...names,
    '-var_stream_map',
    streams,
    at('r%v.m3u8'),
  )
  const files = await readdir(directory)
  const groups = [0, 1].map((group) =>
    files.filter((file) => new RegExp(`^r${group}-\\d+\\.m4s$`).test(file)).toSorted(),
  )
  assert.ok(groups.every(({ length }) => length >= 3))
  const load = async (names: readonly string[]) =>
    await Promise.all(names.map(async (file) => await readFile(at(file))))
  const inputs = await Promise.all(groups.map(async (names, group) => await load([`r${group}-init.mp4`, ...names])))
  const { ts } = unpackCmaf(inputs)
  assert.deepEqual(findingsOf(ts), [])
  const merged = await decodedHashes(await saved('merged.ts', ts))
  assert.equal(merged.pictures.length, SECONDS * 25)
  const starts = await runTool('ffprobe', [
    '-v',
    'error',
    '-show_entries',
    'stream=start_time',
    '-of',
    'csv=p=0',
    at('merged.ts'),
  ])
  const [video = 0, audio = 0] = [
    ...new Set(
      starts.stdout
        .trim()
        .split('\n')
        .filter((line) => line !== ''),
    ),
  ].map(Number)
  // The encoder's priming, 1,024 samples, is before the first picture.
  assert.ok(Math.abs(video - audio - 1_024 / 48_000) < 0.002, `video at ${video} s, audio at ${audio} s`)
})

test('another codec in mid-stream makes another initialisation segment, and nothing is lost', async () => {
  await ffmpeg(...BOTH, ...X264, '-c:a', 'aac', ...FRAGMENTED, at('first.mp4'))
  const later = ['-output_ts_offset', `${SECONDS}`]
  const hevc = ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none:keyint=25']
  await ffmpeg(...BOTH, ...hevc, '-c:a', 'ac3', ...later, ...FRAGMENTED, at('second.mp4'))
  const { ts } = unpackCmaf([[await readFile(at('first.mp4')), await readFile(at('second.mp4'))]])
  const fragments = packTs(ts)
  const files = filesOf(fragments)
  assert.deepEqual(
    [...new Set(fragments.map(({ init }) => init.codecs))],
    ['avc1.42c00c,mp4a.40.2', 'hvc1.1.6.L60.90,ac-3'],
  )
  for (const [index, name] of ['first.mp4', 'second.mp4'].entries()) {
    const { pictures } = await decodedHashes(await saved('changed.mp4', files[index] ?? Buffer.alloc(0)))
    const source = await decodedHashes(at(name))
    assert.deepEqual(pictures, source.pictures)
  }
})
