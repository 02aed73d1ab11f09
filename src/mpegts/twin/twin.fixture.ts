import { seededRandom } from '../../lib/random.ts'
import type { Random } from '../../lib/random.ts'
import { hasPayload, isPayloadUnitStart, PACKET_BYTES, payloadOffset, pidOf } from '../packet.ts'
import { packetiseSection, writePat, writePmt } from '../psi.ts'
import { makePacket, makePes } from '../splice/source.fixture.ts'
import { PCR_PER_TICK, wrapPcr, wrapTimestamp } from '../splice/timestamp.ts'

/** One encode for tests, and multiplexers that carry it in different ways: what two paths make of one encoder's output. */
export interface EncodeShape {
  readonly seed: number
  readonly pictures?: number
  readonly pictureTicks?: number
  readonly groupPictures?: number
  /** Pictures shown before the one that is decoded ahead of them. */
  readonly reordered?: number
  readonly pictureBytesMax?: number
  readonly hasVideo?: boolean
  readonly hasAudio?: boolean
  /** The pictures come again after this many, to the bit. */
  readonly periodPictures?: number
}

export interface Encode {
  readonly shape: EncodeShape
  readonly pictures: readonly {
    readonly dts: number
    readonly pts: number
    readonly isKey: boolean
    readonly slice: Buffer
  }[]
  readonly frames: readonly { readonly pts: number; readonly data: Buffer }[]
}

export interface MuxShape {
  readonly firstPid?: number
  /** Added to the encode's timestamps. */
  readonly offset?: number
  readonly framesPerUnit?: number
  /** Audio units of this many bytes, wherever its frames end. */
  readonly audioUnitBytes?: number
  readonly hasDelimiters?: boolean
  readonly hasFiller?: boolean
  readonly hasShortStartCodes?: boolean
  readonly firstCounter?: number
  readonly leadMs?: number
  /** Timestamps in whole milliseconds. */
  readonly isRounded?: boolean
  /** A stream of sections, one with each picture, numbered. */
  readonly hasSections?: boolean
}

export interface TwinSource {
  readonly tables: Buffer
  readonly packets: Buffer
  /** Offsets of key pictures. */
  readonly joinOffsets: readonly number[]
}

const AUDIO_TICKS = 1_920
const ADTS_48_KHZ = [0xff, 0xf1, 0x4c, 0x80, 0, 0x1f, 0xfc]

export function makeEncode(shape: EncodeShape): Encode {
  const { pictures = 100, pictureTicks = 3_600, groupPictures = 25, reordered = 0, pictureBytesMax = 4_000 } = shape
  const random = seededRandom(shape.seed)
  const period = shape.periodPictures ?? pictures
  const slices = Array.from({ length: period }, (_, index) =>
    randomBytes(random, 20 + Math.floor(random.next() * pictureBytesMax) * (index % groupPictures === 0 ? 3 : 1)),
  )
  const first = 1_000_000
  return {
    shape,
    pictures: Array.from({ length: shape.hasVideo === false ? 0 : pictures }, (_, index) => {
      const dts = first + index * pictureTicks
      const pts = dts + shownAfter(index % groupPictures, groupPictures, reordered) * pictureTicks
      return { dts, pts, isKey: index % groupPictures === 0, slice: slices[index % period] ?? Buffer.alloc(0) }
    }),
    frames: Array.from(
      { length: shape.hasAudio === false ? 0 : Math.floor((pictures * pictureTicks) / AUDIO_TICKS) },
      (_, index) => ({ pts: first + index * AUDIO_TICKS, data: audioFrame(random) }),
    ),
  }
}

function randomBytes(random: Random, bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, () => 2 + Math.floor(random.next() * 253)))
}

/** Pictures from decoding to showing: each group begins with its key picture, then an anchor before what it encloses. */
function shownAfter(inGroup: number, groupPictures: number, reordered: number): number {
  if (reordered === 0) return 0
  if (inGroup === 0) return 1
  const inMiniGroup = (inGroup - 1) % (reordered + 1)
  return inMiniGroup > 0 ? 0 : Math.min(reordered + 1, groupPictures - inGroup)
}

