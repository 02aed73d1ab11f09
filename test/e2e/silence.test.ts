import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import type { Codec } from '../../src/mpegts/elementary-stream.ts'
import { AUDIO_HEADER_BYTES, readAudioFrame } from '../../src/mpegts/splice/audio-frame.ts'
import { silentSoundLike } from '../../src/mpegts/splice/silence/silent-sound.ts'

/** Silent frames among those of real encoders: the decoder has nothing to say, and gives exactly as many zeros. */
const run = promisify(execFile)
const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0
const SILENT_FRAMES = 50
const SOUND_SECONDS = 1
const TOOL_TIMEOUT_MS = 60_000
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024
/** Check words are looked at, and what is wrong is an error. */
const CHECKS = 'crccheck+bitstream+buffer+explode'

interface Sound {
  readonly name: string
  readonly codec: Codec
  /** ffmpeg's names of the encoder with its options, and of the container of bare frames. */
  readonly encoder: readonly string[]
  readonly format: 'adts' | 'mp2' | 'mp3' | 'ac3' | 'eac3'
  readonly rateHz: number
  readonly channels: number
  readonly layout?: string
  readonly frameSamples: number
}

const aac = { codec: 'aac', encoder: ['aac'], format: 'adts', frameSamples: 1_024 } as const
const mp2 = { codec: 'mp2', format: 'mp2', frameSamples: 1_152 } as const
const mp3 = { codec: 'mp2', format: 'mp3', frameSamples: 1_152 } as const
const ac3 = { codec: 'ac3', format: 'ac3', frameSamples: 1_536 } as const
const eac3 = { codec: 'eac3', format: 'eac3', frameSamples: 1_536 } as const
const dolby = ['-b:a', '384k', '-dialnorm', '-23']
const layouts = [
  ['mono', 1],
  ['stereo', 2],
  ['3.0', 3],
  ['3.0(back)', 3],
  ['4.0', 4],
  ['quad', 4],
  ['5.0', 5],
  ['5.1', 6],
  ['2.1', 3],
] as const

const sounds: readonly Sound[] = [
  { ...aac, name: 'AAC, mono', rateHz: 48_000, channels: 1 },
  { ...aac, name: 'AAC, stereo', rateHz: 48_000, channels: 2 },
  { ...aac, name: 'AAC, stereo, 44.1 kHz', rateHz: 44_100, channels: 2 },
  { ...aac, name: 'AAC, stereo, 24 kHz', rateHz: 24_000, channels: 2 },
  { ...aac, name: 'AAC, 3.0', rateHz: 48_000, channels: 3, layout: '3.0' },
  { ...aac, name: 'AAC, 4.0', rateHz: 48_000, channels: 4, layout: '4.0' },
  { ...aac, name: 'AAC, 5.0', rateHz: 48_000, channels: 5, layout: '5.0' },
  { ...aac, name: 'AAC, 5.1', rateHz: 48_000, channels: 6, layout: '5.1' },
  { ...mp2, name: 'MP2, stereo', encoder: ['mp2', '-b:a', '192k'], rateHz: 48_000, channels: 2 },
  { ...mp2, name: 'MP2, mono', encoder: ['mp2', '-b:a', '64k'], rateHz: 48_000, channels: 1 },
  { ...mp2, name: 'MP2, stereo, 44.1 kHz', encoder: ['mp2', '-b:a', '192k'], rateHz: 44_100, channels: 2 },
  { ...mp2, name: 'MP2, stereo, 32 kHz', encoder: ['mp2', '-b:a', '256k'], rateHz: 32_000, channels: 2 },
  { ...mp2, name: 'MP2, stereo, 24 kHz', encoder: ['mp2', '-b:a', '64k'], rateHz: 24_000, channels: 2 },
  ...(
    [
      ['stereo', '192k', 48_000],
      ['stereo', '64k', 48_000],
      ['stereo', '64k', 32_000],
      ['stereo', '128k', 44_100],
      ['stereo', '384k', 44_100],
      ['joint_stereo', '128k', 48_000],
      ['joint_stereo', '64k', 24_000],
    ] as const
  ).map(([mode, rate, rateHz]) => ({
    ...mp2,
    name: `MP2 with check words, ${mode}, ${rate}, ${rateHz} Hz`,
    encoder: ['libtwolame', '-b:a', rate, '-mode', mode, '-error_protection', '1'],
    rateHz,
    channels: 2,
  })),
  { ...mp3, name: 'MP3, stereo', encoder: ['libmp3lame', '-b:a', '128k'], rateHz: 44_100, channels: 2 },
  { ...mp3, name: 'MP3, mono', encoder: ['libmp3lame', '-b:a', '64k'], rateHz: 48_000, channels: 1 },
  {
    ...mp3,
    name: 'MP3, stereo, 22.05 kHz',
    encoder: ['libmp3lame', '-b:a', '64k'],
    ...{ rateHz: 22_050, channels: 2, frameSamples: 576 },
  },
  ...layouts.flatMap(([layout, channels]) => [
    { ...ac3, ...{ name: `AC-3, ${layout}`, encoder: ['ac3', ...dolby], rateHz: 48_000, channels, layout } },
    { ...eac3, ...{ name: `E-AC-3, ${layout}`, encoder: ['eac3', ...dolby], rateHz: 48_000, channels, layout } },
  ]),
  { ...eac3, name: 'E-AC-3, stereo, 44.1 kHz', encoder: ['eac3', '-b:a', '192k'], rateHz: 44_100, channels: 2 },
  { ...ac3, name: 'AC-3, stereo, 44.1 kHz', encoder: ['ac3', '-b:a', '192k'], rateHz: 44_100, channels: 2 },
  { ...ac3, name: 'AC-3, stereo, 32 kHz', encoder: ['ac3', '-b:a', '96k'], rateHz: 32_000, channels: 2 },
]

