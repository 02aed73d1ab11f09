import {
  hasDiscontinuityIndicator,
  hasPayload,
  hasPcr,
  isPayloadUnitStart,
  PACKET_BYTES,
  payloadOffset,
} from '../packet.ts'
import { continuityCounterOf, PCR_MODULUS, pcrOf, pidOf, SYNC_BYTE } from '../packet.ts'
import { parsePat, parsePmt } from '../psi.ts'
import { SectionAssembler } from '../section-assembler.ts'
import { readUnitData } from './source.fixture.ts'

/**
 * Reads an output as a viewer would and lists what is not legal in it. It shares the packet accessors with the splice but
 * none of its reasoning about units, time or counters.
 */
export interface OutputReport {
  readonly faults: readonly string[]
  /** DTS per PID in order. */
  readonly units: ReadonlyMap<number, readonly { readonly dts: number; readonly pts: number }[]>
  readonly pmtVersions: readonly number[]
  readonly pcrStepsMs: readonly number[]
  readonly discontinuities: number
  /** Longest stretch of video DTS without a PAT, in ticks. */
  readonly tableGapTicks: number
}

const MODULUS = 2 ** 33

export function checkOutput(output: Buffer): OutputReport {
  const reader = new OutputReader()
  for (let at = 0; at < output.length; at += PACKET_BYTES) reader.read(output, at)
  return reader.finish()
}

class OutputReader {
  readonly #faults: string[] = []
  readonly #counters = new Map<number, number>()
  readonly #open = new Map<number, Buffer[]>()
  readonly #units = new Map<number, { dts: number; pts: number }[]>()
  readonly #pmtVersions: number[] = []
  readonly #pcrStepsMs: number[] = []
  readonly #pat = new SectionAssembler()
  readonly #pmt = new SectionAssembler()
  #pcrPid = -1
  #pids = new Set<number>()
  #videoPid = -1
  #lastPcr = -1
  #discontinuities = 0
  #tableGapTicks = 0
  #tablesDts: number | undefined

  read(output: Buffer, at: number): void {
    if (output[at] !== SYNC_BYTE) this.#faults.push(`no sync byte at ${at}`)
    const pid = pidOf(output, at)
    this.#checkCounter(output, at, pid)
    if (hasDiscontinuityIndicator(output, at)) this.#discontinuities += 1
    if (hasPcr(output, at)) this.#checkPcr(pid, pcrOf(output, at), at)
    if (pid === 0) this.#pat.push(output, at, (section) => this.#readPat(section))
    else if (pid === 0x1000) this.#pmt.push(output, at, (section) => this.#readPmt(section))
    else this.#readMedia(output, at, pid)
  }

  finish(): OutputReport {
    for (const pid of this.#open.keys()) this.#endUnit(pid)
    return {
      faults: this.#faults,
      units: this.#units,
      pmtVersions: this.#pmtVersions,
      pcrStepsMs: this.#pcrStepsMs,
      discontinuities: this.#discontinuities,
      tableGapTicks: this.#tableGapTicks,
    }
  }

  #checkCounter(output: Buffer, at: number, pid: number): void {
    const counter = continuityCounterOf(output, at)
    const last = this.#counters.get(pid)
    this.#counters.set(pid, counter)
    if (last === undefined) return
    const expected = hasPayload(output, at) ? (last + 1) & 0x0f : last
    if (counter !== expected) this.#faults.push(`continuity of ${pid} at ${at}: ${counter} instead of ${expected}`)
  }

  #checkPcr(pid: number, pcr: number, at: number): void {
    if (pid !== this.#pcrPid) this.#faults.push(`PCR on ${pid} at ${at}`)
    if (this.#lastPcr >= 0) {
      const step = (pcr - this.#lastPcr + PCR_MODULUS) % PCR_MODULUS
      if (step === 0 || step > PCR_MODULUS / 2) this.#faults.push(`PCR ran back at ${at}`)
      this.#pcrStepsMs.push(step / 27_000)
    }
    this.#lastPcr = pcr
  }

  #readPat(section: Buffer): void {
    if (parsePat(section)?.programmes[0]?.pmtPid !== 0x1000) this.#faults.push('PAT is damaged')
    this.#tablesDts = this.#units.get(this.#videoPid)?.at(-1)?.dts
  }

  #readPmt(section: Buffer): void {
    const pmt = parsePmt(section)
    if (pmt === undefined) {
      this.#faults.push('PMT is damaged')
      return
    }
    if (this.#pmtVersions.at(-1) !== pmt.version) this.#pmtVersions.push(pmt.version)
    this.#pcrPid = pmt.pcrPid
    this.#pids = new Set(pmt.streams.map(({ pid }) => pid))
    for (const pid of this.#open.keys()) if (!this.#pids.has(pid)) this.#endUnit(pid)
    this.#videoPid = pmt.streams.find(({ kind }) => kind === 'video')?.pid ?? -1
  }

  #readMedia(output: Buffer, at: number, pid: number): void {
    if (!this.#pids.has(pid)) this.#faults.push(`PID ${pid} at ${at} is not in the PMT`)
    if (!hasPayload(output, at)) return
    const payload = output.subarray(payloadOffset(output, at), at + PACKET_BYTES)
    if (isPayloadUnitStart(output, at)) {
      this.#endUnit(pid)
      this.#beginUnit(pid, payload, at)
      this.#open.set(pid, [payload])
    } else if (this.#open.has(pid)) this.#open.get(pid)?.push(payload)
    else this.#faults.push(`payload of ${pid} at ${at} belongs to no unit`)
  }

  #beginUnit(pid: number, payload: Buffer, at: number): void {
    const pts = stamp(payload, 9)
    const dts = ((payload[7] ?? 0) & 0x40) === 0 ? pts : stamp(payload, 14)
    const units = this.#units.get(pid) ?? []
    this.#units.set(pid, units)
    const last = units.at(-1)
    if (last !== undefined && !isAfter(dts, last.dts)) this.#faults.push(`DTS of ${pid} at ${at} ran back`)
    if (isAfter(dts, pts)) this.#faults.push(`DTS of ${pid} at ${at} is after its PTS`)
    if (this.#lastPcr >= 0 && isAfter(this.#lastPcr / 300, dts))
      this.#faults.push(`PCR at ${at} is after the DTS of ${pid}`)
    units.push({ dts, pts })
    if (pid !== this.#videoPid) return
    if (this.#tablesDts !== undefined) {
      this.#tableGapTicks = Math.max(this.#tableGapTicks, (dts - this.#tablesDts + MODULUS) % MODULUS)
    }
  }

  #endUnit(pid: number): void {
    const pes = Buffer.concat(this.#open.get(pid) ?? [])
    this.#open.delete(pid)
    if (pes.length === 0) return
    const length = pes.readUInt16BE(4)
    if (length !== 0 && length !== pes.length - 6)
      this.#faults.push(`a unit of ${pid} has ${pes.length} bytes, not ${length}`)
    const data = pes.subarray(9 + (pes[8] ?? 0))
    if (readUnitData(data, pid === this.#videoPid)?.isWhole === false)
      this.#faults.push(`a unit of ${pid} is not whole`)
  }
}

function stamp(bytes: Buffer, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = bytes.subarray(at, at + 5)
  return ((a >> 1) & 7) * 2 ** 30 + ((b << 7) | (c >> 1)) * 2 ** 15 + ((d << 7) | (e >> 1))
}

function isAfter(later: number, earlier: number): boolean {
  const step = (((later - earlier) % MODULUS) + MODULUS) % MODULUS
  return step > 0 && step < MODULUS / 2
}
