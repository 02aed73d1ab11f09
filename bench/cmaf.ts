import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PACKET_BYTES } from '../src/mpegts/packet.ts'
import { CmafDemuxer } from '../src/streams/cmaf/cmaf-demuxer.ts'
import { CmafMuxer } from '../src/streams/cmaf/cmaf-muxer.ts'
import { encodeChannel, ffmpegCpuS, ownCpuS } from './processor-time.ts'
import { markdownTable, publish } from './report.ts'

/**
 * What it costs to package a transport stream as CMAF in parts of 0.5 s, and to make one out of CMAF again: processor seconds per GB of input,
 * beside what `ffmpeg -c copy` takes for the same in the same run. The input is H.264 with AAC of about 8 Mbit/s.
 */
const SECONDS = 60
const ROUNDS = 4
const PUSH_BYTES = 64 * 1_024 - ((64 * 1_024) % PACKET_BYTES)
const PART_TICKS = 45_000
const GIGABYTE = 1e9

interface Measured {
  readonly cpuS: number
  readonly inputBytes: number
}

function pack(ts: Buffer, take: (bytes: Buffer) => void): void {
  const muxer = new CmafMuxer()
  let initId = 0
  const drain = (isEnd: boolean) => {
    for (let nextDts = muxer.nextDts; nextDts !== undefined; nextDts = muxer.nextDts) {
      if (!isEnd && muxer.bufferedS < PART_TICKS / 90_000) return
      const fragment = muxer.take({
        untilDts: Math.min(nextDts + PART_TICKS, muxer.randomAccessDts(nextDts) ?? Infinity),
      })
      if (fragment === undefined) return
      if (fragment.init.id !== initId) take(fragment.init.bytes)
      initId = fragment.init.id
      take(fragment.bytes)
    }
  }
  for (let at = 0; at < ts.length; at += PUSH_BYTES) {
    muxer.push(ts.subarray(at, at + PUSH_BYTES))
    drain(false)
  }
  muxer.end()
  drain(true)
}

function unpack(mp4: Buffer): number {
  let bytes = 0
  const demuxer = new CmafDemuxer({ onPackets: (packets) => void (bytes += packets.length) })
  for (let at = 0; at < mp4.length; at += PUSH_BYTES) demuxer.push(0, mp4.subarray(at, at + PUSH_BYTES))
  demuxer.end()
  return bytes
}

/** The best of several rounds, so that other work on the machine counts least. */
function best(inputBytes: number, work: () => void): Measured {
  return { inputBytes, cpuS: Math.min(...Array.from({ length: ROUNDS }, () => ownCpuS(work))) }
}

async function ofFfmpeg(inputBytes: number, args: readonly string[]): Promise<Measured> {
  return { inputBytes, cpuS: await ffmpegCpuS(ROUNDS, args) }
}

const directory = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
try {
  const [source, packed] = [join(directory, 'source.ts'), join(directory, 'packed.mp4')]
  await encodeChannel(source, SECONDS)
  const ts = await readFile(source)
  const parts: Buffer[] = []
  pack(ts, (bytes) => void parts.push(bytes))
  const mp4 = Buffer.concat(parts)
  await writeFile(packed, mp4)
  if (unpack(mp4) < mp4.length) throw new Error('less came out than went in')

  const fragmented = ['-f', 'mp4', '-frag_duration', '500000', '-movflags', 'empty_moov+default_base_moof+delay_moov']
  const there = ['-i', source, '-c', 'copy', '-bsf:a', 'aac_adtstoasc', ...fragmented, join(directory, 'ffmpeg.mp4')]
  const back = ['-i', packed, '-c', 'copy', '-f', 'mpegts', join(directory, 'ffmpeg.ts')]
  const measured: readonly (readonly [what: string, ours: Measured, ffmpeg: Measured])[] = [
    ['MPEG-TS to CMAF', best(ts.length, () => pack(ts, () => undefined)), await ofFfmpeg(ts.length, there)],
    ['CMAF to MPEG-TS', best(mp4.length, () => void unpack(mp4)), await ofFfmpeg((await stat(packed)).size, back)],
  ]
  const perGigabyte = ({ cpuS, inputBytes }: Measured) => (cpuS * GIGABYTE) / inputBytes
  const rows = measured.map(([what, ours, ffmpeg]) => [
    what,
    `${perGigabyte(ours).toFixed(2)} s`,
    `${perGigabyte(ffmpeg).toFixed(2)} s`,
    (perGigabyte(ours) / perGigabyte(ffmpeg)).toFixed(2),
  ])
  const markdown = [
    `${Math.round(ts.length / 1e6)} MB of H.264 and AAC, ${SECONDS} s, parts of 0.5 s; processor time per GB of input, the best of ${ROUNDS} rounds; ffmpeg reads and writes files.`,
    '',
    markdownTable(['what', 'Holdfast', 'ffmpeg -c copy', 'ratio'], rows),
  ].join('\n')
  await publish({ name: 'cmaf', command: 'node bench/cmaf.ts', markdown }, process.argv.slice(2))
} finally {
  await rm(directory, { recursive: true, force: true })
}
