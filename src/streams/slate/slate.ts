import { indexWhole } from '../../mpegts/index-whole.ts'
import {
  hasTransportError,
  isPayloadUnitStart,
  PACKET_BYTES,
  payloadOffset,
  PID_PAT,
  pidOf,
  SYNC_BYTE,
} from '../../mpegts/packet.ts'
import { parsePat, parsePmt } from '../../mpegts/psi.ts'
import type { Pmt } from '../../mpegts/psi.ts'
import { SectionAssembler } from '../../mpegts/section-assembler.ts'
import { makePesHeader, readPesHeader } from '../../mpegts/splice/pes-header.ts'
import { TICKS_PER_MS, timestampStep } from '../../mpegts/splice/timestamp.ts'

/** A picture or a frame of sound. */
export interface SlateUnit {
  /** 90 kHz, counted from the first unit of the main track without wrap. */
  readonly dts: number
  /** A decoder can begin here. */
  readonly isKey: boolean
  /** Offsets in `Slate.bytes` of its packets. */
  readonly packets: readonly number[]
}

/** One elementary stream, to be played again and again. */
export interface SlateTrack {
  readonly pid: number
  readonly kind: 'video' | 'audio'
  readonly units: readonly SlateUnit[]
  /** 90 kHz from one unit to the next; may have a fraction. */
  readonly unitTicks: number
}

/** A piece of a programme that can be repeated without end. */
export interface Slate {
  /** Whole 188-byte packets as they were rendered. */
  readonly bytes: Buffer
  /** PAT and PMT packets. */
  readonly tables: Buffer
  /** Offsets in `bytes` at which a decoder can begin. */
  readonly joinOffsets: readonly number[]
  /** Of one loop. */
  readonly durationMs: number
  /** The main track first: the video, or the first audio where there is none. It sets the length of a loop and has the PCR. */
  readonly tracks: readonly SlateTrack[]
}

interface OpenTrack {
  readonly kind: 'video' | 'audio'
  readonly units: { readonly dts: number; readonly isKey: boolean; readonly packets: number[] }[]
}

/** A second of media or more, not all of the same time. */
const UNITS_MIN = 2

/** Reads a slate from an MPEG-TS that ffmpeg made; undefined when there is none in it that can be played in a loop. */
export function readSlate(bytes: Buffer): Slate | undefined {
  if (bytes.length === 0 || bytes.length % PACKET_BYTES !== 0) return undefined
  for (let at = 0; at < bytes.length; at += PACKET_BYTES) {
    if (bytes[at] !== SYNC_BYTE || hasTransportError(bytes, at)) return undefined
  }
  const { tables, joinOffsets } = indexWhole(bytes)
  const pmt = readPmt(tables)
  if (pmt === undefined) return undefined
  const tracks = collectTracks(bytes, pmt, new Set(joinOffsets))
  const [main] = tracks
  if (main === undefined || main.units[0]?.isKey !== true) return undefined
  const durationMs = loopTicksOf(main) / TICKS_PER_MS
  return { bytes, tables, joinOffsets, durationMs, tracks }
}

/** 90 kHz from the begin of a loop to that of the next. */
export function loopTicksOf({ units, unitTicks }: SlateTrack): number {
  return Math.round(units.length * unitTicks)
}

function readPmt(tables: Buffer): Pmt | undefined {
  const assembler = new SectionAssembler()
  let pmtPid: number | undefined
  let pmt: Pmt | undefined
  for (let at = 0; at < tables.length; at += PACKET_BYTES) {
    const pid = pidOf(tables, at)
    assembler.push(tables, at, (section) => {
      if (pid === PID_PAT) pmtPid ??= parsePat(section)?.programmes[0]?.pmtPid
      else if (pid === pmtPid) pmt ??= parsePmt(section)
    })
  }
  return pmt
}

function collectTracks(bytes: Buffer, { streams, pcrPid }: Pmt, joins: ReadonlySet<number>): readonly SlateTrack[] {
  const open = new Map<number, OpenTrack>()
  for (const { pid, kind } of streams) if (kind === 'video' || kind === 'audio') open.set(pid, { kind, units: [] })
  const header = makePesHeader()
  let firstDts: number | undefined
  for (let at = 0; at < bytes.length; at += PACKET_BYTES) {
    const pid = pidOf(bytes, at)
    const track = open.get(pid)
    if (track === undefined) continue
    if (isPayloadUnitStart(bytes, at)) {
      const kind = readPesHeader(bytes, payloadOffset(bytes, at), at + PACKET_BYTES, header)
      // Where the timestamps of a unit are not in one packet it cannot be moved in time.
      if (kind !== 'whole' || header.ptsAt < 0) return []
      firstDts ??= header.dts
      track.units.push({ dts: timestampStep(header.dts, firstDts), isKey: joins.has(at), packets: [at] })
    } else track.units.at(-1)?.packets.push(at)
  }
  const tracks = [...open]
    .filter(([, { units }]) => units.length >= UNITS_MIN)
    .map(([pid, { kind, units }]): SlateTrack => ({ pid, kind, units, unitTicks: stepOf(units) }))
    .toSorted((left, right) => rankOf(left) - rankOf(right))
  const isSteady = tracks.every(({ unitTicks }) => unitTicks >= 1)
  return isSteady && tracks[0]?.pid === pcrPid ? tracks : []
}

function rankOf({ kind }: SlateTrack): number {
  return kind === 'video' ? 0 : 1
}

/** The average, since frames of 59.94 a second or of 44.1 kHz do not last a whole number of ticks. */
function stepOf(units: readonly { readonly dts: number }[]): number {
  return ((units.at(-1)?.dts ?? 0) - (units[0]?.dts ?? 0)) / (units.length - 1)
}
