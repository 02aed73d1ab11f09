import { ByteHold } from './byte-hold.ts'
import { childrenOf, ELEMENT_HEADER_BYTES_MAX, readElement, readUnsigned } from './ebml.ts'
import type { EbmlElement } from './ebml.ts'
import { ElapsedTime } from './elapsed-time.ts'
import type { FrameCounters, Framer, FrameSink } from './framing.ts'

/** Element IDs of RFC 9559. */
const ID = {
  ebml: 0x1a45dfa3,
  segment: 0x18538067,
  seekHead: 0x114d9b74,
  info: 0x1549a966,
  timestampScale: 0x2ad7b1,
  tracks: 0x1654ae6b,
  trackEntry: 0xae,
  trackNumber: 0xd7,
  trackType: 0x83,
  cluster: 0x1f43b675,
  timestamp: 0xe7,
  simpleBlock: 0xa3,
  blockGroup: 0xa0,
  block: 0xa1,
  referenceBlock: 0xfb,
  cues: 0x1c53bb6b,
  void: 0xec,
} as const

/** A Segment of unknown size, so that the header does not promise a joiner bytes that are gone. */
const OPEN_SEGMENT = Buffer.from('1853806701ffffffffffffff', 'hex')
const TRACK_TYPE_VIDEO = 1
const FLAG_KEYFRAME = 0x80
/** A larger element is not collected: from there on bytes are passed as they come, without join points. */
const ELEMENT_BYTES_MAX = 4_194_304
/** A longer header is not kept; without it nobody can join. */
const PREAMBLE_BYTES_MAX = 1_048_576
/** Bytes of a Cluster in which its first video block is looked for, before the Cluster counts as no join point. */
const UNDECIDED_BYTES_MAX = 262_144
const DEFAULT_TIMESTAMP_SCALE_NS = 1_000_000
const NOTHING = Buffer.alloc(0)

/**
 * Matroska and WebM: whole elements; the preamble is everything before the first Cluster; a viewer can begin at a Cluster
 * whose first video block is a keyframe, or at any when there is no video. Clusters and Segments of unknown size are
 * usual in live streams; both are read as a flat run of elements.
 */
export class MatroskaFramer implements Framer {
  readonly container = 'matroska'
  readonly #hold = new ByteHold()
  readonly #time = new ElapsedTime()
  readonly #joinOffsets: number[] = []
  readonly #videoTracks = new Set<number>()
  #headerParts: Buffer[] = []
  #headerBytes = 0
  #state: 'header' | 'clusters' | 'passing' = 'header'
  #preamble: Buffer = NOTHING
  #timestampScaleNs = DEFAULT_TIMESTAMP_SCALE_NS
  #clusterTimestamp = 0
  /** Where in the present data the Cluster begins of which it is not known yet whether a viewer can begin there. */
  #candidateAt: number | undefined
  /** Elements up to here were read when the candidate's bytes came first. */
  #readBytes = 0
  #mediaSeen = false
  #elements = 0

  push(chunk: Buffer, sink: FrameSink): void {
    let data = this.#hold.take(chunk)
    if (data === undefined) return
    let at = this.#readBytes
    this.#readBytes = 0
    while (this.#state !== 'passing') {
      const bytes = this.#unitBytesAt(data, at)
      if (bytes === undefined || bytes > ELEMENT_BYTES_MAX) {
        this.#state = 'passing'
        this.#candidateAt = undefined
        break
      }
      if (at + bytes > data.length) {
        this.#handAndHold(data, at, bytes, sink)
        return
      }
      // Join points before another file have the preamble of this one.
      if (this.#joinOffsets.length > 0 && startsFile(data, at)) {
        this.#hand(data, at, sink)
        data = data.subarray(at)
        at = 0
      }
      this.#readUnit(data, at, bytes)
      at += bytes
    }
    this.#hand(data, data.length, sink)
  }

  preamble(): Buffer {
    return this.#preamble
  }

  get mediaSeen(): boolean {
    return this.#mediaSeen
  }

  get mediaMs(): number | undefined {
    return this.#time.ms
  }

  get counters(): FrameCounters {
    return { skippedBytes: 0, units: this.#elements, continuityErrors: 0, transportErrors: 0, scrambledPackets: 0 }
  }

  /** Bytes of the unit at `at` (a master element that is entered counts with its header only), or those it needs first. */
  #unitBytesAt(data: Buffer, at: number): number | undefined {
    const element = readElement(data, at)
    if (element === undefined) return undefined
    if (element === 'more') return Math.min(data.length - at + 1, ELEMENT_HEADER_BYTES_MAX)
    if (element.id === ID.segment || element.id === ID.cluster) return element.headerBytes
    return element.bodyBytes === undefined ? undefined : element.headerBytes + element.bodyBytes
  }

  #readUnit(data: Buffer, at: number, bytes: number): void {
    const element = readElement(data, at)
    if (element === undefined || element === 'more') return
    this.#elements += 1
    const body = at + element.headerBytes
    const end = at + bytes
    switch (element.id) {
      case ID.ebml:
        this.#beginFile()
        break
      case ID.cluster:
        this.#beginCluster(at)
        return
      case ID.timestamp:
        this.#clusterTimestamp = readUnsigned(data, body, end)
        return
      case ID.simpleBlock:
        this.#readBlock(data, body, ((data[blockFlagsAt(data, body)] ?? 0) & FLAG_KEYFRAME) !== 0)
        return
      case ID.blockGroup:
        this.#readBlockGroup(data, body, end)
        return
      case ID.info:
        this.#readInfo(data, body, end)
        break
      case ID.tracks:
        this.#readTracks(data, body, end)
        break
    }
    if (this.#state === 'header') this.#keepHeader(element, data.subarray(at, end))
  }

