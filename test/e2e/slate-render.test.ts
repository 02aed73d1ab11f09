import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { createSimulatedClock } from '../../src/lib/simulated-clock.ts'
import { compareSignatures, signatureOf } from '../../src/mpegts/analyser/compare-signatures.ts'
import { signatureText } from '../../src/mpegts/analyser/signature.ts'
import type { CodecSignature } from '../../src/mpegts/analyser/signature.ts'
import { Splicer } from '../../src/mpegts/splice/splicer.ts'
import type { Slate } from '../../src/streams/slate/slate.ts'
import { SlatePlayer } from '../../src/streams/slate/slate-player.ts'
import { createSlateRenderer } from '../../src/streams/slate/slate-renderer.ts'
import type { SlateOptions, SlateRenderer } from '../../src/streams/slate/slate-renderer.ts'
import { runTool } from '../lab/media.ts'
import { openProcessRoom } from '../lab/process-room.ts'
import type { ProcessRoom } from '../lab/process-room.ts'
import { cutAt, dtsSteps, judgeSeams, makeOracleSource, problemsOf } from '../lab/seam-oracle.ts'
import type { OracleSource, SeamVerdict } from '../lab/seam-oracle.ts'

const skip = (await runTool('ffmpeg', ['-version'])).code === 0 ? false : 'ffmpeg is not installed'
const SOURCE_SECONDS = 4
/** More than two loops of the card. */
const SLATE_MS = 9_500
const never = new AbortController().signal

interface Channel {
  readonly name: string
  readonly size?: string
  readonly fps?: number
  readonly encoding: readonly string[]
}

const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-g', '25']
const x265 = ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none:keyint=25']
const mpeg2 = ['-c:v', 'mpeg2video', '-bf', '2', '-g', '12', '-b:v', '2M']
const fields = ['-flags', '+ildct+ilme']

const channels: readonly Channel[] = [
  { name: 'H.264 25p and AAC', encoding: [...x264, '-c:a', 'aac', '-ac', '2'] },
  { name: 'H.264 50p and AC-3', fps: 50, encoding: [...x264, '-c:a', 'ac3', '-ac', '6'] },
  { name: 'H.264 29.97p and MP2 44.1 kHz', fps: 30_000 / 1_001, encoding: [...x264, '-c:a', 'mp2', '-ar', '44100'] },
  {
    name: 'H.264 High, interlaced, and AAC 44.1 kHz',
    size: '720x576',
    encoding: [...x264, '-preset', 'veryfast', ...fields, '-x264-params', 'tff=1', '-c:a', 'aac', '-ar', '44100'],
  },
  { name: 'HEVC and AAC', encoding: [...x265, '-c:a', 'aac'] },
  { name: 'HEVC 10 bit and MP2', encoding: [...x265, '-pix_fmt', 'yuv420p10le', '-c:a', 'mp2'] },
  { name: 'MPEG-2 interlaced and MP2', size: '720x576', encoding: [...mpeg2, ...fields, '-c:a', 'mp2'] },
  { name: 'MPEG-2 and AC-3', encoding: [...mpeg2, '-c:a', 'ac3'] },
  { name: 'MPEG-4 and MP3', encoding: ['-c:v', 'mpeg4', '-bf', '0', '-g', '25', '-c:a', 'libmp3lame'] },
  { name: 'E-AC-3 as DVB has it', encoding: [...x264, '-c:a', 'eac3', '-mpegts_flags', 'system_b'] },
  {
    name: 'sound in two languages, in AAC and AC-3',
    encoding: [
      ...['-map', '0:v', '-map', '1:a', '-map', '1:a', ...x264, '-c:a:0', 'aac', '-c:a:1', 'ac3'],
      ...['-metadata:s:a:0', 'language=deu', '-metadata:s:a:1', 'language=fra'],
    ],
  },
  { name: 'AAC alone', encoding: ['-vn', '-c:a', 'aac', '-ac', '1'] },
  { name: 'MP2 alone, 44.1 kHz', encoding: ['-vn', '-c:a', 'mp2', '-ar', '44100'] },
]

let room: ProcessRoom
let directory = ''
let renderer: SlateRenderer
before(async () => {
  room = openProcessRoom()
  directory = room.directory
  renderer = createSlateRenderer({
    ...{ directory: join(directory, 'cache'), processes: room.processes, clock: systemClock },
  })
})
after(async () => await room[Symbol.asyncDispose]())

