import { parseDescriptors } from '../elementary-stream.ts'
import type { ElementaryStream, StreamKind } from '../elementary-stream.ts'
import { PACKET_BYTES, PID_NULL, PID_PAT } from '../packet.ts'
import { packetiseSection, writePat, writePmt } from '../psi.ts'
import type { Pmt } from '../psi.ts'
import { SECTION_BYTES_MAX } from '../section-assembler.ts'
import { matchStreams } from './stream-match.ts'
import type { OutputStream } from './stream-match.ts'

/** PIDs of the output: they stay as they are through all switches, since players do not follow a change of PIDs. */
const PID_OUTPUT_PMT = 0x1000
const PID_OUTPUT_VIDEO = 0x100
const PID_OUTPUT_AUDIO = 0x101
const PID_OUTPUT_OTHER = 0x110
const OUTPUT_STREAMS_MAX = 32
const AUDIO_STREAMS_MAX = PID_OUTPUT_OTHER - PID_OUTPUT_AUDIO
const PROGRAMME_NUMBER = 1
const TRANSPORT_STREAM_ID = 1
const VERSION_MODULUS = 32
/** Room for the PMT's own fields beside its descriptors. */
const DESCRIPTOR_BYTES_MAX = SECTION_BYTES_MAX - 32 - OUTPUT_STREAMS_MAX * 5

const TAG_REGISTRATION = 0x05
const TAG_CONDITIONAL_ACCESS = 0x09
const TAG_LANGUAGE = 0x0a
/**
 * Descriptors that say what a stream is. The others say how it was encoded (bit rates, buffers, profiles): they would
 * not hold for the next source, and decoders read the same from the stream itself.
 */
const LASTING_TAGS: ReadonlySet<number> = new Set([
  TAG_REGISTRATION,
  TAG_LANGUAGE,
  ...[0x25, 0x26, 0x46, 0x56, 0x59, 0x6a, 0x7a, 0x7b, 0x7c, 0x7f, 0x81, 0x8a, 0xcc],
])

/** What `adopt` changed. */
export interface Adoption {
  /** Output stream for each stream of the source that is carried. */
  readonly streams: ReadonlyMap<ElementaryStream, OutputStream>
  /** Streams that were on air with another codec. */
  readonly renewed: ReadonlySet<OutputStream>
  readonly hasNewVersion: boolean
}

/** The programme that viewers see: which streams it has, under which PIDs, and its tables. */
export class OutputProgramme {
  readonly #streams: OutputStream[] = []
  #descriptors: Buffer = Buffer.alloc(0)
  #version = -1
  #tables: Buffer = Buffer.alloc(0)
  #patCounter = 0
  #pmtCounter = 0
  #pmtPackets = 1
  #joinPatCounter = 0
  #joinPmtCounter = 0
  #pcrPid = PID_OUTPUT_VIDEO

  /** version_number of the PMT; −1 before the first source. */
  get version(): number {
    return this.#version
  }

  get pcrPid(): number {
    return this.#pcrPid
  }

