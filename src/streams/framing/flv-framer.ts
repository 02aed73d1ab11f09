import { ByteHold } from './byte-hold.ts'
import { ElapsedTime } from './elapsed-time.ts'
import type { FrameCounters, Framer, FrameSink } from './framing.ts'

/** Adobe Flash Video File Format 10.1, Annex E, and Enhanced RTMP (2023) for the codecs that came later. */
const FILE_HEADER_BYTES_MIN = 9
const FILE_HEADER_BYTES_MAX = 1_024
const TAG_HEADER_BYTES = 11
const BACK_POINTER_BYTES = 4
const TAG_AUDIO = 8
const TAG_VIDEO = 9
const TAG_SCRIPT = 18
const FLAG_VIDEO = 0x01
const CODEC_AVC = 7
/** Not in the specification, but what encoders send. */
const CODEC_HEVC = 12
/** A larger tag is not collected: from there on bytes are passed as they come, without join points. */
const TAG_BYTES_MAX = 4_194_304
/** A larger header is not kept for viewers that join later. */
const KEPT_TAG_BYTES_MAX = 262_144
/** A header that promises video is not believed after this many tags without any. */
const PATIENCE_TAGS = 250
const NOTHING = Buffer.alloc(0)

type TagRole = 'header' | 'keyframe' | 'frame'

/**
 * FLV: whole tags; the preamble is the file header, onMetaData and the codecs' sequence headers; a viewer can begin at a
 * video keyframe, or at any audio tag when there is no video.
 */
export class FlvFramer implements Framer {
  readonly container = 'flv'
  readonly #hold = new ByteHold()
  readonly #time = new ElapsedTime()
  readonly #joinOffsets: number[] = []
  #fileHeader: Buffer = NOTHING
  /** The latest header tag of each kind: script, video, audio. */
  readonly #headerTags = new Map<number, Buffer>()
  #preamble: Buffer = NOTHING
  #state: 'header' | 'tags' | 'passing' = 'header'
  #mayHaveVideo = true
  #videoSeen = false
  #mediaSeen = false
  #tags = 0

  push(chunk: Buffer, sink: FrameSink): void {
    const data = this.#hold.take(chunk)
    if (data === undefined) return
    let start = 0
    let at = 0
    this.#joinOffsets.length = 0
    if (this.#state === 'header') {
      at = this.#readFileHeader(data)
      if (at === 0 && this.#state === 'header') return
    }
    while (this.#state === 'tags' && at < data.length) {
      const bytes = tagBytesAt(data, at)
      if (bytes === undefined || bytes > TAG_BYTES_MAX) {
        this.#state = 'passing'
        break
      }
      if (at + bytes > data.length) {
        this.#hand(data, start, at, sink)
        this.#hold.hold(data.subarray(at), bytes)
        return
      }
      const role = this.#readTag(data, at, bytes)
      // Join points before it belong to the old preamble.
      if (role === 'header') {
        this.#hand(data, start, at, sink)
        start = at
        this.#keepHeaderTag(data.subarray(at, at + bytes))
      }
      if (role === 'keyframe') this.#joinOffsets.push(at - start)
      at += bytes
    }
    this.#hand(data, start, data.length, sink)
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
    return { skippedBytes: 0, units: this.#tags, continuityErrors: 0, transportErrors: 0, scrambledPackets: 0 }
  }

  /** Returns how many bytes the file header takes; 0 when it is incomplete (and held), or is none. */
  #readFileHeader(data: Buffer): number {
    if (data.length < FILE_HEADER_BYTES_MIN) {
      this.#hold.hold(data, FILE_HEADER_BYTES_MIN)
      return 0
    }
    const bytes = data.readUInt32BE(5) + BACK_POINTER_BYTES
    if (data.toString('latin1', 0, 3) !== 'FLV' || bytes > FILE_HEADER_BYTES_MAX) {
      this.#state = 'passing'
      return 0
    }
    if (data.length < bytes) {
      this.#hold.hold(data, bytes)
      return 0
    }
    this.#state = 'tags'
    this.#mayHaveVideo = ((data[4] ?? 0) & FLAG_VIDEO) !== 0
    this.#fileHeader = Buffer.from(data.subarray(0, bytes))
    this.#preamble = this.#fileHeader
    return bytes
  }

  #readTag(data: Buffer, at: number, bytes: number): TagRole {
    this.#tags += 1
    const type = (data[at] ?? 0) & 0x1f
    if (type === TAG_SCRIPT) return 'header'
    const body = at + TAG_HEADER_BYTES
    if (bytes <= TAG_HEADER_BYTES + BACK_POINTER_BYTES) return 'frame'
    this.#time.observe(data.readUIntBE(at + 4, 3) + (data[at + 7] ?? 0) * 2 ** 24)
    if (type === TAG_VIDEO) {
      this.#videoSeen = true
      const packet = videoPacketAt(data, body)
      if (packet === 'configuration') return 'header'
      if (packet === 'other') return 'frame'
      this.#mediaSeen = true
      return (((data[body] ?? 0) >>> 4) & 0x07) === 1 ? 'keyframe' : 'frame'
    }
    if (isAudioHeader(data, body)) return 'header'
    this.#mediaSeen = true
    const isAudioOnly = !this.#videoSeen && (!this.#mayHaveVideo || this.#tags > PATIENCE_TAGS)
    return isAudioOnly ? 'keyframe' : 'frame'
  }

