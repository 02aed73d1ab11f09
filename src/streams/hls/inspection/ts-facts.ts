import { TsIndexer } from '../../../mpegts/indexer.ts'
import {
  hasPayload,
  hasTransportError,
  isPayloadUnitStart,
  isScrambled,
  PACKET_BYTES,
  payloadOffset,
  pidOf,
  SYNC_BYTE,
} from '../../../mpegts/packet.ts'
import type { ChosenProgramme } from '../../../mpegts/programme-tables.ts'
import { makePesHeader, PES_PREFIX_BYTES, readPesHeader } from '../../../mpegts/splice/pes-header.ts'
import { NO_TIMESTAMP, TICKS_PER_MS, timestampStep } from '../../../mpegts/splice/timestamp.ts'
import { digestOf } from './digest.ts'
import { together } from './segment-facts.ts'
import type { PictureFacts, SegmentFacts } from './segment-facts.ts'
import { UnitClock } from './unit-clock.ts'

/** Streams of a programme that are followed. */
const TRACKS_MAX = 16
/** Packets in a row that show where packets begin. */
const SYNC_PACKETS = 3
/** Pictures of a segment that are remembered: 40 s at 50 a second. */
const PICTURES_MAX = 2_000

/** Reads a whole segment of MPEG-TS. Undefined where no packets are found in it at all. */
export function readTsFacts(bytes: Buffer): SegmentFacts | undefined {
  const { packets, lostBytes, restBytes } = alignedPackets(bytes)
  if (packets.length === 0) return undefined
  const indexer = new TsIndexer()
  const joinOffsets = new Set<number>()
  for (let from = 0; from < packets.length;) {
    const read = indexer.index(packets.subarray(from))
    for (const offset of indexer.joinPoints) joinOffsets.add(from + offset)
    if (read === 0) break
    from += read
  }
  const { programme, counters } = indexer
  const units = new UnitPass(packets, programme, joinOffsets).read()
  const streams = (programme?.pmt.streams ?? []).filter(({ kind }) => kind === 'video' || kind === 'audio')
  return {
    ...{ format: 'mpegts', bytes: bytes.length, digest: digestOf(bytes) },
    listsVideo: programme?.video !== undefined,
    listsAudio: programme?.audio !== undefined,
    signature: streams
      .map(({ codec }) => codec)
      .toSorted()
      .join('+'),
    ...units,
    isCutOff: restBytes > 0 || units.isCutOff,
    unreadableShare: lostBytes / bytes.length,
    continuityErrors: counters.continuityErrors,
    transportErrors: counters.transportErrors,
  }
}

interface Aligned {
  readonly packets: Buffer
  /** Bytes between packets, or before the first. */
  readonly lostBytes: number
  /** Bytes of a packet that is not all there, at the end. */
  readonly restBytes: number
}

/** The packets of a segment. Usually all of it, as a view; where sync is lost, it is looked for again. */
function alignedPackets(bytes: Buffer): Aligned {
  const runs: Buffer[] = []
  let lostBytes = 0
  let at = 0
  while (at + PACKET_BYTES <= bytes.length) {
    let end = at
    while (end + PACKET_BYTES <= bytes.length && bytes[end] === SYNC_BYTE) end += PACKET_BYTES
    if (end > at) runs.push(bytes.subarray(at, end))
    if (end + PACKET_BYTES > bytes.length) {
      at = end
      break
    }
    const next = nextSync(bytes, end + 1)
    lostBytes += next - end
    at = next
  }
  const restBytes = bytes.length - at
  const packets = runs.length === 1 ? (runs[0] ?? bytes) : Buffer.concat(runs)
  return { packets, lostBytes, restBytes }
}

function nextSync(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(SYNC_BYTE, from); at !== -1; at = bytes.indexOf(SYNC_BYTE, at + 1)) {
    if (isSync(bytes, at)) return at
  }
  return bytes.length
}

function isSync(bytes: Buffer, at: number): boolean {
  for (let each = at; each < Math.min(bytes.length, at + SYNC_PACKETS * PACKET_BYTES); each += PACKET_BYTES) {
    if (bytes[each] !== SYNC_BYTE) return false
  }
  return true
}