describe('a decoder goes on from the channel into a slate of several loops and back', { skip }, () => {
  for (const channel of channels) {
    test(channel.name, async () => {
      const source = await sourceOf(channel, directory)
      const signature = knownSignature(source.bytes)
      const slate = await renderer.slateFor(signature, {}, never)
      assertSameDecoder(signature, slate)
      const path = join(directory, 'spliced.ts')
      const { output, slateFrames } = await spliceAround(source, slate)
      await writeFile(path, output)
      const verdict = await judgeSeams(path)
      assertSeamless(verdict)
      if (slateFrames > 0) assertPictures(verdict, channel.fps ?? 25)
    })
  }
})

describe("a file of the operator's becomes a slate", { skip }, () => {
  const own: readonly (readonly [name: string, input: readonly string[], loopMs: number])[] = [
    ['still.png', ['-f', 'lavfi', '-i', 'testsrc2=size=300x400', '-frames:v', '1'], 4_000],
    [
      'film.mp4',
      [...lavfi('testsrc2=size=320x240:rate=30', 'sine=frequency=330'), '-t', '2.6', '-c:v', 'libx264', '-c:a', 'aac'],
      2_600,
    ],
    ['mute.mkv', ['-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=10', '-t', '3', '-c:v', 'mpeg4'], 3_000],
  ]
  for (const [name, input, loopMs] of own) {
    test(name, async () => {
      const file = join(directory, name)
      const made = await runTool('ffmpeg', ['-v', 'error', '-y', ...input, file])
      assert.equal(made.code, 0, made.stderr)
      const source = await sourceOf({ name: 'H.264 25p and AAC', encoding: [...x264, '-c:a', 'aac'] }, directory)
      const signature = knownSignature(source.bytes)
      const slate = await renderer.slateFor(signature, { file }, never)
      assert.ok(Math.abs(slate.durationMs - loopMs) < 50, `${slate.durationMs} ms`)
      assertSameDecoder(signature, slate)
      const path = join(directory, 'own.ts')
      await writeFile(path, (await spliceAround(source, slate)).output)
      assertSeamless(await judgeSeams(path))
    })
  }
})

describe('what viewers see and hear', { skip }, () => {
  test("the sound of the operator's film can be heard", async () => {
    const file = join(directory, 'loud.mp4')
    const args = [...lavfi('testsrc2=size=320x240:rate=30', 'sine=frequency=330'), '-t', '2', '-c:v', 'libx264']
    await runTool('ffmpeg', ['-v', 'error', '-y', ...args, '-c:a', 'aac', file])
    const loudness = async (options: SlateOptions) => {
      const source = await sourceOf({ name: 'x', encoding: [...x264, '-c:a', 'aac'] }, directory)
      const path = join(directory, 'sound.ts')
      await writeFile(path, (await renderer.slateFor(knownSignature(source.bytes), options, never)).bytes)
      const { stderr } = await runTool('ffmpeg', ['-i', path, '-af', 'volumedetect', '-vn', '-f', 'null', '-'])
      return Number(/mean_volume: (\S+) dB/.exec(stderr)?.[1])
    }
    assert.ok((await loudness({ file })) > -40)
    assert.ok((await loudness({})) < -80)
  })

  test('the card moves and carries its text', async () => {
    const source = await sourceOf({ name: 'x', encoding: [...x264, '-c:a', 'aac'] }, directory)
    const signature = knownSignature(source.bytes)
    const pictures = async (text: string) => {
      const path = join(directory, 'card.ts')
      await writeFile(path, (await renderer.slateFor(signature, { text }, never)).bytes)
      const { stdout } = await runTool('ffmpeg', ['-v', 'error', '-i', path, '-an', '-f', 'framemd5', '-'])
      return stdout.split('\n').flatMap((line) => /^0,.*, *(\w+)$/.exec(line)?.[1] ?? [])
    }
    const first = await pictures('One')
    assert.ok(new Set(first).size > first.length / 2, `${new Set(first).size} pictures differ`)
    assert.notEqual(first[0], (await pictures('Two'))[0])
  })
})

function lavfi(picture: string, sound: string): readonly string[] {
  return ['-f', 'lavfi', '-i', picture, '-f', 'lavfi', '-i', sound]
}