  #keepHeaderTag(tag: Buffer): void {
    if (tag.length > KEPT_TAG_BYTES_MAX) return
    const type = (tag[0] ?? 0) & 0x1f
    if (this.#headerTags.get(type)?.equals(tag) === true) return
    this.#headerTags.set(type, Buffer.from(tag))
    const kept = [TAG_SCRIPT, TAG_VIDEO, TAG_AUDIO].flatMap((kind) => this.#headerTags.get(kind) ?? [])
    this.#preamble = Buffer.concat([this.#fileHeader, ...kept])
  }

  #hand(data: Buffer, start: number, end: number, sink: FrameSink): void {
    if (end > start) sink.packets(data.subarray(start, end), this.#joinOffsets)
    this.#joinOffsets.length = 0
  }
}

/** Whole bytes of the tag at `at` with its back pointer; undefined if none can begin there. */
function tagBytesAt(data: Buffer, at: number): number | undefined {
  const type = (data[at] ?? 0) & 0x1f
  if (type !== TAG_AUDIO && type !== TAG_VIDEO && type !== TAG_SCRIPT) return undefined
  if (((data[at] ?? 0) & 0xc0) !== 0) return undefined
  if (at + TAG_HEADER_BYTES > data.length) return TAG_HEADER_BYTES
  return TAG_HEADER_BYTES + data.readUIntBE(at + 1, 3) + BACK_POINTER_BYTES
}

/**
 * What a video tag carries: AVCPacketType of AVC and HEVC (0 configuration, 1 pictures, 2 end of sequence), and of
 * Enhanced RTMP (0 configuration; 1 and 3 pictures); other codecs have pictures only.
 */
function videoPacketAt(data: Buffer, body: number): 'configuration' | 'pictures' | 'other' {
  const first = data[body] ?? 0
  const codec = first & 0x0f
  const isEnhanced = (first & 0x80) !== 0
  if (!isEnhanced && codec !== CODEC_AVC && codec !== CODEC_HEVC) return 'pictures'
  const packetType = isEnhanced ? first & 0x0f : data[body + 1]
  if (packetType === 0) return 'configuration'
  return packetType === 1 || (isEnhanced && packetType === 3) ? 'pictures' : 'other'
}

/** AAC's AudioSpecificConfig (AACPacketType 0), and Enhanced RTMP's AudioPacketType SequenceStart. */
function isAudioHeader(data: Buffer, body: number): boolean {
  const format = (data[body] ?? 0) >>> 4
  if (format === 9) return ((data[body] ?? 0) & 0x0f) === 0
  return format === 10 && data[body + 1] === 0
}
