import { seededRandom } from '../../lib/random.ts'
import { describeStream } from '../../mpegts/elementary-stream.ts'
import { PACKET_BYTES } from '../../mpegts/packet.ts'
import { packetiseSection, writePat, writePmt } from '../../mpegts/psi.ts'
import { makePacket, makePes } from '../../mpegts/splice/source.fixture.ts'
import { wrapPcr, wrapTimestamp } from '../../mpegts/splice/timestamp.ts'
import type { ActionChoice, BitRateFloor, Finding } from './conditions.ts'
import { conditionFacts } from './conditions.ts'
import { SourceMonitor } from './monitor.ts'

/** A programme for tests: 25 pictures a second and audio, with everything that can go wrong decided per picture. */
export const VIDEO_PID = 0x100
export const AUDIO_PID = 0x101
const PMT_PID = 0x1000
const PICTURE_MS = 40
const AUDIO_BYTES = 160

export interface Picture {
  readonly index: number
  readonly mediaMs: number
}

export type Spoil = (packet: Buffer, picture: Picture) => Buffer | undefined

export interface ProgrammeShape {
  readonly seconds: number
  readonly seed?: number
  /** DTS of the first picture, 90 kHz. */
  readonly firstDts?: number
  readonly groupPictures?: number
  /** Bytes of a picture; random around 400 by default. */
  readonly bytesOf?: (picture: Picture, random: () => number) => number
  readonly has?: Partial<Record<'video' | 'audio' | 'pcr' | 'pat' | 'pmt' | 'keyframe', (picture: Picture) => boolean>>
  /** Instead of what the picture's own would be, in ms from the start. */
  readonly stampMs?: (picture: Picture) => number
  readonly pcrMs?: (picture: Picture) => number
  readonly pcrPid?: number
  readonly videoStreamType?: (picture: Picture) => number
  /** Changes packets of a picture's time, or drops them by returning undefined. */
  readonly spoil?: Spoil
  /** Tables and clock references every so many pictures. */
  readonly tablesEvery?: number
  readonly pcrEvery?: number
}

export interface Piece {
  /** When a live source would have it complete, ms from its start. */
  readonly mediaMs: number
  readonly packets: Buffer
  readonly joinOffsets: readonly number[]
}

/** One piece per picture. */
export function programme(shape: ProgrammeShape): readonly Piece[] {
  const random = seededRandom(shape.seed ?? 1)
  const next = () => random.next()
  const counters = new Map<number, number>()
  const groupPictures = shape.groupPictures ?? 25
  const firstDts = shape.firstDts ?? 900_000
  const packetised = (pid: number, unit: Buffer, pcr: number | undefined) => {
    const packets: Buffer[] = []
    for (let from = 0; from < unit.length;) {
      const firstPcr = from === 0 ? pcr : undefined
      const to = Math.min(unit.length, from + PACKET_BYTES - 4 - (firstPcr === undefined ? 0 : 8))
      const counter = counters.get(pid) ?? 0
      counters.set(pid, (counter + 1) & 0x0f)
      packets.push(makePacket(pid, counter, from === 0, unit.subarray(from, to), firstPcr))
      from = to
    }
    return packets
  }
  const pieces: Piece[] = []
  for (let index = 0; index * PICTURE_MS < shape.seconds * 1_000; index += 1) {
    const picture = { index, mediaMs: index * PICTURE_MS }
    const has = (what: keyof NonNullable<ProgrammeShape['has']>) => shape.has?.[what]?.(picture) ?? true
    const stampMs = shape.stampMs?.(picture) ?? picture.mediaMs
    const dts = wrapTimestamp(firstDts + stampMs * 90)
    const pcrPid = shape.pcrPid ?? VIDEO_PID
    const hasPcr = has('pcr') && index % (shape.pcrEvery ?? 1) === 0
    const pcr = hasPcr
      ? wrapPcr((firstDts + (shape.pcrMs?.(picture) ?? picture.mediaMs) * 90 - 18_000) * 300)
      : undefined
    const packets: Buffer[] = []
    if (index % (shape.tablesEvery ?? 5) === 0) packets.push(...tables(shape, picture, pcrPid, counters))
    if (pcr !== undefined && pcrPid !== VIDEO_PID) packets.push(makePacket(pcrPid, 0, false, Buffer.alloc(0), pcr))
    const isKey = index % groupPictures === 0 && has('keyframe')
    const keyAt = isKey && has('video') ? packets.length : -1
    if (has('video')) {
      const bytes = shape.bytesOf?.(picture, next) ?? Math.round(200 + 400 * next()) * (isKey ? 4 : 1)
      const data = Buffer.alloc(Math.max(16, bytes), 0xa5)
      data.writeUInt32BE(Math.floor(next() * 2 ** 32), data.length - 4)
      packets.push(
        ...packetised(VIDEO_PID, makePes(0xe0, dts, dts, data, false), pcrPid === VIDEO_PID ? pcr : undefined),
      )
    }
    if (has('audio')) {
      packets.push(...packetised(AUDIO_PID, makePes(0xc0, dts, dts, Buffer.alloc(AUDIO_BYTES, 0x5a), true), undefined))
    }
    const kept = packets.map((packet) => (shape.spoil === undefined ? packet : shape.spoil(packet, picture)))
    const present = kept.filter((packet) => packet !== undefined)
    const ahead = kept.slice(0, Math.max(0, keyAt)).filter((packet) => packet !== undefined)
    const joinOffsets = keyAt < 0 || kept[keyAt] === undefined ? [] : [ahead.length * PACKET_BYTES]
    pieces.push({ mediaMs: picture.mediaMs + PICTURE_MS, packets: Buffer.concat(present), joinOffsets })
  }
  return pieces
}

