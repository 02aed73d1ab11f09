import { createAnalyser } from '../../src/mpegts/analyser/analyser.ts'
import { PACKET_BYTES } from '../../src/mpegts/packet.ts'
import { CmafDemuxer } from '../../src/streams/cmaf/cmaf-demuxer.ts'
import { CmafMuxer } from '../../src/streams/cmaf/cmaf-muxer.ts'
import type { CmafMuxerOptions } from '../../src/streams/cmaf/cmaf-muxer.ts'
import type { CmafFragment } from '../../src/streams/cmaf/fragment.ts'
import { runTool } from './media.ts'

/** Packets of a push: what one read of a socket brings. */
const PUSH_BYTES = 40 * PACKET_BYTES

export interface PackOptions extends CmafMuxerOptions {
  readonly partS?: number
  readonly segmentS?: number
}

/** Packages a transport stream as a packager does: parts of `partS`, cut early where a segment of at least `segmentS` can end. */
export function packTs(bytes: Buffer, { partS = 0.5, segmentS = 1, ...options }: PackOptions = {}): CmafFragment[] {
  const muxer = new CmafMuxer(options)
  const fragments: CmafFragment[] = []
  let segmentDts: number | undefined
  const takeParts = (isEnd: boolean) => {
    for (let nextDts = muxer.nextDts; nextDts !== undefined; nextDts = muxer.nextDts) {
      segmentDts ??= nextDts
      const partEnd = nextDts + partS * 90_000
      const segmentEnd = muxer.randomAccessDts(segmentDts + segmentS * 90_000)
      const untilDts = segmentEnd !== undefined && segmentEnd <= partEnd ? segmentEnd : partEnd
      const isDue = isEnd || muxer.isLastOfInit || muxer.bufferedS >= partS || untilDts === segmentEnd
      const part = isDue ? muxer.take({ untilDts }) : undefined
      if (part === undefined) return
      fragments.push(part)
      if (untilDts === segmentEnd) segmentDts = undefined
    }
  }
  for (let at = 0; at < bytes.length; at += PUSH_BYTES) {
    muxer.push(bytes.subarray(at, at + PUSH_BYTES))
    takeParts(false)
  }
  muxer.end()
  takeParts(true)
  return fragments
}

/** The fragments of each initialisation segment as one file. */
export function filesOf(fragments: readonly CmafFragment[]): Buffer[] {
  const files = new Map<number, Buffer[]>()
  for (const { init, bytes } of fragments) {
    const parts = files.get(init.id) ?? [init.bytes]
    files.set(init.id, [...parts, bytes])
  }
  return [...files.values()].map((parts) => Buffer.concat(parts))
}

export interface Unpacked {
  readonly ts: Buffer
  readonly demuxer: CmafDemuxer
}

/** Demuxes files of fragments, one list for each group, their bytes in pieces of `pieceBytes`, the groups in turn. */
export function unpackCmaf(groups: readonly (readonly Buffer[])[], pieceBytes = 10_000): Unpacked {
  const packets: Buffer[] = []
  const demuxer = new CmafDemuxer({ groups: groups.length, onPackets: (data) => void packets.push(Buffer.from(data)) })
  const files = Math.max(...groups.map(({ length }) => length))
  for (let file = 0; file < files; file += 1) {
    groups.forEach((group, index) => {
      const bytes = group[file] ?? Buffer.alloc(0)
      demuxer.beginSegment(index)
      for (let at = 0; at < bytes.length; at += pieceBytes) demuxer.push(index, bytes.subarray(at, at + pieceBytes))
    })
  }
  demuxer.end()
  return { ts: Buffer.concat(packets), demuxer }
}

/** What the analyser finds wrong, in words. */
export function findingsOf(ts: Buffer): readonly string[] {
  const analyser = createAnalyser()
  analyser.push(ts)
  return analyser.report().findings.map(({ code, pid, places }) => `${code} on ${pid}: ${places[0]?.detail ?? ''}`)
}

/** Hashes of the pictures that ffmpeg decodes out of a file, and of all its sound; warnings fail. */
export async function decodedHashes(
  path: string,
): Promise<{ readonly pictures: readonly string[]; readonly sound: string }> {
  const quiet = ['-v', 'warning', '-nostdin', '-i', path]
  const pictures = await runTool('ffmpeg', [...quiet, '-map', '0:v?', '-f', 'framemd5', '-'])
  const sound = await runTool('ffmpeg', [...quiet, '-map', '0:a?', '-f', 'md5', '-'])
  const problems = (pictures.stderr + sound.stderr)
    .split('\n')
    .filter((line) => line !== '' && !line.includes('Output file is empty'))
  if (problems.length > 0) throw new Error(`ffmpeg says of ${path}: ${problems.join('; ')}`)
  const lines = pictures.stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return { pictures: lines.map((line) => line.split(',').at(-1)?.trim() ?? ''), sound: sound.stdout.trim() }
}
