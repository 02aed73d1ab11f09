/**
 * Everything that the analyser can say about a transport stream. `error`: illegal, or a decoder loses something.
 * `warning`: legal, and players are known to stumble. `note`: worth knowing.
 */
export type Severity = 'error' | 'warning' | 'note'

interface FindingClass {
  /** The condition's name in the standard where it has one. */
  readonly name: string
  readonly clause: string
  readonly severity: Severity
  /** Of `worst` and of the measures in places. */
  readonly unit?: 'ms' | 'packets' | 'bytes'
}

/** TR 101 290 is ETSI TR 101 290 §5.2; 13818-1 is ISO/IEC 13818-1. docs/CHECK.md explains each code. */
export const FINDINGS = {
  not_a_transport_stream: { name: 'No transport stream', clause: '13818-1 §2.4.3.2', severity: 'error' },
  ts_sync_loss: { name: 'TS_sync_loss', clause: 'TR 101 290 1.1', severity: 'error', unit: 'bytes' },
  sync_byte_error: { name: 'Sync_byte_error', clause: 'TR 101 290 1.2', severity: 'error' },
  pat_error: { name: 'PAT_error', clause: 'TR 101 290 1.3', severity: 'error', unit: 'ms' },
  continuity_count_error: {
    name: 'Continuity_count_error',
    clause: 'TR 101 290 1.4',
    severity: 'error',
    unit: 'packets',
  },
  pmt_error: { name: 'PMT_error', clause: 'TR 101 290 1.5', severity: 'error', unit: 'ms' },
  pid_error: { name: 'PID_error', clause: 'TR 101 290 1.6', severity: 'error', unit: 'ms' },
  transport_error: { name: 'Transport_error', clause: 'TR 101 290 2.1', severity: 'error' },
  crc_error: { name: 'CRC_error', clause: 'TR 101 290 2.2', severity: 'error' },
  pcr_repetition_error: { name: 'PCR_repetition_error', clause: 'TR 101 290 2.3a', severity: 'error', unit: 'ms' },
  pcr_repetition_dvb: { name: 'PCR interval above 40 ms', clause: 'TS 101 154 §4.1.7', severity: 'note', unit: 'ms' },
  pcr_discontinuity_error: {
    name: 'PCR_discontinuity_indicator_error',
    clause: 'TR 101 290 2.3b',
    severity: 'error',
    unit: 'ms',
  },
  pts_error: { name: 'PTS_error', clause: 'TR 101 290 2.5', severity: 'error', unit: 'ms' },
  cat_error: { name: 'CAT_error', clause: 'TR 101 290 2.6', severity: 'error' },
  unreferenced_pid: { name: 'Unreferenced_PID', clause: 'TR 101 290 3.4', severity: 'note' },
  scrambled: { name: 'Scrambled packets', clause: '13818-1 §2.4.3.3', severity: 'note' },
  announced_discontinuity: {
    name: 'Announced discontinuity',
    clause: '13818-1 §2.4.3.5',
    severity: 'note',
    unit: 'ms',
  },
  table_version_error: { name: 'Table changed under its version', clause: '13818-1 §2.4.4', severity: 'error' },
  programme_changed: { name: 'Programme changed', clause: '13818-1 §2.4.4.9', severity: 'warning' },
  pes_header_error: { name: 'PES header damaged', clause: '13818-1 §2.4.3.7', severity: 'error' },
  pes_length_error: { name: 'PES_packet_length not met', clause: '13818-1 §2.4.3.7', severity: 'error', unit: 'bytes' },
  dts_not_increasing: { name: 'DTS not increasing', clause: '13818-1 §2.4.3.7', severity: 'error', unit: 'ms' },
  dts_step: { name: 'DTS step above 1.5 frames', clause: '13818-1 §2.7.5', severity: 'error', unit: 'ms' },
  variable_frame_rate: { name: 'Uneven DTS steps', clause: '13818-1 §2.7.5', severity: 'note', unit: 'ms' },
  pts_before_dts: { name: 'PTS before DTS', clause: '13818-1 §2.4.3.7', severity: 'error', unit: 'ms' },
  dts_before_pcr: { name: 'DTS before PCR', clause: '13818-1 §2.4.2.3', severity: 'error', unit: 'ms' },
  dts_far_from_pcr: { name: 'DTS far from PCR', clause: '13818-1 §2.4.2.6', severity: 'error', unit: 'ms' },
  av_skew: { name: 'Audio and video arrive apart', clause: '13818-1 §2.4.2.6', severity: 'warning', unit: 'ms' },
  audio_hole: { name: 'Audio hole', clause: '13818-1 §2.7.5', severity: 'error', unit: 'ms' },
  audio_overlap: { name: 'Audio overlap', clause: '13818-1 §2.7.5', severity: 'error', unit: 'ms' },
  audio_frame_broken: { name: 'Audio frame broken off', clause: '13818-1 §2.4.1', severity: 'error', unit: 'bytes' },
  picture_reference_missing: {
    name: 'Reference picture missing',
    clause: 'H.264 §7.4.3 frame_num',
    severity: 'error',
    unit: 'packets',
  },
  jump_without_random_access: {
    name: 'Join outside a random access point',
    clause: '13818-1 §2.4.3.5',
    severity: 'error',
  },
  parameter_sets_missing: { name: 'Parameter sets missing', clause: 'H.264 §7.4.1.2.1', severity: 'error' },
  signature_changed: { name: 'Codec signature changed', clause: '13818-1 §2.6', severity: 'warning' },
  random_access_rare: { name: 'Random access rare', clause: 'TS 101 154 §4.1.5', severity: 'warning', unit: 'ms' },
  starts_without_random_access: {
    name: 'Begins before a random access point',
    clause: '13818-1 §2.4.3.5',
    severity: 'note',
  },
  partial_packet: { name: 'Partial packet', clause: '13818-1 §2.4.3.2', severity: 'note', unit: 'bytes' },
} as const satisfies Record<string, FindingClass>

