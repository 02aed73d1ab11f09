import {
  hasAdaptationField,
  hasDiscontinuityIndicator,
  hasPayload,
  hasPcr,
  hasTransportError,
  isScrambled,
  PACKET_BYTES,
  pcrOf,
  PID_COUNT,
  PID_NULL,
  PID_PAT,
  pidOf,
} from '../packet.ts'
import { MediaClock } from './clock.ts'
import { ContinuityWatch } from './continuity-watch.ts'
import { durationText, FindingLog } from './finding.ts'
import type { Place } from './finding.ts'
import { PacketSync } from './packet-sync.ts'
import type { ProgrammeWatch } from './programme-watch.ts'
import type { AnalyserReport, PidReport } from './report.ts'
import type { StreamWatch } from './stream-watch.ts'
import { PID_CAT, TableWatch } from './table-watch.ts'

/** Judges a transport stream as it comes. */
export interface Analyser {
  /** Takes bytes in any pieces. Never throws; what it holds does not grow with what it was given. */
  push(chunk: Buffer): void
  /** What was found so far. Packets that waited for a confirmation by more bytes are taken as they are. */
  report(): AnalyserReport
}

/**
 * An analyser of ISO/IEC 13818-1 transport streams by ETSI TR 101 290 §5.2 first and second priority, and of the
 * timelines and codecs in it. Intervals are measured on the PCR, never on the wall.
 */
export function createAnalyser(): Analyser {
  return new TransportAnalyser()
}

/** Tables and reserved PIDs (ISO/IEC 13818-1 Table 2-3, ETSI EN 300 468 §5.1.3, ATSC A/65). */
const PID_FIRST_FREE = 0x20
const PID_ATSC_BASE = 0x1ffb
/** How often time is asked whether it goes on without a PCR, in packets; a power of two. */
const COAST_EVERY_PACKETS = 32

interface PidState {
  readonly pid: number
  readonly continuity: ContinuityWatch
  readonly firstPlace: Place
  packets: number
  isScrambled: boolean
  stream: StreamWatch | undefined
  /** Programmes whose PCR is here. */
  clocked: readonly ProgrammeWatch[]
}

class TransportAnalyser implements Analyser {
  readonly #log = new FindingLog()
  readonly #clock = new MediaClock()
  readonly #pids: (PidState | undefined)[] = Array.from({ length: PID_COUNT }, () => undefined)
  readonly #tables: TableWatch
  readonly #sync: PacketSync
  readonly #here = (): Place => this.#place()
  #bytes = 0
  #packets = 0
  #byteOffset = 0
  #hasScrambled = false
  /** That no PCR comes was told. */
  #isCoasting = false

