import { join as joinPath } from 'node:path'
import { PACKET_BYTES } from '../../src/mpegts/packet.ts'
import { Splicer } from '../../src/mpegts/splice/splicer.ts'
import type { SpliceFacts } from '../../src/mpegts/splice/splice-facts.ts'
import { ffmpegArguments, SOURCE_SECONDS } from './seam-cases.ts'
import type { PartOptions, SeamCase, SourceOptions } from './seam-cases.ts'
import { cutAt, framesBetween, makeOracleSource } from './seam-oracle.ts'
import type { OracleSource } from './seam-oracle.ts'
import { withOwnPcrPid } from './pcr-pid.ts'

const CHUNK_BYTES = 37 * PACKET_BYTES

export interface SplicedSeam {
  readonly output: Buffer
  readonly facts: SpliceFacts
  /** Video frames that a viewer must and can be shown. */
  readonly frames: { readonly certain: number; readonly possible: number }
}

/** Makes the sources of the cases in a directory, each once. */
export class SeamSources {
  readonly #directory: string
  readonly #known = new Map<string, OracleSource>()

  constructor(directory: string) {
    this.#directory = directory
  }

  async make(options: SourceOptions): Promise<OracleSource> {
    const toneHz = 400 + this.#known.size * 50
    const { encoding, fps, startSeconds, firstPid, muxDelay, hasOwnPcrPid = false } = options
    const { soundDelaySeconds, soundSeconds } = options
    const of = [encoding, fps, startSeconds, firstPid, muxDelay, hasOwnPcrPid, soundDelaySeconds, soundSeconds]
    const key = JSON.stringify(of)
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const path = joinPath(this.#directory, `source-${this.#known.size}.ts`)
    const change = hasOwnPcrPid ? withOwnPcrPid : undefined
    const made = await makeOracleSource(path, ffmpegArguments(options, toneHz), change)
    this.#known.set(key, made)
    return made
  }
}

/** Splices a case as a stream does: each source with what it sent in the second before its join point, unless it is cold. */
export async function spliceCase({ parts }: SeamCase, sources: SeamSources): Promise<SplicedSeam> {
  const splicer = new Splicer()
  const output: Buffer[] = []
  const sink = { packets: (data: Buffer) => void output.push(Buffer.from(data)) }
  let [certain, possible] = [0, 0]
  for (const part of parts) {
    const source = await sources.make(part)
    const from = source.joinOffsets[part.key] ?? 0
    const to = cutAt(source, part.until)
    const leadIn = part.isCold === true ? from : leadInAt(source, from)
    pushAll(splicer, source, { leadIn, from, to }, sink)
    const frames = framesBetween(source, from, to)
    certain += frames.certain
    possible += frames.possible
  }
  splicer.cut(sink)
  return { output: Buffer.concat(output), facts: splicer.facts, frames: { certain, possible } }
}

/** The same parts one behind the other as a proxy passes them that sends what arrives: in the middle of a group. */
export async function concatenateCase(
  { parts }: SeamCase,
  sources: SeamSources,
): Promise<{ readonly output: Buffer; readonly frames: number }> {
  const output: Buffer[] = []
  let frames = 0
  for (const part of parts) {
    const source = await sources.make(part)
    const [from, to] = [naiveBegin(part, source), cutAt(source, part.until)]
    output.push(source.bytes.subarray(from, to))
    frames += source.packets.filter(({ kind, at }) => kind === 'video' && at >= from && at < to).length
  }
  return { output: Buffer.concat(output), frames }
}

function naiveBegin({ key }: PartOptions, source: OracleSource): number {
  return key === 0 ? 0 : cutAt(source, 0.3)
}

/** About a second of media before `from`, in whole packets. */
function leadInAt(source: OracleSource, from: number): number {
  return Math.max(0, from - cutAt(source, 1 / SOURCE_SECONDS))
}

function pushAll(
  splicer: Splicer,
  source: OracleSource,
  { leadIn, from, to }: { readonly leadIn: number; readonly from: number; readonly to: number },
  sink: { packets(data: Buffer): void },
): void {
  splicer.begin(source.tables, sink)
  let at = leadIn
  for (let end = from + CHUNK_BYTES; at < to; end += CHUNK_BYTES) {
    const chunkEnd = Math.min(end, to)
    const isIn = (offset: number) => offset >= Math.max(at, from) && offset < chunkEnd
    const joins = source.joinOffsets.filter(isIn).map((offset) => offset - at)
    splicer.push(source.bytes.subarray(at, chunkEnd), joins, sink)
    at = chunkEnd
  }
}
