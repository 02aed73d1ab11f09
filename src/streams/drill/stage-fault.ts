import type { StreamKind } from '../../mpegts/elementary-stream.ts'
import {
  continuityCounterOf,
  hasPayload,
  hasPcr,
  isPayloadUnitStart,
  isScrambled,
  PACKET_BYTES,
  payloadOffset,
  pcrOf,
  pidOf,
  writePcr,
} from '../../mpegts/packet.ts'
import { ProgrammeTables } from '../../mpegts/programme-tables.ts'
import { makePesHeader, readPesHeader, writeTimestamp } from '../../mpegts/splice/pes-header.ts'
import type { StagedFault } from '../sources/staged-fault.ts'
import type { FailureMode } from './drill-mode.ts'
import { PacketRun } from './packet-run.ts'
import type { PacketChange } from './packet-run.ts'

const NOTHING = Buffer.alloc(0)
const PAGE = Buffer.from(
  '<!DOCTYPE html><html><head><title>Error</title></head><body><h1>This channel is not available</h1></body></html>\n',
)
/** Of the packets of video and audio one in so many is lost: far more than the limit of the condition. */
const LOST_ONE_IN = 8

/** What makes a source look as if it had failed in this way. */
export function stageFault(mode: FailureMode): StagedFault {
  switch (mode) {
    case 'reset':
      return { kind: 'connection_reset' }
    case 'stall':
      return { kind: 'altered', alter: () => NOTHING }
    case 'not_media':
      return { kind: 'altered', alter: (bytes) => Buffer.alloc(bytes.length, PAGE) }
    case 'no_video':
      return packets(streamsGone('video'))
    case 'no_audio':
      return packets(streamsGone('audio'))
    case 'continuity_errors':
      return packets(packetsLost())
    case 'frozen_timestamps':
      return packets(timestampsFrozen())
    default:
      return mode satisfies never
  }
}

function packets(change: PacketChange): StagedFault {
  const run = new PacketRun(change)
  return { kind: 'altered', alter: (bytes) => run.alter(bytes) }
}

/** Which PIDs carry what, as the tables say that pass by; nothing is known until they have. */
class PidKinds {
  readonly #tables = new ProgrammeTables()
  #kinds = new Map<number, StreamKind>()

  see(bytes: Buffer, at: number): StreamKind | undefined {
    const pid = pidOf(bytes, at)
    const kind = this.#kinds.get(pid)
    if (kind === undefined && this.#tables.push(pid, bytes, at)) {
      const streams = [...this.#tables.pmts.values()].flatMap((pmt) => pmt.streams)
      this.#kinds = new Map(streams.map((stream) => [stream.pid, stream.kind]))
    }
    return kind
  }
}

/** The streams of one kind are not sent any more; a clock reference in their packets still is, as encoders do. */
function streamsGone(gone: StreamKind): PacketChange {
  const kinds = new PidKinds()
  const counters = new Map<number, number>()
  return (bytes, at) => {
    if (kinds.see(bytes, at) !== gone) return true
    const pid = pidOf(bytes, at)
    // A packet without payload repeats the counter of the payload before it (ISO/IEC 13818-1 §2.4.3.3).
    const counter = counters.get(pid) ?? (continuityCounterOf(bytes, at) + (hasPayload(bytes, at) ? 15 : 16)) % 16
    counters.set(pid, counter)
    if (!hasPcr(bytes, at)) return false
    const pcr = pcrOf(bytes, at)
    bytes[at + 1] = (bytes[at + 1] ?? 0) & 0xbf
    bytes[at + 3] = 0x20 | counter
    bytes[at + 4] = PACKET_BYTES - 5
    bytes[at + 5] = 0x10
    bytes.fill(0xff, at + 6, at + PACKET_BYTES)
    writePcr(bytes, at, pcr)
    return true
  }
}

function packetsLost(): PacketChange {
  const kinds = new PidKinds()
  let count = 0
  return (bytes, at) => {
    const kind = kinds.see(bytes, at)
    if (kind !== 'video' && kind !== 'audio') return true
    count += 1
    return count % LOST_ONE_IN !== 0
  }
}

/** The clock references and timestamps of each PID repeat the first ones that came. */
function timestampsFrozen(): PacketChange {
  const clocks = new Map<number, number>()
  const stamps = new Map<number, { readonly pts: number; readonly dts: number }>()
  const header = makePesHeader()
  return (bytes, at) => {
    const pid = pidOf(bytes, at)
    if (hasPcr(bytes, at)) {
      const pcr = clocks.get(pid) ?? pcrOf(bytes, at)
      clocks.set(pid, pcr)
      writePcr(bytes, at, pcr)
    }
    if (!isPayloadUnitStart(bytes, at) || !hasPayload(bytes, at) || isScrambled(bytes, at)) return true
    if (readPesHeader(bytes, payloadOffset(bytes, at), at + PACKET_BYTES, header) !== 'whole') return true
    if (header.ptsAt < 0) return true
    const { pts, dts } = stamps.get(pid) ?? { pts: header.pts, dts: header.dts }
    stamps.set(pid, { pts, dts })
    writeTimestamp(bytes, header.ptsAt, header.dtsAt < 0 ? dts : pts)
    if (header.dtsAt >= 0) writeTimestamp(bytes, header.dtsAt, dts)
    return true
  }
}