function audioFrame(random: Random): Buffer {
  const bytes = 150 + Math.floor(random.next() * 100)
  const frame = randomBytes(random, bytes)
  frame.set(ADTS_48_KHZ)
  frame[3] = 0x80 | (bytes >>> 11)
  frame[4] = (bytes >>> 3) & 0xff
  frame[5] = ((bytes & 7) << 5) | 0x1f
  return frame
}

interface MuxedUnit {
  readonly pid: number
  readonly pts: number
  readonly dts: number
  /** Units leave in this order. */
  readonly dueAt: number
  readonly data: Buffer
  readonly isKey: boolean
}

/** Multiplexes an encode. */
export function mux(encode: Encode, shape: MuxShape = {}): TwinSource {
  const { firstPid = 0x100, offset = 0, leadMs = 200, firstCounter = 0 } = shape
  const hasVideo = encode.pictures.length > 0
  const units = [...videoUnits(encode, shape, firstPid), ...audioUnits(encode, shape, firstPid + (hasVideo ? 1 : 0))]
  const tables = tablesOf(encode, firstPid, shape.hasSections === true)
  const parts: Buffer[] = []
  const joinOffsets: number[] = []
  const counters = new Map<number, number>()
  let bytes = 0
  let sections = 0
  const timestamp = (ticks: number) => {
    const moved = ticks + offset
    return wrapTimestamp(shape.isRounded === true ? Math.round(moved / 90) * 90 : moved)
  }
  const append = (packets: Buffer) => {
    parts.push(packets)
    bytes += packets.length
  }
  for (const unit of units.toSorted((left, right) => left.dueAt - right.dueAt)) {
    if (unit.isKey) append(tables)
    if (unit.isKey) joinOffsets.push(bytes)
    const isVideo = hasVideo && unit.pid === firstPid
    if (isVideo && shape.hasSections === true) {
      const section = Buffer.concat([Buffer.from([0, 0x80, 0x70, 150]), Buffer.alloc(180)])
      section.writeUInt32BE(unit.dts, 4)
      append(makePacket(firstPid + 2, sections & 0x0f, true, section, undefined))
      sections += 1
    }
    const [pts, dts] = [timestamp(unit.pts), timestamp(unit.dts)]
    const pes = makePes(isVideo ? 0xe0 : 0xc0, pts, dts, unit.data, !isVideo)
    const pcr = unit.pid === firstPid ? wrapPcr((unit.dts + offset - leadMs * 90) * PCR_PER_TICK) : undefined
    for (let from = 0; from < pes.length;) {
      const clock = from === 0 ? pcr : undefined
      const to = Math.min(pes.length, from + PACKET_BYTES - 4 - (clock === undefined ? 0 : 8))
      const counter = counters.get(unit.pid) ?? firstCounter
      counters.set(unit.pid, (counter + 1) & 0x0f)
      append(makePacket(unit.pid, counter, from === 0, pes.subarray(from, to), clock))
      from = to
    }
  }
  return { tables, packets: Buffer.concat(parts), joinOffsets }
}

function videoUnits(encode: Encode, shape: MuxShape, pid: number): readonly MuxedUnit[] {
  const startCode = Buffer.from(shape.hasShortStartCodes === true ? [0, 0, 1] : [0, 0, 0, 1])
  const delimiter = Buffer.from(shape.hasDelimiters === true ? [0, 0, 0, 1, 9, 0xf0] : [])
  const filler = Buffer.from(
    shape.hasFiller === true ? [0, 0, 1, 12, ...Array.from({ length: 300 }, () => 0xff), 0x80] : [],
  )
  const parameters = Buffer.from([0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0, 0, 0, 1, 0x68, 0xce, 0x38, 0x80])
  return encode.pictures.map(({ dts, pts, isKey, slice }) => {
    const nal = Buffer.from([isKey ? 0x65 : 0x41])
    const head = isKey ? [delimiter, parameters] : [delimiter]
    return { pid, pts, dts, isKey, dueAt: dts, data: Buffer.concat([...head, startCode, nal, slice, filler]) }
  })
}