  constructor() {
    this.#tables = new TableWatch({
      log: this.#log,
      onChange: () => this.#route(),
      onTimed: (pid, dts) => this.#timed(pid, dts),
    })
    this.#sync = new PacketSync({
      onPacket: (buffer, at, byteOffset) => this.#packet(buffer, at, byteOffset),
      onWrongSyncByte: (byteOffset) => this.#wrongSyncByte(byteOffset),
      onSkipped: (byteOffset, bytes, isFirst) => this.#skipped(byteOffset, bytes, isFirst),
    })
  }

  push(chunk: Buffer): void {
    this.#bytes += chunk.length
    this.#sync.push(chunk)
  }

  report(): AnalyserReport {
    this.#sync.drain()
    this.#tables.flush()
    const log = this.#conclude()
    const rate = this.#clock.packetsPerMs
    const findings = log.list()
    const countOf = (wanted: string) => findings.filter(({ severity }) => severity === wanted).length
    return {
      bytes: this.#bytes,
      packets: this.#packets,
      packetBytes: this.#sync.packetBytes,
      durationMs: rate === undefined ? undefined : this.#clock.elapsedMs,
      bitsPerSecond: rate === undefined ? undefined : Math.round(rate * PACKET_BYTES * 8_000),
      programmes: this.#tables.programmes.map((programme) => programme.report(rate, this.#packets)),
      pids: this.#pids.flatMap((state) => (state === undefined ? [] : [this.#describe(state)])),
      signature: this.#tables.chosen?.signature(),
      findings,
      findingsDropped: log.dropped,
      errors: countOf('error'),
      warnings: countOf('warning'),
      notes: countOf('note'),
    }
  }

  #packet(buffer: Buffer, at: number, byteOffset: number): void {
    const packet = this.#packets
    this.#packets += 1
    this.#byteOffset = byteOffset
    if (packet % COAST_EVERY_PACKETS === 0 && this.#clock.coastByPackets(packet)) this.#coasted()
    const pid = pidOf(buffer, at)
    const state = this.#pids[pid] ?? this.#follow(pid)
    state.packets += 1
    if (pid === PID_NULL) return
    if (hasTransportError(buffer, at)) {
      // Nothing else in it can be trusted (TR 101 290 §5.2.2).
      this.#log.add({ code: 'transport_error', pid, place: this.#place(), detail: 'transport_error_indicator' })
      state.continuity.forget()
      state.stream?.lose()
      return
    }
    const continuity = state.continuity.observe(buffer, at)
    if (continuity.kind === 'duplicate') return
    if (continuity.kind === 'error') {
      const { detail, lost } = continuity
      this.#log.add({ code: 'continuity_count_error', pid, place: this.#place(), detail, measure: lost })
    }
    if (continuity.kind === 'error' || continuity.kind === 'announced') state.stream?.lose()
    if (hasAdaptationField(buffer, at)) this.#timing(buffer, at, state)
    const isClear = !isScrambled(buffer, at)
    if (!isClear) this.#scrambled(state)
    if (!hasPayload(buffer, at)) return
    state.stream?.push(buffer, at, !isClear, this.#here)
    if (isClear && state.stream === undefined) this.#tables.push(pid, buffer, at, this.#here)
  }

  #timing(buffer: Buffer, at: number, { pid, clocked }: PidState): void {
    if (hasDiscontinuityIndicator(buffer, at)) for (const { pcr } of clocked) pcr.announce()
    if (!hasPcr(buffer, at)) return
    const pcr = pcrOf(buffer, at)
    const hasTicked = this.#clock.observe(pid, pcr, this.#packets)
    if (clocked.length > 0) {
      const place = this.#place()
      for (const programme of clocked) programme.pcr.observe(pcr, pid, place)
    }
    if (!hasTicked) return
    this.#isCoasting = false
    this.#tick()
  }

  #tick(): void {
    const nowMs = this.#clock.elapsedMs
    if (nowMs === undefined) return
    this.#tables.tick(nowMs, this.#here)
  }

  #timed(pid: number, dts: number): void {
    if (this.#clock.coastByDts(pid, dts)) this.#coasted()
  }

  /** Time went on though no clock reference came. */
  #coasted(): void {
    const { coastedMs } = this.#clock
    const pid = this.#tables.chosen?.pmt?.pcrPid
    if (!this.#isCoasting) {
      const detail = `no PCR for about ${durationText(coastedMs)}`
      this.#log.add({ code: 'pcr_repetition_error', pid, place: this.#place(), detail, measure: coastedMs })
    } else this.#log.worsen('pcr_repetition_error', pid, coastedMs)
    this.#isCoasting = true
    this.#tick()
  }

  #scrambled(state: PidState): void {
    const { pid } = state
    if (state.isScrambled) return
    state.isScrambled = true
    this.#hasScrambled = true
    const place = this.#place()
    const detail = 'transport_scrambling_control is set'
    this.#log.add({ code: 'scrambled', pid, place, detail })
    if (pid === PID_PAT) this.#log.add({ code: 'pat_error', pid, place, detail })
    if (this.#tables.isPmtPid(pid)) this.#log.add({ code: 'pmt_error', pid, place, detail })
  }

  #follow(pid: number): PidState {
    const state: PidState = {
      pid,
      continuity: new ContinuityWatch(),
      firstPlace: this.#place(),
      packets: 0,
      isScrambled: false,
      stream: undefined,
      clocked: [],
    }
    this.#pids[pid] = state
    this.#assign(state)
    return state
  }

  /** The tables changed: says anew what each PID carries. */
  #route(): void {
    const pcrPid = this.#tables.chosen?.pmt?.pcrPid
    if (pcrPid !== undefined) this.#clock.assign(pcrPid)
    for (const state of this.#pids) if (state !== undefined) this.#assign(state)
  }

  #assign(state: PidState): void {
    state.stream = this.#tables.streamOf(state.pid)
    state.clocked = this.#tables.programmes.filter(({ pmt }) => pmt?.pcrPid === state.pid)
  }

  #wrongSyncByte(byteOffset: number): void {
    this.#byteOffset = byteOffset
    this.#log.add({ code: 'sync_byte_error', place: this.#place(), detail: 'another byte than 0x47' })
  }

  #skipped(byteOffset: number, bytes: number, isFirst: boolean): void {
    this.#byteOffset = byteOffset
    const code = isFirst ? 'partial_packet' : 'ts_sync_loss'
    const detail = isFirst ? `${bytes} bytes before the first packet` : `${bytes} bytes that belong to no packet`
    this.#log.add({ code, place: this.#place(), detail, measure: bytes })
  }

  /** What holds if nothing more comes. */
  #conclude(): FindingLog {
    const log = this.#log.copy()
    const place = this.#place()
    if (this.#packets === 0) {
      const detail = this.#bytes === 0 ? 'no bytes at all' : `no packets in ${this.#bytes} bytes`
      log.add({ code: 'not_a_transport_stream', place, detail })
      return log
    }
    const { heldBytes } = this.#sync
    if (heldBytes > 0) {
      const detail = `${heldBytes} bytes behind the last packet`
      log.add({ code: 'partial_packet', place, detail, measure: heldBytes })
    }
    this.#tables.conclude(log, place)
    if (this.#hasScrambled && (this.#pids[PID_CAT]?.packets ?? 0) === 0) {
      log.add({ code: 'cat_error', pid: PID_CAT, place, detail: 'scrambled packets, and no CAT' })
    }
    for (const state of this.#pids) {
      if (state === undefined || this.#describe(state).role !== 'unreferenced') continue
      const detail = `${state.packets} packets of a PID that no table names`
      log.add({ code: 'unreferenced_pid', pid: state.pid, place: state.firstPlace, detail })
    }
    return log
  }

  #describe({ pid, packets, stream, clocked }: PidState): PidReport {
    const role = (): PidReport['role'] => {
      if (pid === PID_NULL) return 'null'
      if (stream !== undefined) return 'stream'
      if (this.#tables.isPmtPid(pid)) return 'pmt'
      if (clocked.length > 0) return 'pcr'
      return pid < PID_FIRST_FREE || pid === PID_ATSC_BASE || this.#tables.isNamed(pid) ? 'table' : 'unreferenced'
    }
    return { pid, packets, role: role() }
  }

  #place(): Place {
    const packet = Math.max(0, this.#packets - 1)
    return { packet, byteOffset: this.#byteOffset, mediaTimeMs: this.#clock.elapsedMs }
  }
}