describe('silence among sound', { skip: hasFfmpeg ? false : 'ffmpeg is not installed' }, () => {
  let directory = ''
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-silence-'))
  })
  after(() => rm(directory, { recursive: true, force: true }))

  for (const sound of sounds) {
    test(`is decoded without a word: ${sound.name}`, async () => {
      const frames = await encode(sound, join(directory, 'sound'))
      const last = frames.at(-1) ?? Buffer.alloc(0)
      const silent = silentSoundLike(sound.codec, last.subarray(0, AUDIO_HEADER_BYTES))
      assert.ok(silent !== undefined)
      assert.equal(silent.frameTicks, (sound.frameSamples * 90_000) / sound.rateHz)
      const silence = Array.from({ length: SILENT_FRAMES }, () => silent.next())
      const whole = await decode(sound, Buffer.concat([...frames, ...silence, ...frames]))
      assert.equal(whole.warnings, '')
      const frameBytes = sound.frameSamples * sound.channels * 2
      const without = await decode(sound, Buffer.concat([...frames, ...frames]))
      assert.equal(whole.samples.length, without.samples.length + SILENT_FRAMES * frameBytes)
      const quiet = await decode(sound, Buffer.concat(silence))
      assert.equal(quiet.warnings, '')
      assert.equal(quiet.samples.length, SILENT_FRAMES * frameBytes)
      assert.ok(
        quiet.samples.every((byte) => byte === 0),
        'every sample is zero',
      )
      assertRate(sound, frames, silence)
    })
  }
})

const sevenOne: Sound = { ...aac, name: '7.1', rateHz: 48_000, channels: 8 }

test(
  'AAC of eight channels, which ffmpeg tells in another way than the header does',
  { skip: !hasFfmpeg },
  async () => {
    const header = Buffer.from([0xff, 0xf1, 0x4d, 0xc0, 0x01, 0x1f, 0xfc, 0x21])
    const silent = silentSoundLike('aac', header)
    assert.ok(silent !== undefined)
    const quiet = await decode(sevenOne, Buffer.concat(Array.from({ length: SILENT_FRAMES }, () => silent.next())))
    assert.equal(quiet.warnings, '')
    assert.equal(quiet.samples.length, SILENT_FRAMES * sevenOne.frameSamples * sevenOne.channels * 2)
    assert.ok(quiet.samples.every((byte) => byte === 0))
  },
)

/** The frames of a second of sound. */
async function encode(sound: Sound, path: string): Promise<readonly Buffer[]> {
  const { codec, encoder, format, rateHz, channels, layout } = sound
  const [name = '', ...options] = encoder
  const shape = layout === undefined ? ['-ac', `${channels}`] : ['-af', `aformat=channel_layouts=${layout}`]
  const input = ['-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=${rateHz}:duration=${SOUND_SECONDS}`]
  const bare = format === 'mp3' ? ['-write_xing', '0', '-id3v2_version', '0'] : []
  await ffmpeg([...input, ...shape, '-ar', `${rateHz}`, '-c:a', name, ...options, ...bare, '-f', format, '-y', path])
  const bytes = await readFile(path)
  const frames: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    const frame = readAudioFrame(codec, bytes, at)
    assert.ok(frame !== undefined, `frame ${frames.length} of what ffmpeg encoded`)
    frames.push(bytes.subarray(at, at + frame.bytes))
    at += frame.bytes
  }
  return frames
}

async function decode(
  { format }: Sound,
  bytes: Buffer,
): Promise<{ readonly warnings: string; readonly samples: Buffer }> {
  const input = format === 'adts' ? 'aac' : format === 'mp2' ? 'mp3' : format
  // From a pipe: of a file, ffmpeg warns that it only estimates the duration.
  const decoding = ffmpeg(['-err_detect', CHECKS, '-f', input, '-i', 'pipe:0', '-f', 's16le', '-'], 'warning')
  decoding.child.stdin?.end(bytes)
  const { stdout, stderr } = await decoding
  return { warnings: stderr.toString().trim(), samples: stdout }
}

function ffmpeg(args: readonly string[], level = 'error') {
  const options = { timeout: TOOL_TIMEOUT_MS, encoding: 'buffer', maxBuffer: OUTPUT_BYTES_MAX } as const
  return run('ffmpeg', ['-v', level, ...args], options)
}

/** Where the encoder keeps a bit rate, silence keeps it too. */
function assertRate({ format }: Sound, frames: readonly Buffer[], silence: readonly Buffer[]): void {
  if (format === 'adts') return
  const mean = (all: readonly Buffer[]) => all.reduce((sum, { length }) => sum + length, 0) / all.length
  assert.ok(Math.abs(mean(silence) - mean(frames)) < 1, `${mean(silence)} bytes a frame instead of ${mean(frames)}`)
}