/** Reads where the units of a programme's media begin. */
class UnitPass {
  readonly #packets: Buffer
  readonly #videoPid: number
  readonly #joinOffsets: ReadonlySet<number>
  readonly #video = new UnitClock()
  readonly #audio = new Map<number, UnitClock>()
  readonly #pes = makePesHeader()
  readonly #pictures: PictureFacts[] = []
  /** Bytes that the PES packet under way still has to come by its own word, by PID. */
  readonly #owed = new Map<number, number>()
  #base: number | undefined
  #mediaPackets = 0
  #scrambledPackets = 0
  #picture: { bytes: number; endAt: number; readonly isKeyframe: boolean } | undefined

  constructor(packets: Buffer, programme: ChosenProgramme | undefined, joinOffsets: ReadonlySet<number>) {
    this.#packets = packets
    this.#joinOffsets = joinOffsets
    this.#videoPid = programme?.video?.pid ?? -1
    const audio = (programme?.pmt.streams ?? []).filter(({ kind }) => kind === 'audio').slice(0, TRACKS_MAX)
    for (const { pid } of audio) this.#audio.set(pid, new UnitClock())
  }

  read() {
    const packets = this.#packets
    for (let at = 0; at < packets.length; at += PACKET_BYTES) {
      const pid = pidOf(packets, at)
      const clock = pid === this.#videoPid ? this.#video : this.#audio.get(pid)
      if (clock !== undefined && hasPayload(packets, at) && !hasTransportError(packets, at)) this.#take(at, pid, clock)
    }
    this.#endPicture()
    const audio = [...this.#audio.values()]
    const sounds = audio.map(({ facts }) => facts).filter((facts) => facts !== undefined)
    return {
      video: this.#video.facts,
      audio: together(sounds),
      jumps: audio.reduce((sum, { jumps }) => sum + jumps, this.#video.jumps),
      scrambledShare: this.#mediaPackets === 0 ? 0 : this.#scrambledPackets / this.#mediaPackets,
      firstTimestamp: this.#base,
      isCutOff: [...this.#owed.values()].some((bytes) => bytes > 0),
      pictures: this.#pictures,
    }
  }

  #take(at: number, pid: number, clock: UnitClock): void {
    const packets = this.#packets
    this.#mediaPackets += 1
    const isClear = !isScrambled(packets, at)
    if (!isClear) this.#scrambledPackets += 1
    const isVideo = pid === this.#videoPid
    const from = payloadOffset(packets, at)
    if (isPayloadUnitStart(packets, at)) {
      if (isVideo) this.#beginPicture(at)
      if (isClear) this.#unitStarts(pid, from, at + PACKET_BYTES, clock)
    }
    const owed = this.#owed.get(pid) ?? 0
    if (owed > 0) this.#owed.set(pid, owed - (at + PACKET_BYTES - from))
    if (!isVideo || this.#picture === undefined) return
    this.#picture.bytes += at + PACKET_BYTES - from
    this.#picture.endAt = at + PACKET_BYTES
  }

  #unitStarts(pid: number, from: number, end: number, clock: UnitClock): void {
    readPesHeader(this.#packets, from, end, this.#pes)
    const { dts, packetLength } = this.#pes
    this.#owed.set(pid, packetLength === 0 ? 0 : packetLength + PES_PREFIX_BYTES)
    if (dts === NO_TIMESTAMP) {
      clock.unit()
      return
    }
    this.#base ??= dts
    clock.unitAt(timestampStep(dts, this.#base) / TICKS_PER_MS)
  }

  #beginPicture(at: number): void {
    this.#endPicture()
    this.#picture = { bytes: 0, endAt: -1, isKeyframe: this.#joinOffsets.has(at) }
  }

  #endPicture(): void {
    const picture = this.#picture
    if (picture === undefined || picture.endAt < 4 || this.#pictures.length >= PICTURES_MAX) return
    const { bytes, endAt, isKeyframe } = picture
    this.#pictures.push({ bytes, tail: this.#packets.readInt32BE(endAt - 4), isKeyframe })
  }
}
