import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { createAnalyser } from '../../src/mpegts/analyser/analyser.ts'
import type { AnalyserReport } from '../../src/mpegts/analyser/report.ts'
import { indexWhole } from '../../src/mpegts/index-whole.ts'
import { PACKET_BYTES } from '../../src/mpegts/packet.ts'

/** What ffmpeg, ffprobe and the analyser say about a transport stream with seams; nothing of it is taken from the splice. */
const run = promisify(execFile)
const TOOL_TIMEOUT_MS = 60_000
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024
const TIMESTAMP_MODULUS = 2 ** 33

export interface ProbedPacket {
  readonly kind: 'video' | 'audio'
  readonly pts: number
  readonly dts: number
  /** 90 kHz ticks; not a number where ffprobe does not know it. */
  readonly duration: number
  /** Offset of the packet that begins it. */
  readonly at: number
}

export interface SeamVerdict {
  /** Lines of `ffmpeg -v warning`. */
  readonly warnings: readonly string[]
  readonly continuityErrors: number
  readonly packets: readonly ProbedPacket[]
  /** Video frames that the decoder gave. */
  readonly decodedFrames: number
  /** From the end of an audio frame to the begin of the next, 90 kHz ticks. */
  readonly audioGaps: AudioGaps
  readonly analysis: AnalyserReport
}

export interface AudioGaps {
  /** What a frame lasts; 0 without audio. */
  readonly frameTicks: number
  /** The longest time without audio, and the longest time for which there is some twice. */
  readonly holeTicks: number
  readonly overlapTicks: number
}

/** Judges the transport stream in the file at `path`. */
export async function judgeSeams(path: string): Promise<SeamVerdict> {
  // In the time base of the stream: ffmpeg's own is one frame of the first source, and 50 fps do not fit into that of 25.
  const exact = ['-enc_time_base', '-1', '-f', 'null', '-']
  const decoded = await tool('ffmpeg', ['-v', 'warning', '-stats', '-i', path, '-map', '0', ...exact])
  const isProgress = (line: string) => /^(?:frame|size)=/.test(line)
  const lines = decoded.split(/[\r\n]+/).filter((line) => line.trim() !== '')
  const demuxed = await tool('ffmpeg', ['-v', 'debug', '-i', path, '-map', '0', '-c', 'copy', '-f', 'null', '-'])
  const frames = /frame=\s*(\d+)/.exec(lines.findLast(isProgress) ?? '')?.[1]
  const packets = await probePackets(path)
  return {
    warnings: lines.filter((line) => !isProgress(line)),
    continuityErrors: demuxed.split('Continuity check failed').length - 1,
    packets,
    decodedFrames: Number(frames ?? 0),
    audioGaps: audioGapsOf(packets),
    analysis: await analyse(path),
  }
}

/** The analyser's errors, in words. */
export function problemsOf({ findings }: AnalyserReport): readonly string[] {
  const errors = findings.filter(({ severity }) => severity === 'error')
  return errors.map(({ code, pid, places }) => `${code} on ${pid ?? 'all'}: ${places[0]?.detail ?? ''}`)
}

async function analyse(path: string): Promise<AnalyserReport> {
  const analyser = createAnalyser()
  analyser.push(await readFile(path))
  return analyser.report()
}

function audioGapsOf(packets: readonly ProbedPacket[]): AudioGaps {
  const frames = packets.filter(({ kind }) => kind === 'audio')
  const gaps = frames.slice(1).map(({ pts }, index) => {
    const before = frames[index]
    return before === undefined ? 0 : stepOf(pts, before.pts) - before.duration
  })
  const frameTicks = frames[0]?.duration ?? 0
  return { frameTicks, holeTicks: Math.max(0, ...gaps), overlapTicks: Math.max(0, ...gaps.map((gap) => -gap)) }
}

/** The short way round where ffprobe does not undo the wrap of 33 bits. */
function stepOf(later: number, earlier: number): number {
  const step = later - earlier
  return step < -TIMESTAMP_MODULUS / 2 ? step + TIMESTAMP_MODULUS : step
}

