import { seededRandom } from '../../lib/random.ts'
import { PACKET_BYTES, SYNC_BYTE, writePcr } from '../packet.ts'
import { packetiseSection, writePat, writePmt } from '../psi.ts'
import { writeTimestamp } from './pes-header.ts'
import { PCR_PER_TICK, wrapPcr, wrapTimestamp } from './timestamp.ts'

/** A source for tests: a small multiplex whose units say which they are and how long, so that a reader can check them. */
export interface SourceShape {
  readonly seed: number
  /** DTS of the first picture. */
  readonly firstDts: number
  readonly pictures?: number
  readonly pictureTicks?: number
  /** Key pictures are up to this large, the others up to a quarter of it. */
  readonly pictureBytesMax?: number
  /** Pictures shown before the one that is decoded ahead of them: 0 without B pictures. */
  readonly reordered?: number
  readonly groupPictures?: number
  readonly firstPid?: number
  /** PCR on a PID of its own instead of the video's. */
  readonly hasOwnPcrPid?: boolean
  /** PCR before DTS, ms. */
  readonly leadMs?: number
  readonly hasVideo?: boolean
  readonly audioStreams?: number
  /** Audio frames in a unit, which comes when the last of them is due, as multiplexers do it. */
  readonly framesPerUnit?: number
  /** There is no audio before the picture at `firstDts` and this many ticks. */
  readonly soundFromTicks?: number
  /** … and none from this many on. */
  readonly soundUntilTicks?: number
  readonly videoStreamType?: number
  /** PES_packet_length of video is written instead of 0. */
  readonly hasVideoLength?: boolean
  readonly hasNulls?: boolean
  readonly languages?: readonly string[]
}

export interface TestSource {
  readonly tables: Buffer
  readonly packets: Buffer
  /** Offsets of key pictures, or of audio units when there is no video. */
  readonly joinOffsets: readonly number[]
}

export const AUDIO_TICKS = 1_920
/** Marks a unit's payload; its number and length follow. */
const UNIT_MAGIC = 0x70c4a11e
const AUDIO_FRAME_BYTES = 160
const ADTS_48_KHZ = Buffer.from([0xff, 0xf1, 0x4c, 0x80, 0, 0x1f, 0xfc])

interface Unit {
  readonly pid: number
  readonly dts: number
  readonly pts: number
  readonly isKey: boolean
  readonly bytes: number
}

export function makeSource(shape: SourceShape): TestSource {
  const firstPid = shape.firstPid ?? 0x40
  const leadTicks = (shape.leadMs ?? 200) * 90
  const pcrPid = shape.hasOwnPcrPid === true ? firstPid + 0x1e : firstPid
  const tables = tablesOf(shape, firstPid, pcrPid)
  const mux = new Mux(shape)
  const joinOffsets: number[] = []
  for (const unit of unitsOf(shape, firstPid)) {
    const isVideo = shape.hasVideo !== false && unit.pid === firstPid
    const carriesClock = unit.pid === firstPid
    const pcr = wrapPcr((unit.dts - leadTicks) * PCR_PER_TICK)
    if (unit.isKey) mux.append(tables)
    if (carriesClock && pcrPid !== firstPid) mux.clock(pcrPid, pcr)
    if (isVideo ? unit.isKey : shape.hasVideo === false) joinOffsets.push(mux.bytes)
    mux.unit(unit, isVideo, carriesClock && pcrPid === firstPid ? pcr : undefined)
  }
  return { tables, packets: mux.packets(), joinOffsets }
}

function tablesOf(shape: SourceShape, firstPid: number, pcrPid: number): Buffer {
  const none = Buffer.alloc(0)
  const video = { pid: firstPid, streamType: shape.videoStreamType ?? 0x1b, descriptors: none }
  const audio = Array.from({ length: shape.audioStreams ?? 1 }, (_, index) => {
    const language = shape.languages?.[index]
    const descriptors = language === undefined ? none : Buffer.from(`\x0a\x04${language}\0`, 'latin1')
    return { pid: firstPid + index + (shape.hasVideo === false ? 0 : 1), streamType: 0x0f, descriptors }
  })
  const streams = shape.hasVideo === false ? audio : [video, ...audio]
  const identity = { version: 3, isCurrent: true }
  const programmes = [{ programmeNumber: 7, pmtPid: firstPid + 0x1f }]
  const pat = writePat({ ...identity, transportStreamId: 9, sectionNumber: 0, lastSectionNumber: 0, programmes })
  const pmt = writePmt({ ...identity, programmeNumber: 7, pcrPid, descriptors: none, streams })
  return Buffer.concat([packetiseSection(pat, 0, 0), packetiseSection(pmt, firstPid + 0x1f, 0)])
}