function audioUnits(encode: Encode, shape: MuxShape, pid: number): readonly MuxedUnit[] {
  const { framesPerUnit = 1, audioUnitBytes } = shape
  const isOnly = encode.pictures.length === 0
  const made: MuxedUnit[] = []
  const add = (pts: number, dueAt: number, data: Buffer) => {
    made.push({ pid, pts, dts: pts, dueAt, data, isKey: isOnly && made.length % 5 === 0 })
  }
  if (audioUnitBytes === undefined) {
    for (let from = 0; from < encode.frames.length; from += framesPerUnit) {
      const frames = encode.frames.slice(from, from + framesPerUnit)
      add(frames[0]?.pts ?? 0, frames.at(-1)?.pts ?? 0, Buffer.concat(frames.map(({ data }) => data)))
    }
    return made
  }
  const all = Buffer.concat(encode.frames.map(({ data }) => data))
  let begin = 0
  const begins = encode.frames.map(({ pts, data }) => {
    const place = { pts, at: begin }
    begin += data.length
    return place
  })
  for (let from = 0; from < all.length; from += audioUnitBytes) {
    const inside = begins.filter(({ at }) => at >= from && at < from + audioUnitBytes)
    const first = inside[0]
    if (first !== undefined) add(first.pts, inside.at(-1)?.pts ?? 0, all.subarray(from, from + audioUnitBytes))
  }
  return made
}

function tablesOf({ pictures, frames }: Encode, firstPid: number, hasSections: boolean): Buffer {
  const descriptors = Buffer.alloc(0)
  const video = pictures.length > 0 ? [{ pid: firstPid, streamType: 0x1b, descriptors }] : []
  const audio = frames.length > 0 ? [{ pid: firstPid + video.length, streamType: 0x0f, descriptors }] : []
  const sections = hasSections ? [{ pid: firstPid + 2, streamType: 0x05, descriptors }] : []
  const identity = { version: 3, isCurrent: true }
  const programmes = [{ programmeNumber: 7, pmtPid: firstPid + 0x1f }]
  const pat = writePat({ ...identity, transportStreamId: 9, sectionNumber: 0, lastSectionNumber: 0, programmes })
  const content = { programmeNumber: 7, pcrPid: firstPid, descriptors, streams: [...video, ...audio, ...sections] }
  return Buffer.concat([
    packetiseSection(pat, 0, 0),
    packetiseSection(writePmt({ ...identity, ...content }), firstPid + 0x1f, 0),
  ])
}

/** The data of each PES packet of a PID in order, without what comes before the first. */
export function unitsOf(packets: Buffer, pid: number): readonly Buffer[] {
  const units: Buffer[][] = []
  for (let at = 0; at < packets.length; at += PACKET_BYTES) {
    if (pidOf(packets, at) !== pid || !hasPayload(packets, at)) continue
    if (isPayloadUnitStart(packets, at)) units.push([])
    units.at(-1)?.push(packets.subarray(payloadOffset(packets, at), at + PACKET_BYTES))
  }
  return units.map((parts) => Buffer.concat(parts)).map((pes) => pes.subarray(9 + (pes[8] ?? 0)))
}

/** Leaves out each packet that carries payload with this chance; tables stay. */
export function lose(packets: Buffer, chance: number, seed: number): Buffer {
  const random = seededRandom(seed)
  const kept: Buffer[] = []
  for (let at = 0; at < packets.length; at += PACKET_BYTES) {
    const pid = pidOf(packets, at)
    const isTable = pid === 0 || (pid & 0x1f) === 0x1f
    if (isTable || random.next() >= chance) kept.push(packets.subarray(at, at + PACKET_BYTES))
  }
  return Buffer.concat(kept)
}