export async function probePackets(path: string): Promise<readonly ProbedPacket[]> {
  const args = ['-v', 'quiet', '-show_entries', 'packet=codec_type,pts,dts,duration,pos', '-of', 'json', path]
  const { stdout } = await run('ffprobe', args, { timeout: TOOL_TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX })
  const { packets } = JSON.parse(stdout) as {
    packets: { codec_type: string; pts?: number; dts?: number; duration?: number; pos?: string }[]
  }
  return packets.flatMap(({ codec_type, pts, dts, duration, pos }) =>
    codec_type === 'video' || codec_type === 'audio'
      ? [
          {
            kind: codec_type,
            pts: pts ?? NaN,
            dts: dts ?? NaN,
            duration: duration ?? NaN,
            at: Number(pos ?? NaN),
          },
        ]
      : [],
  )
}

/** Steps between the DTS of one kind, 90 kHz. ffprobe does not tell the first DTS where the stream writes PTS only. */
export function dtsSteps(packets: readonly ProbedPacket[], kind: ProbedPacket['kind']): readonly number[] {
  const own = packets.filter((packet) => packet.kind === kind && !Number.isNaN(packet.dts))
  return own.slice(1).map(({ dts }, index) => dts - (own[index]?.dts ?? NaN))
}

export interface OracleSource {
  readonly bytes: Buffer
  readonly tables: Buffer
  readonly joinOffsets: readonly number[]
  readonly packets: readonly ProbedPacket[]
}

/** Makes a source with ffmpeg at `path`; `change` sees its bytes before anything else does. */
export async function makeOracleSource(
  path: string,
  args: readonly string[],
  change: (bytes: Buffer) => Buffer = (bytes) => bytes,
): Promise<OracleSource> {
  const options = { timeout: TOOL_TIMEOUT_MS, encoding: 'buffer', maxBuffer: OUTPUT_BYTES_MAX } as const
  const { stdout } = await run('ffmpeg', ['-v', 'error', '-nostdin', ...args, '-f', 'mpegts', '-'], options)
  const bytes = change(stdout)
  await writeFile(path, bytes)
  return { bytes, ...indexWhole(bytes), packets: await probePackets(path) }
}

/**
 * How many video frames of `source` a viewer can be shown that gets its bytes from `join` to `cut`: those that are whole
 * and, in the order of decoding, the longest row without a hole in what is shown; leading pictures of an open group
 * cannot be decoded. `certain` counts a frame as whole when the next one has begun.
 */
export function framesBetween(
  source: OracleSource,
  join: number,
  cut: number,
): { readonly certain: number; readonly possible: number } {
  const video = source.packets.filter(({ kind, at }) => kind === 'video' && at >= join && at < cut)
  const key = video[0]
  if (key === undefined) return { certain: 0, possible: 0 }
  const firstTrailing = video.findIndex(({ pts }, index) => index > 0 && pts > key.pts)
  const kept = video.filter((_, index) => index === 0 || firstTrailing < 0 || index >= firstTrailing)
  const step = Math.min(...dtsSteps(source.packets, 'video'))
  const rows = kept.map((_, index) => {
    const shown = kept.slice(0, index + 1).map(({ pts }) => pts)
    return Math.round((Math.max(...shown) - Math.min(...shown)) / step) === index
  })
  const longest = (count: number) => rows.slice(0, count).lastIndexOf(true) + 1
  return { certain: longest(kept.length - 1), possible: longest(kept.length) }
}

/** The last whole packet before a share of the source, 0 to 1. */
export function cutAt(source: OracleSource, share: number): number {
  return Math.floor((source.bytes.length * share) / PACKET_BYTES) * PACKET_BYTES
}

async function tool(name: 'ffmpeg', args: readonly string[]): Promise<string> {
  const { stderr } = await run(name, ['-nostdin', ...args], { timeout: TOOL_TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX })
  return stderr
}