function tables(shape: ProgrammeShape, picture: Picture, pcrPid: number, counters: Map<number, number>): Buffer[] {
  const none = Buffer.alloc(0)
  const streamType = shape.videoStreamType?.(picture) ?? 0x1b
  const version = streamType & 0x1f
  const streams = [
    ...(streamType === 0 ? [] : [describeStream(VIDEO_PID, streamType, none)]),
    describeStream(AUDIO_PID, 0x0f, none),
  ]
  const pat = writePat({
    ...{ version: 1, isCurrent: true, transportStreamId: 1, sectionNumber: 0, lastSectionNumber: 0 },
    programmes: [{ programmeNumber: 1, pmtPid: PMT_PID }],
  })
  const pmt = writePmt({ version, isCurrent: true, programmeNumber: 1, pcrPid, descriptors: none, streams })
  const section = (pid: number, bytes: Buffer) => {
    const counter = counters.get(pid) ?? 0
    counters.set(pid, (counter + 1) & 0x0f)
    return packetiseSection(bytes, pid, counter)
  }
  return [
    ...(shape.has?.pat?.(picture) === false ? [] : [section(0, pat)]),
    ...(shape.has?.pmt?.(picture) === false ? [] : [section(PMT_PID, pmt)]),
  ]
}

/** When pieces arrive, in ms of the wall clock from the connection on. */
export type Delivery = (pieces: readonly Piece[]) => readonly (Piece & { readonly atMs: number })[]

export const smoothly: Delivery = (pieces) => pieces.map((piece) => ({ ...piece, atMs: piece.mediaMs }))

/** All that is complete by then, every `everyMs`, a millisecond for each ten pieces; the first at once, with a backlog. */
export const inBursts =
  (everyMs: number): Delivery =>
  (pieces) =>
    pieces.map((piece, index) => ({
      ...piece,
      atMs: Math.max(0, Math.ceil(piece.mediaMs / everyMs) - 1) * everyMs + (index % (everyMs / PICTURE_MS)) / 10,
    }))

export interface Watched {
  readonly monitor: SourceMonitor
  /** Every condition that was found, as it was first found, in the order in which they were. */
  readonly findings: readonly Finding[]
  /** The first that should end the session. */
  readonly verdict: Finding | undefined
  /** Whether every run counted as a sign of life. */
  readonly wasAlive: boolean
}

export interface WatchOptions {
  readonly delivery?: Delivery
  readonly choice?: ActionChoice
  readonly hasAlternative?: boolean
  readonly bitRateFloor?: BitRateFloor
  /** Goes on after the first verdict. */
  readonly untilTheEnd?: boolean
}

export function watch(pieces: readonly Piece[], options: WatchOptions = {}): Watched {
  const { delivery = smoothly, choice = {}, hasAlternative = true } = options
  const monitor = new SourceMonitor({
    actionOf: (condition) => choice[condition] ?? conditionFacts[condition].defaultAction,
    hasAlternative: () => hasAlternative,
    bitRateFloor: options.bitRateFloor,
    silence: { thresholdDb: -50, holdMs: 10_000, checks: undefined },
    decoders: undefined,
  })
  const findings = new Map<string, Finding>()
  let verdict: Finding | undefined
  let wasAlive = true
  for (const { packets, atMs, joinOffsets } of delivery(pieces)) {
    if (packets.length > 0 && !monitor.observe(packets, atMs, joinOffsets)) wasAlive = false
    for (const finding of monitor.findings()) {
      if (!findings.has(finding.condition)) findings.set(finding.condition, finding)
    }
    verdict ??= monitor.verdict()
    if (verdict !== undefined && options.untilTheEnd !== true) break
  }
  return { monitor, findings: [...findings.values()], verdict, wasAlive }
}

/** As in bursts, each handed over as a single run. */
export const inRuns =
  (everyMs: number): Delivery =>
  (pieces) => {
    const runs = new Map<number, Piece[]>()
    for (const piece of pieces) {
      const run = Math.max(0, Math.ceil(piece.mediaMs / everyMs) - 1)
      runs.set(run, [...(runs.get(run) ?? []), piece])
    }
    return [...runs].map(([run, parts]) => {
      let before = 0
      const joinOffsets = parts.flatMap((part) => {
        const shifted = part.joinOffsets.map((offset) => offset + before)
        before += part.packets.length
        return shifted
      })
      const packets = Buffer.concat(parts.map((part) => part.packets))
      return { mediaMs: parts.at(-1)?.mediaMs ?? 0, packets, joinOffsets, atMs: run * everyMs }
    })
  }

/** The pieces that arrive at times of their own. */
export const at =
  (timeOf: (mediaMs: number, index: number) => number): Delivery =>
  (pieces) => {
    let latestMs = 0
    return pieces.map((piece, index) => {
      latestMs = Math.max(latestMs, timeOf(piece.mediaMs, index))
      return { ...piece, atMs: latestMs }
    })
  }