/** Pictures in decoding order with the audio of the same time behind them. */
function unitsOf(shape: SourceShape, firstPid: number): readonly Unit[] {
  const random = seededRandom(shape.seed)
  const { pictures = 60, pictureTicks = 3_600, reordered = 0, groupPictures = 12, pictureBytesMax = 6_000 } = shape
  const { framesPerUnit = 1, soundFromTicks = 0, soundUntilTicks = Infinity } = shape
  const units: Unit[] = []
  const audioPid = firstPid + (shape.hasVideo === false ? 0 : 1)
  let audioUnits = 0
  for (let index = 0; index < pictures; index += 1) {
    const dts = shape.firstDts + index * pictureTicks
    const isKey = index % groupPictures === 0
    if (shape.hasVideo !== false) {
      const bytes = 16 + Math.floor(random.next() * (isKey ? pictureBytesMax : pictureBytesMax / 4))
      const pts = dts + shownAfter(index % groupPictures, groupPictures, reordered) * pictureTicks
      units.push({ pid: firstPid, dts: wrapTimestamp(dts), pts: wrapTimestamp(pts), isKey, bytes })
    }
    while (((audioUnits + 1) * framesPerUnit - 1) * AUDIO_TICKS < (index + 1) * pictureTicks) {
      const fromTicks = audioUnits * framesPerUnit * AUDIO_TICKS
      const pts = wrapTimestamp(shape.firstDts + fromTicks)
      audioUnits += 1
      if (fromTicks < soundFromTicks || fromTicks >= soundUntilTicks) continue
      for (let stream = 0; stream < (shape.audioStreams ?? 1); stream += 1) {
        const isFirst = shape.hasVideo === false && stream === 0
        units.push({
          pid: audioPid + stream,
          dts: pts,
          pts,
          isKey: isFirst && audioUnits % 10 === 1,
          bytes: framesPerUnit * AUDIO_FRAME_BYTES,
        })
      }
    }
  }
  return units
}

/** Pictures from decoding to showing: each group begins with its key picture, then an anchor before what it encloses. */
function shownAfter(inGroup: number, groupPictures: number, reordered: number): number {
  if (reordered === 0) return 0
  if (inGroup === 0) return 1
  const inMiniGroup = (inGroup - 1) % (reordered + 1)
  const miniGroupBegin = inGroup - inMiniGroup
  const size = Math.min(reordered + 1, groupPictures - miniGroupBegin)
  return inMiniGroup === 0 ? size : 0
}

class Mux {
  readonly #parts: Buffer[] = []
  readonly #counters = new Map<number, number>()
  readonly #shape: SourceShape
  readonly #random
  #number = 0
  bytes = 0

  constructor(shape: SourceShape) {
    this.#shape = shape
    this.#random = seededRandom(shape.seed + 1)
  }