async function sourceOf({ size = '640x360', fps = 25, encoding }: Channel, directory: string): Promise<OracleSource> {
  const inputs = lavfi(`testsrc2=size=${size}:rate=${fps}`, 'sine=frequency=440:sample_rate=48000')
  const args = [...inputs, '-t', `${SOURCE_SECONDS}`, '-pix_fmt', 'yuv420p', ...encoding]
  return await makeOracleSource(join(directory, 'source.ts'), args)
}

function knownSignature(bytes: Buffer): CodecSignature {
  const signature = signatureOf(bytes)
  assert.ok(signature !== undefined)
  return signature
}

function assertSameDecoder(signature: CodecSignature, slate: Slate): void {
  const own = knownSignature(slate.bytes)
  assert.deepEqual(compareSignatures(signature, own), [], `${signatureText(signature)} / ${signatureText(own)}`)
}

/** The source, the slate for SLATE_MS, and the source again, as a stream on air sends them to its viewers. */
async function spliceAround(
  source: OracleSource,
  slate: Slate,
): Promise<{ readonly output: Buffer; readonly slateFrames: number }> {
  const splicer = new Splicer()
  const output: Buffer[] = []
  const sink = { packets: (data: Buffer) => void output.push(Buffer.from(data)) }
  const joinAt = (share: number) => source.joinOffsets.find((offset) => offset >= cutAt(source, share)) ?? 0
  const play = (join: number, to: number) => {
    splicer.begin(source.tables, sink)
    const from = Math.max(0, join - cutAt(source, 1 / SOURCE_SECONDS))
    const joins = source.joinOffsets.filter((offset) => offset >= join && offset < to).map((offset) => offset - from)
    splicer.push(source.bytes.subarray(from, to), joins, sink)
  }
  play(joinAt(0), cutAt(source, 0.63))
  splicer.cut(sink)
  const clock = createSimulatedClock()
  let leadIn: Buffer | undefined = Buffer.alloc(0)
  const player = new SlatePlayer({
    slate,
    clock,
    listener: {
      media: (data, joinOffsets) => {
        if (leadIn === undefined) splicer.push(data, joinOffsets, sink)
        else if (joinOffsets.length === 0) leadIn = Buffer.concat([leadIn, data])
        else {
          splicer.begin(player.framer.preamble(), sink)
          const before = leadIn.length
          splicer.push(
            Buffer.concat([leadIn, data]),
            joinOffsets.map((offset) => offset + before),
            sink,
          )
          leadIn = undefined
        }
      },
    },
  })
  player.open()
  await clock.advance(SLATE_MS)
  player.close()
  play(joinAt(0.3), cutAt(source, 0.91))
  splicer.cut(sink)
  assert.equal(splicer.facts.seam?.kind, 'seamless')
  const hasVideo = slate.tracks[0]?.kind === 'video'
  return { output: Buffer.concat(output), slateFrames: hasVideo ? Math.round(SLATE_MS / 1_000) : 0 }
}

function assertSeamless({ warnings, continuityErrors, analysis, audioGaps }: SeamVerdict): void {
  assert.deepEqual(warnings, [])
  assert.equal(continuityErrors, 0)
  assert.deepEqual(problemsOf(analysis), [])
  const changes = analysis.findings.filter(({ code }) => code === 'programme_changed' || code === 'signature_changed')
  assert.deepEqual(
    changes.flatMap(({ places }) => places.map(({ detail }) => detail)),
    [],
  )
  // The probe's list of sound is of one stream; of several, the analyser tells holes and overlaps.
  if ((analysis.signature?.streams ?? []).filter(({ kind }) => kind === 'audio').length > 1) return
  assert.ok(audioGaps.overlapTicks <= 1, `sound overlaps by ${audioGaps.overlapTicks}`)
  assert.ok(audioGaps.holeTicks <= audioGaps.frameTicks, `${audioGaps.holeTicks} ticks without sound`)
}

/** Every picture of all that time is there. */
function assertPictures({ packets, decodedFrames }: SeamVerdict, fps: number): void {
  const frameTicks = 90_000 / fps
  const steps = dtsSteps(packets, 'video')
  assert.ok(Math.min(...steps) > 0, `a DTS step of ${Math.min(...steps)}`)
  assert.ok(Math.max(...steps) <= frameTicks * 1.5, `a DTS step of ${Math.max(...steps)}`)
  const frames = packets.filter(({ kind }) => kind === 'video').length
  assert.equal(decodedFrames, frames)
  assert.ok(frames >= (SLATE_MS / 1_000 + 2) * fps, `${frames} pictures`)
}
