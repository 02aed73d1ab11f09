import type { Codec } from '../elementary-stream.ts'
import { isPayloadUnitStart, hasPayload, PACKET_BYTES, payloadOffset, pidOf, SYNC_BYTE } from '../packet.ts'
import { AUDIO_HEADER_BYTES, readAudioFrame } from './audio-frame.ts'
import { makePesHeader, PES_PREFIX_BYTES, readPesHeader, writeTimestamp } from './pes-header.ts'
import { OVERLAP_TOLERANCE_TICKS } from './timeline.ts'
import { wrapTimestamp } from './timestamp.ts'

/** First byte of a packet that does not go out. */
export const DROPPED = 0
const PES_LENGTH_MAX = 0xffff
/** A unit longer than this is not taken apart; audio units are far shorter. */
const UNIT_BYTES_MAX = 128 * 1024
const FRAMES_MAX = 4_096

interface FrameBegin {
  readonly at: number
  /** Begin after that of the unit's first frame. */
  readonly fromTicks: number
}

interface Frame extends FrameBegin {
  readonly end: number
}

/** Packets `buffer[from, to)` hold units of several PIDs; the one meant begins at `from`. */
export interface UnitPlace {
  readonly buffer: Buffer
  readonly from: number
  readonly to: number
  readonly pid: number
}

/**
 * Takes the frames that begin before `skipTicks` out of an audio unit, and the end of an earlier unit's frame; the PTS
 * moves along. False when no frame stays or they cannot be told apart: then nothing is changed.
 */
export function trimUnitStart(place: UnitPlace, codec: Codec, skipTicks: number): boolean {
  const unit = gather(place)
  const header = makePesHeader()
  if (unit === undefined || readPesHeader(unit.pes, 0, unit.pes.length, header) !== 'whole') return false
  const { frames, rest } = framesOf(codec, unit.pes, header.dataAt)
  const isWanted = ({ fromTicks }: FrameBegin) => fromTicks >= skipTicks - OVERLAP_TOLERANCE_TICKS
  // A frame that ends in the next unit begins here.
  const first = frames.find(isWanted) ?? (rest !== undefined && isWanted(rest) ? rest : undefined)
  if (first === undefined) return false
  if (first.at === header.dataAt) return true
  if (header.ptsAt >= 0) writeTimestamp(unit.pes, header.ptsAt, wrapTimestamp(header.pts + Math.round(first.fromTicks)))
  if (header.dtsAt >= 0) writeTimestamp(unit.pes, header.dtsAt, wrapTimestamp(header.dts + Math.round(first.fromTicks)))
  refill(
    place.buffer,
    unit.packetsAt,
    Buffer.concat([unit.pes.subarray(0, header.dataAt), unit.pes.subarray(first.at)]),
  )
  return true
}

/** Ends an incomplete audio unit with its last whole frame. False when it has none: then nothing is changed. */
export function keepWholeFrames(place: UnitPlace, codec: Codec): boolean {
  const unit = gather(place)
  const header = makePesHeader()
  if (unit === undefined || readPesHeader(unit.pes, 0, unit.pes.length, header) !== 'whole') return false
  const last = framesOf(codec, unit.pes, header.dataAt).frames.at(-1)
  if (last === undefined) return false
  refill(place.buffer, unit.packetsAt, unit.pes.subarray(0, last.end))
  return true
}

interface Unit {
  readonly packetsAt: readonly number[]
  /** A copy of the PES packet. */
  readonly pes: Buffer
}

function gather({ buffer, from, to, pid }: UnitPlace): Unit | undefined {
  const packetsAt: number[] = []
  const parts: Buffer[] = []
  let bytes = 0
  for (let at = from; at < to; at += PACKET_BYTES) {
    if (buffer[at] !== SYNC_BYTE || pidOf(buffer, at) !== pid || !hasPayload(buffer, at)) continue
    if (packetsAt.length > 0 && isPayloadUnitStart(buffer, at)) break
    const payload = buffer.subarray(payloadOffset(buffer, at), at + PACKET_BYTES)
    bytes += payload.length
    if (bytes > UNIT_BYTES_MAX) return undefined
    packetsAt.push(at)
    parts.push(payload)
  }
  return packetsAt.length === 0 ? undefined : { packetsAt, pes: Buffer.concat(parts) }
}

/** The whole frames from the first on, and the one behind them that the unit's end cuts. */
function framesOf(
  codec: Codec,
  pes: Buffer,
  dataAt: number,
): { readonly frames: readonly Frame[]; readonly rest: FrameBegin | undefined } {
  let at = dataAt
  while (at + AUDIO_HEADER_BYTES <= pes.length && !beginsFrames(codec, pes, at)) at += 1
  const frames: Frame[] = []
  let fromTicks = 0
  let isCut = false
  while (at + AUDIO_HEADER_BYTES <= pes.length && frames.length < FRAMES_MAX) {
    const frame = readAudioFrame(codec, pes, at)
    isCut = frame !== undefined && at + frame.bytes !== pes.length
    if (frame === undefined || at + frame.bytes > pes.length) break
    frames.push({ at, end: at + frame.bytes, fromTicks })
    at += frame.bytes
    fromTicks += frame.ticks
  }
  return { frames, rest: isCut && frames.length > 0 ? { at, fromTicks } : undefined }
}

function beginsFrames(codec: Codec, pes: Buffer, at: number): boolean {
  const frame = readAudioFrame(codec, pes, at)
  if (frame === undefined) return false
  const next = at + frame.bytes
  return next + AUDIO_HEADER_BYTES > pes.length || readAudioFrame(codec, pes, next) !== undefined
}

/** Puts a PES packet, no longer than the one before, into the same transport packets; those left over are dropped. */
function refill(buffer: Buffer, packetsAt: readonly number[], pes: Buffer): void {
  const length = pes.length - PES_PREFIX_BYTES
  pes.writeUInt16BE(length > PES_LENGTH_MAX ? 0 : length, 4)
  let taken = 0
  for (const at of packetsAt) {
    if (taken < pes.length) taken += writePayload(buffer, at, pes, taken)
    else buffer[at] = DROPPED
  }
}

/** Fills a packet's payload from `bytes[from]` on; what is missing becomes stuffing (ISO/IEC 13818-1 §2.4.3.4). */
function writePayload(buffer: Buffer, at: number, bytes: Buffer, from: number): number {
  const payloadAt = payloadOffset(buffer, at)
  const taken = Math.min(at + PACKET_BYTES - payloadAt, bytes.length - from)
  const newPayloadAt = at + PACKET_BYTES - taken
  if (newPayloadAt > payloadAt) {
    buffer[at + 3] = (buffer[at + 3] ?? 0) | 0x20
    buffer[at + 4] = newPayloadAt - at - 5
    // Up to two bytes of an empty field are its length and flags; the rest is stuffing.
    if (payloadAt <= at + 5 && newPayloadAt > at + 5) buffer[at + 5] = 0
    buffer.fill(0xff, Math.max(payloadAt, at + 6), Math.max(newPayloadAt, at + 6))
  }
  bytes.copy(buffer, newPayloadAt, from, from + taken)
  return taken
}