  /** Another file may follow in the same body. */
  #beginFile(): void {
    this.#state = 'header'
    this.#headerParts = []
    this.#headerBytes = 0
    this.#videoTracks.clear()
    this.#candidateAt = undefined
    this.#timestampScaleNs = DEFAULT_TIMESTAMP_SCALE_NS
  }

  /** Positions of other elements mean nothing to somebody who joins later, so their indexes are left out. */
  #keepHeader(element: EbmlElement, bytes: Buffer): void {
    if (element.id === ID.seekHead || element.id === ID.cues || element.id === ID.void) return
    const part = element.id === ID.segment ? OPEN_SEGMENT : bytes
    this.#headerBytes += part.length
    if (this.#headerBytes <= PREAMBLE_BYTES_MAX) this.#headerParts.push(Buffer.from(part))
  }

  #beginCluster(at: number): void {
    if (this.#state === 'header') {
      this.#state = 'clusters'
      this.#preamble = Buffer.concat(this.#headerParts)
      this.#headerParts = []
    }
    this.#candidateAt = this.#headerBytes <= PREAMBLE_BYTES_MAX ? at : undefined
  }

  #readBlock(data: Buffer, body: number, isKeyframe: boolean): void {
    const flagsAt = blockFlagsAt(data, body)
    if (flagsAt + 1 > data.length) return
    this.#mediaSeen = true
    const ticks = this.#clusterTimestamp + data.readInt16BE(flagsAt - 2)
    this.#time.observe((ticks * this.#timestampScaleNs) / 1e6)
    if (this.#candidateAt === undefined) return
    if (this.#videoTracks.size > 0 && !this.#videoTracks.has(trackNumberAt(data, body))) return
    if (isKeyframe || this.#videoTracks.size === 0) this.#joinOffsets.push(this.#candidateAt)
    this.#candidateAt = undefined
  }

  #readBlockGroup(data: Buffer, body: number, end: number): void {
    let blockAt: number | undefined
    let isKeyframe = true
    for (const { id, at, headerBytes } of childrenOf(data, body, end)) {
      if (id === ID.block) blockAt = at + headerBytes
      if (id === ID.referenceBlock) isKeyframe = false
    }
    if (blockAt !== undefined) this.#readBlock(data, blockAt, isKeyframe)
  }

  #readInfo(data: Buffer, body: number, end: number): void {
    for (const { id, at, headerBytes, bodyBytes } of childrenOf(data, body, end)) {
      const from = at + headerBytes
      if (id === ID.timestampScale) this.#timestampScaleNs = readUnsigned(data, from, from + (bodyBytes ?? 0))
    }
  }

  #readTracks(data: Buffer, body: number, end: number): void {
    this.#videoTracks.clear()
    for (const entry of childrenOf(data, body, end)) {
      if (entry.id !== ID.trackEntry) continue
      let number = 0
      let type = 0
      const from = entry.at + entry.headerBytes
      for (const { id, at, headerBytes, bodyBytes } of childrenOf(data, from, from + (entry.bodyBytes ?? 0))) {
        const value = readUnsigned(data, at + headerBytes, at + headerBytes + (bodyBytes ?? 0))
        if (id === ID.trackNumber) number = value
        if (id === ID.trackType) type = value
      }
      if (type === TRACK_TYPE_VIDEO) this.#videoTracks.add(number)
    }
  }

  /** Hands on the whole units before `at`, without an undecided Cluster, and holds the rest for `bytes` more. */
  #handAndHold(data: Buffer, at: number, bytes: number, sink: FrameSink): void {
    if (this.#candidateAt !== undefined && at - this.#candidateAt > UNDECIDED_BYTES_MAX) this.#candidateAt = undefined
    const start = this.#candidateAt ?? at
    this.#hand(data, start, sink)
    if (this.#candidateAt !== undefined) this.#candidateAt = 0
    this.#readBytes = at - start
    this.#hold.hold(data.subarray(start), at - start + bytes)
  }

  #hand(data: Buffer, end: number, sink: FrameSink): void {
    if (end > 0) sink.packets(data.subarray(0, end), this.#joinOffsets)
    this.#joinOffsets.length = 0
  }
}

/** A block begins with its track number, a 16-bit timestamp and flags (RFC 9559 §10.1). */
function blockFlagsAt(data: Buffer, body: number): number {
  return body + Math.clz32((data[body] ?? 0) << 24 || 0x00ffffff) + 3
}

function trackNumberAt(data: Buffer, body: number): number {
  const first = data[body] ?? 0
  const bytes = Math.clz32(first << 24 || 0x00ffffff) + 1
  if (bytes > 4 || body + bytes > data.length) return 0
  return data.readUIntBE(body, bytes) % 2 ** (7 * bytes)
}

function startsFile(data: Buffer, at: number): boolean {
  return at + 4 <= data.length && data.readUInt32BE(at) === ID.ebml
}