export type FindingCode = keyof typeof FINDINGS

/** Where something was found. */
export interface Place {
  /** Number of the packet, from 0. */
  readonly packet: number
  /** Offset of the packet in the input. */
  readonly byteOffset: number
  /** Media time since the first PCR; undefined before it. */
  readonly mediaTimeMs: number | undefined
}

export interface FoundPlace extends Place {
  readonly detail: string
}

/** One condition on one PID. */
export interface Finding extends FindingClass {
  readonly code: FindingCode
  /** Undefined when it concerns the whole stream. */
  readonly pid: number | undefined
  readonly count: number
  /** The largest measure, in `unit`. */
  readonly worst: number | undefined
  /** The first ones, at most `PLACES_MAX`. */
  readonly places: readonly FoundPlace[]
}

export const PLACES_MAX = 5
/** Pairs of code and PID that are told apart; what comes beyond is counted together. */
const FINDINGS_MAX = 1_024

interface Entry {
  readonly code: FindingCode
  readonly pid: number | undefined
  count: number
  worst: number | undefined
  readonly places: FoundPlace[]
}

export interface Observation {
  readonly code: FindingCode
  readonly pid?: number | undefined
  readonly place: Place
  readonly detail: string
  readonly measure?: number
}

/** Counts what is found and keeps the first places of each. Bounded. */
export class FindingLog {
  readonly #entries = new Map<string, Entry>()
  #dropped = 0

  /** Findings that were counted only, because there were too many kinds. */
  get dropped(): number {
    return this.#dropped
  }

  add({ code, pid, place, detail, measure }: Observation): void {
    const entry = this.#entry(code, pid)
    if (entry === undefined) return
    entry.count += 1
    if (entry.places.length < PLACES_MAX) entry.places.push({ ...place, detail })
    if (measure !== undefined) entry.worst = Math.max(entry.worst ?? -Infinity, measure)
  }

  /** Something that was found already got worse. */
  worsen(code: FindingCode, pid: number | undefined, measure: number): void {
    const entry = this.#entries.get(keyOf(code, pid))
    if (entry !== undefined) entry.worst = Math.max(entry.worst ?? -Infinity, measure)
  }

  countOf(code: FindingCode, pid?: number): number {
    return this.#entries.get(keyOf(code, pid))?.count ?? 0
  }

  /** A log of its own with the same content, for what is true only if nothing more comes. */
  copy(): FindingLog {
    const copied = new FindingLog()
    for (const [key, entry] of this.#entries) copied.#entries.set(key, { ...entry, places: [...entry.places] })
    copied.#dropped = this.#dropped
    return copied
  }

  /** Gives the findings of a code another one. */
  rename(code: FindingCode, pid: number, other: FindingCode): void {
    const entry = this.#entries.get(keyOf(code, pid))
    if (entry === undefined) return
    this.#entries.delete(keyOf(code, pid))
    this.#entries.set(keyOf(other, pid), { ...entry, code: other })
  }

  /** Takes back what turned out not to be one. */
  forget(code: FindingCode, pid: number): void {
    this.#entries.delete(keyOf(code, pid))
  }

  /** Errors first, then in the order of the table above. */
  list(): readonly Finding[] {
    const order = Object.keys(FINDINGS)
    const rank = ({ code, severity, pid }: Finding) =>
      ['error', 'warning', 'note'].indexOf(severity) * 2 ** 24 + order.indexOf(code) * 2 ** 14 + (pid ?? -1) + 1
    return [...this.#entries.values()]
      .map(({ code, pid, count, worst, places }) => ({ ...FINDINGS[code], code, pid, count, worst, places }))
      .toSorted((left, right) => rank(left) - rank(right))
  }

  #entry(code: FindingCode, pid: number | undefined): Entry | undefined {
    const key = keyOf(code, pid)
    const known = this.#entries.get(key)
    if (known !== undefined) return known
    if (this.#entries.size >= FINDINGS_MAX) {
      this.#dropped += 1
      return undefined
    }
    const entry: Entry = { code, pid, count: 0, worst: undefined, places: [] }
    this.#entries.set(key, entry)
    return entry
  }
}

function keyOf(code: FindingCode, pid: number | undefined): string {
  return `${code} ${pid ?? ''}`
}

/** `0x100`, as tables write PIDs. */
export function pidText(pid: number): string {
  return `0x${pid.toString(16)}`
}

/** A duration for people: `40 ms`, `4.99 s`, `1 h 23 min`. Takes milliseconds. */
export function durationText(ms: number): string {
  const size = Math.abs(ms)
  if (size >= 3_600_000) return `${Math.trunc(ms / 3_600_000)} h ${Math.trunc((size % 3_600_000) / 60_000)} min`
  if (size >= 1_000) return `${Number((ms / 1_000).toFixed(2))} s`
  return `${Number(ms.toFixed(1))} ms`
}