  packets(): Buffer {
    return Buffer.concat(this.#parts)
  }

  append(packets: Buffer): void {
    this.#parts.push(packets)
    this.bytes += packets.length
  }

  clock(pid: number, pcr: number): void {
    this.append(makePacket(pid, this.#counters.get(pid) ?? 0, false, Buffer.alloc(0), pcr))
  }

  unit({ pid, dts, pts, bytes }: Unit, isVideo: boolean, pcr: number | undefined): void {
    this.#number += 1
    const data = isVideo ? pictureData(this.#number, bytes) : audioData(this.#number, bytes)
    const pes = makePes(isVideo ? 0xe0 : 0xc0, pts, dts, data, !isVideo || this.#shape.hasVideoLength === true)
    for (let from = 0; from < pes.length;) {
      const firstPcr = from === 0 ? pcr : undefined
      const room = PACKET_BYTES - 4 - (firstPcr === undefined ? 0 : 8)
      const to = Math.min(from + room, pes.length)
      const counter = ((this.#counters.get(pid) ?? 15) + 1) & 0x0f
      this.#counters.set(pid, counter)
      if (from > 0 && this.#shape.hasNulls === true && this.#random.next() < 0.2) {
        this.append(makePacket(0x1fff, 0, false, Buffer.alloc(PACKET_BYTES - 4, 0xff), undefined))
      }
      this.append(makePacket(pid, counter, from === 0, pes.subarray(from, to), firstPcr))
      from = to
    }
  }
}

function pictureData(number: number, bytes: number): Buffer {
  const data = Buffer.alloc(bytes, 0xa5)
  data.writeUInt32BE(UNIT_MAGIC, 0)
  writeWithoutZeros(data, 4, number)
  writeWithoutZeros(data, 8, bytes)
  return data
}

/** 28 bits in four bytes of which none is zero: no start code may show in it. */
function writeWithoutZeros(data: Buffer, at: number, value: number): void {
  for (let index = 0; index < 4; index += 1) data[at + index] = 0x80 | ((value >>> (21 - 7 * index)) & 0x7f)
}

function readWithoutZeros(data: Buffer, at: number): number {
  let value = 0
  for (let index = 0; index < 4; index += 1) value = value * 0x80 + ((data[at + index] ?? 0) & 0x7f)
  return value
}

function audioData(number: number, bytes: number): Buffer {
  const frame = Buffer.alloc(AUDIO_FRAME_BYTES, 0x5a)
  ADTS_48_KHZ.copy(frame)
  frame[3] = 0x80 | (AUDIO_FRAME_BYTES >>> 11)
  frame[4] = (AUDIO_FRAME_BYTES >>> 3) & 0xff
  frame[5] = ((AUDIO_FRAME_BYTES & 7) << 5) | 0x1f
  frame.writeUInt32BE(number, 8)
  return Buffer.concat(Array.from({ length: bytes / AUDIO_FRAME_BYTES }, () => frame))
}

export function makePes(streamId: number, pts: number, dts: number, data: Buffer, hasLength: boolean): Buffer {
  const hasDts = pts !== dts
  const header = Buffer.alloc(hasDts ? 19 : 14)
  Buffer.from([0, 0, 1, streamId, 0, 0, 0x80, hasDts ? 0xc0 : 0x80, header.length - 9]).copy(header)
  header[9] = hasDts ? 0x31 : 0x21
  writeTimestamp(header, 9, pts)
  if (hasDts) {
    header[14] = 0x11
    writeTimestamp(header, 14, dts)
  }
  const pes = Buffer.concat([header, data])
  if (hasLength) pes.writeUInt16BE(pes.length - 6, 4)
  return pes
}

export function makePacket(
  pid: number,
  counter: number,
  isStart: boolean,
  payload: Buffer,
  pcr: number | undefined,
): Buffer {
  const packet = Buffer.alloc(PACKET_BYTES, 0xff)
  packet[0] = SYNC_BYTE
  packet.writeUInt16BE((isStart ? 0x4000 : 0) | pid, 1)
  const fieldBytes = PACKET_BYTES - 4 - payload.length
  packet[3] = (payload.length > 0 ? 0x10 : 0) | (fieldBytes > 0 ? 0x20 : 0) | counter
  if (fieldBytes > 0) packet[4] = fieldBytes - 1
  if (fieldBytes > 1) packet[5] = pcr === undefined ? 0 : 0x10
  if (pcr !== undefined) writePcr(packet, 0, pcr)
  payload.copy(packet, PACKET_BYTES - payload.length)
  return packet
}

/** Whether ADTS frames fill the data, those of a source or silent ones. */
function isWholeFrames(data: Buffer): boolean {
  let at = 0
  while (at + 7 <= data.length && data[at] === 0xff) at += (data.readUIntBE(at + 3, 3) >>> 5) & 0x1fff
  return at > 0 && at === data.length
}

/** The number in a unit's data, and whether all of it is there; undefined when it is none of these sources. */
export function readUnitData(data: Buffer, isVideo: boolean): { readonly isWhole: boolean } | undefined {
  if (!isVideo) return { isWhole: isWholeFrames(data) }
  if (data.length < 12 || data.readUInt32BE(0) !== UNIT_MAGIC) return undefined
  return { isWhole: readWithoutZeros(data, 8) === data.length }
}
