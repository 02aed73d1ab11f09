import type { Codec, StreamKind } from '../elementary-stream.ts'
import type { Finding, FoundPlace } from './finding.ts'
import type { CodecSignature, Format } from './signature.ts'

/** The three numbers that tell a distribution, in ms. */
export interface Spread {
  readonly minMs: number
  readonly medianMs: number
  readonly maxMs: number
}

export interface RandomAccessReport {
  readonly points: number
  /** Undefined while no access unit was judged: other codecs, scrambled, or nothing came. */
  readonly beginsWithOne: boolean | undefined
  /** DTS from one to the next; undefined below two. */
  readonly interval: Spread | undefined
}

export interface AudioReport {
  readonly frames: number
  readonly frameMs: number | undefined
  readonly holes: number
  readonly overlaps: number
}

export interface StreamReport {
  readonly pid: number
  readonly kind: StreamKind
  readonly codec: Codec
  readonly streamType: number
  readonly language: string | undefined
  readonly packets: number
  readonly bitsPerSecond: number | undefined
  readonly pesPackets: number
  /** Steps of DTS from PES packet to PES packet, jumps excluded from none. */
  readonly dtsStep: Spread | undefined
  /** DTS − PCR at arrival. */
  readonly decodeDelay: Spread | undefined
  readonly randomAccess: RandomAccessReport
  readonly audio: AudioReport | undefined
  readonly format: Format | undefined
  /** The first changes of `format`, at most 16. */
  readonly formatChanges: readonly FoundPlace[]
}

export interface ProgrammeReport {
  readonly programmeNumber: number
  readonly pmtPid: number
  readonly pcrPid: number
  readonly streams: readonly StreamReport[]
  /** Audio DTS − video DTS at arrival, of the first stream of each. */
  readonly skew: { readonly minMs: number; readonly maxMs: number } | undefined
}

export interface PidReport {
  readonly pid: number
  readonly packets: number
  readonly role: 'table' | 'pmt' | 'stream' | 'pcr' | 'null' | 'unreferenced'
}

export interface AnalyserReport {
  readonly bytes: number
  readonly packets: number
  /** 188, 192 or 204; 0 when no packets were found. */
  readonly packetBytes: number
  /** By the PCRs; undefined below two. */
  readonly durationMs: number | undefined
  readonly bitsPerSecond: number | undefined
  readonly programmes: readonly ProgrammeReport[]
  readonly pids: readonly PidReport[]
  /** Of the programme that counts: the first with video, else the first. */
  readonly signature: CodecSignature | undefined
  readonly findings: readonly Finding[]
  /** Findings beyond what is told apart. */
  readonly findingsDropped: number
  readonly errors: number
  readonly warnings: number
  readonly notes: number
}