  /** Takes the programme of a source on air. The PMT changes only where a stream is new, another, or named otherwise, or where pictures end. */
  adopt(pmt: Pmt): Adoption {
    const usable = pmt.streams.filter(({ pid }) => pid > 0x0f && pid < PID_NULL)
    const { pairs, newcomers } = matchStreams(usable, this.#streams)
    const streams = new Map<ElementaryStream, OutputStream>(pairs)
    const renewed = new Set<OutputStream>()
    let isChanged = false
    for (const [source, output] of pairs) {
      if (output.isListed && isOtherCodec(source, output)) renewed.add(output)
      if (this.#update(source, output)) isChanged = true
    }
    for (const source of newcomers) {
      const output = this.#add(source)
      if (output === undefined) continue
      streams.set(source, output)
      isChanged = true
    }
    if (this.#takeDescriptors(pmt.descriptors) || this.#losesPictures(streams)) isChanged = true
    if (isChanged || this.#version < 0) this.#publish(new Set(streams.values()))
    return { streams, renewed, hasNewVersion: isChanged }
  }

  /** Whether nothing but sound goes on where there were pictures: decoders must not wait for them. */
  #losesPictures(streams: ReadonlyMap<ElementaryStream, OutputStream>): boolean {
    const has = (wanted: StreamKind) => [...streams.keys()].some(({ kind }) => kind === wanted)
    return this.#streams.some(({ kind, isListed }) => kind === 'video' && isListed) && has('audio') && !has('video')
  }

  /**
   * PAT and PMT packets with the counters that come next; empty before the first source. The memory is used again by
   * the next call.
   */
  nextTables(): Buffer {
    if (this.#version < 0) return this.#tables
    this.#patCounter = (this.#patCounter + 1) & 0x0f
    this.#tables[3] = 0x10 | this.#patCounter
    for (let packet = 1; packet <= this.#pmtPackets; packet += 1) {
      this.#pmtCounter = (this.#pmtCounter + 1) & 0x0f
      this.#tables[packet * PACKET_BYTES + 3] = 0x10 | this.#pmtCounter
    }
    return this.#tables
  }

  /** The same for a random access point, where viewers may begin. */
  joinTables(): Buffer {
    const tables = this.nextTables()
    this.#joinPatCounter = this.#patCounter
    this.#joinPmtCounter = this.#pmtCounter
    return tables
  }

  /** A copy of the tables for in front of the latest `joinTables`: counters go on from one to the other. */
  preamble(): Buffer {
    const tables = Buffer.from(this.#tables)
    if (this.#version < 0) return tables
    tables[3] = 0x10 | ((this.#joinPatCounter + 15) & 0x0f)
    for (let packet = 1; packet <= this.#pmtPackets; packet += 1) {
      const counter = this.#joinPmtCounter - 2 * this.#pmtPackets + packet
      tables[packet * PACKET_BYTES + 3] = 0x10 | (counter & 0x0f)
    }
    return tables
  }

  #update(source: ElementaryStream, output: OutputStream): boolean {
    const isOther = isOtherCodec(source, output)
    const isRenamed = source.language !== undefined && source.language !== output.language
    const isExact = source.kind === 'video' || source.kind === 'audio'
    const descriptors = isExact ? lastingDescriptors(source.descriptors) : source.descriptors
    const isChanged = !output.isListed || isOther || isRenamed || (!isExact && !descriptors.equals(output.descriptors))
    if (!isChanged) return false
    Object.assign(output, { streamType: source.streamType, codec: source.codec, kind: source.kind, descriptors })
    output.language = source.language ?? output.language
    output.isListed = true
    return true
  }

  #add(source: ElementaryStream): OutputStream | undefined {
    const pid = this.#freePid(source.kind)
    const isMedia = source.kind === 'video' || source.kind === 'audio'
    const descriptors = isMedia ? lastingDescriptors(source.descriptors) : source.descriptors
    const used = this.#streams.reduce((sum, stream) => sum + stream.descriptors.length, this.#descriptors.length)
    if (pid === undefined || used + descriptors.length > DESCRIPTOR_BYTES_MAX) return undefined
    const { streamType, kind, codec, language } = source
    const output: OutputStream = { pid, streamType, kind, codec, language, descriptors, isListed: true }
    this.#streams.push(output)
    return output
  }

  #freePid(kind: StreamKind): number | undefined {
    if (this.#streams.length >= OUTPUT_STREAMS_MAX) return undefined
    const isFree = (pid: number) => !this.#streams.some((stream) => stream.pid === pid)
    if (kind === 'video' && isFree(PID_OUTPUT_VIDEO)) return PID_OUTPUT_VIDEO
    if (kind === 'audio') {
      for (let index = 0; index < AUDIO_STREAMS_MAX; index += 1) {
        if (isFree(PID_OUTPUT_AUDIO + index)) return PID_OUTPUT_AUDIO + index
      }
    }
    for (let index = 0; index < OUTPUT_STREAMS_MAX; index += 1) {
      if (isFree(PID_OUTPUT_OTHER + index)) return PID_OUTPUT_OTHER + index
    }
    return undefined
  }

  /** Registrations of the whole programme are added, never taken away. */
  #takeDescriptors(loop: Buffer): boolean {
    const wanted = lastingDescriptors(loop)
    if (wanted.length === 0 || this.#descriptors.includes(wanted)) return false
    const used = this.#streams.reduce((sum, stream) => sum + stream.descriptors.length, wanted.length)
    if (used > DESCRIPTOR_BYTES_MAX) return false
    this.#descriptors = wanted
    return true
  }

  /** The streams of the PMT by PID, as many as fit into a section. */
  #listed(): readonly OutputStream[] {
    let used = this.#descriptors.length
    const sorted = this.#streams.toSorted((left, right) => left.pid - right.pid)
    return sorted.filter((stream) => {
      if (stream.isListed) used += stream.descriptors.length
      return stream.isListed && used <= DESCRIPTOR_BYTES_MAX
    })
  }

  /** A new version of the PMT. Streams that the source on air does not have are left out now that it changes anyway. */
  #publish(present: ReadonlySet<OutputStream>): void {
    for (const stream of this.#streams) {
      if (!present.has(stream)) stream.isListed = false
    }
    const listed = this.#listed()
    const leader = listed.find(({ kind }) => kind === 'video') ?? listed.find(({ kind }) => kind === 'audio')
    this.#pcrPid = leader?.pid ?? listed[0]?.pid ?? PID_OUTPUT_VIDEO
    this.#version = (this.#version + 1) % VERSION_MODULUS
    const identity = { version: this.#version, isCurrent: true }
    const programmes = [{ programmeNumber: PROGRAMME_NUMBER, pmtPid: PID_OUTPUT_PMT }]
    const pat = { transportStreamId: TRANSPORT_STREAM_ID, version: 0, isCurrent: true, programmes }
    const patPackets = packetiseSection(writePat({ ...pat, sectionNumber: 0, lastSectionNumber: 0 }), PID_PAT, 0)
    const content = { programmeNumber: PROGRAMME_NUMBER, pcrPid: this.#pcrPid, descriptors: this.#descriptors }
    const pmtPackets = packetiseSection(writePmt({ ...content, ...identity, streams: listed }), PID_OUTPUT_PMT, 0)
    this.#pmtPackets = pmtPackets.length / PACKET_BYTES
    this.#tables = Buffer.concat([patPackets, pmtPackets])
  }
}

function isOtherCodec(source: ElementaryStream, output: OutputStream): boolean {
  return source.streamType !== output.streamType || source.codec !== output.codec
}

function lastingDescriptors(loop: Buffer): Buffer {
  const lasting = parseDescriptors(loop).filter(({ tag }) => LASTING_TAGS.has(tag) && tag !== TAG_CONDITIONAL_ACCESS)
  return Buffer.concat(lasting.map(({ tag, body }) => Buffer.concat([Buffer.from([tag, body.length]), body])))
}
