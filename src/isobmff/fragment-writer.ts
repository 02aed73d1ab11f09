import { FLAGS_DEPENDENT, FLAGS_SYNC } from './track.ts'
import type { Sample } from './track.ts'

/** The samples of one track in a fragment. */
export interface TrackRun {
  readonly trackId: number
  /** Decoding time of the first sample in ticks of the track, 0 to 2^53 − 1. */
  readonly decodeTime: number
  /** At least one. */
  readonly samples: readonly Sample[]
}

const MFHD_BYTES = 16
const MOOF_AND_MFHD_BYTES = 8 + MFHD_BYTES
const TRAF_HEADER_BYTES = 8
const TFDT_BYTES = 20
const TFHD_FIXED_BYTES = 16
const TRUN_FIXED_BYTES = 20
const MDAT_HEADER_BYTES = 8

const TFHD_DEFAULT_DURATION = 0x08
const TFHD_DEFAULT_FLAGS = 0x20
const TFHD_DEFAULT_BASE_IS_MOOF = 0x02_0000
const TRUN_DATA_OFFSET = 0x001
const TRUN_DURATION = 0x100
const TRUN_SIZE = 0x200
const TRUN_FLAGS = 0x400
const TRUN_COMPOSITION = 0x800

/** What a run tells for each sample, and what once for all. */
interface RunShape {
  readonly run: TrackRun
  readonly hasDurations: boolean
  readonly hasFlags: boolean
  readonly hasCompositions: boolean
  readonly trafBytes: number
  readonly dataBytes: number
}

/**
 * One moof with its mdat (ISO/IEC 14496-12 §8.8.4 to §8.8.12): a track fragment for each run, with tfdt of 64 bits and signed composition
 * offsets, data in the order of the runs. `sequenceNumber` counts fragments from 1, modulo 2^32.
 */
export function writeFragment(sequenceNumber: number, runs: readonly TrackRun[]): Buffer {
  const shapes = runs.map(shapeOf)
  const moofBytes = shapes.reduce((sum, { trafBytes }) => sum + trafBytes, MOOF_AND_MFHD_BYTES)
  const dataBytes = shapes.reduce((sum, shape) => sum + shape.dataBytes, 0)
  const bytes = Buffer.allocUnsafeSlow(moofBytes + MDAT_HEADER_BYTES + dataBytes)
  let at = writeHeader(bytes, 0, moofBytes, 'moof')
  at = writeHeader(bytes, at, MFHD_BYTES, 'mfhd')
  at = bytes.writeUInt32BE(0, at)
  at = bytes.writeUInt32BE(sequenceNumber >>> 0, at)
  let dataOffset = moofBytes + MDAT_HEADER_BYTES
  for (const shape of shapes) {
    at = writeTraf(bytes, at, shape, dataOffset)
    dataOffset += shape.dataBytes
  }
  at = writeHeader(bytes, at, MDAT_HEADER_BYTES + dataBytes, 'mdat')
  for (const { run } of shapes) for (const { data } of run.samples) at += data.copy(bytes, at)
  return bytes
}

function shapeOf(run: TrackRun): RunShape {
  const { samples } = run
  const first = samples[0]
  let [hasDurations, hasFlags, hasCompositions] = [false, false, false]
  let dataBytes = 0
  for (const sample of samples) {
    hasDurations ||= sample.duration !== first?.duration
    hasFlags ||= sample.isSync !== first?.isSync
    hasCompositions ||= sample.compositionOffset !== 0
    dataBytes += sample.data.length
  }
  const fields = 1 + (hasDurations ? 1 : 0) + (hasFlags ? 1 : 0) + (hasCompositions ? 1 : 0)
  const tfhdBytes = TFHD_FIXED_BYTES + (hasDurations ? 0 : 4) + (hasFlags ? 0 : 4)
  const trafBytes = TRAF_HEADER_BYTES + tfhdBytes + TFDT_BYTES + TRUN_FIXED_BYTES + samples.length * fields * 4
  return { run, hasDurations, hasFlags, hasCompositions, trafBytes, dataBytes }
}

function writeTraf(bytes: Buffer, start: number, shape: RunShape, dataOffset: number): number {
  const { run, hasDurations, hasFlags, hasCompositions, trafBytes } = shape
  const first = run.samples[0]
  let at = writeHeader(bytes, start, trafBytes, 'traf')
  const tfhdBytes = TFHD_FIXED_BYTES + (hasDurations ? 0 : 4) + (hasFlags ? 0 : 4)
  const tfhdFlags = (hasDurations ? 0 : TFHD_DEFAULT_DURATION) | (hasFlags ? 0 : TFHD_DEFAULT_FLAGS)
  at = writeHeader(bytes, at, tfhdBytes, 'tfhd')
  at = bytes.writeUInt32BE(TFHD_DEFAULT_BASE_IS_MOOF | tfhdFlags, at)
  at = bytes.writeUInt32BE(run.trackId, at)
  if (!hasDurations) at = bytes.writeUInt32BE(first?.duration ?? 0, at)
  if (!hasFlags) at = bytes.writeUInt32BE(flagsOf(first?.isSync ?? true), at)
  at = writeHeader(bytes, at, TFDT_BYTES, 'tfdt')
  at = bytes.writeUInt32BE(0x0100_0000, at)
  at = bytes.writeUInt32BE(Math.floor(run.decodeTime / 2 ** 32), at)
  at = bytes.writeUInt32BE(run.decodeTime % 2 ** 32, at)
  at = writeHeader(bytes, at, start + trafBytes - at, 'trun')
  const trunFlags =
    TRUN_DATA_OFFSET |
    TRUN_SIZE |
    (hasDurations ? TRUN_DURATION : 0) |
    (hasFlags ? TRUN_FLAGS : 0) |
    (hasCompositions ? TRUN_COMPOSITION : 0)
  at = bytes.writeUInt32BE(0x0100_0000 | trunFlags, at)
  at = bytes.writeUInt32BE(run.samples.length, at)
  at = bytes.writeInt32BE(dataOffset, at)
  for (const sample of run.samples) {
    if (hasDurations) at = bytes.writeUInt32BE(sample.duration, at)
    at = bytes.writeUInt32BE(sample.data.length, at)
    if (hasFlags) at = bytes.writeUInt32BE(flagsOf(sample.isSync), at)
    if (hasCompositions) at = bytes.writeInt32BE(sample.compositionOffset, at)
  }
  return at
}

function flagsOf(isSync: boolean): number {
  return isSync ? FLAGS_SYNC : FLAGS_DEPENDENT
}

function writeHeader(bytes: Buffer, at: number, size: number, type: string): number {
  bytes.writeUInt32BE(size, at)
  bytes.write(type, at + 4, 4, 'latin1')
  return at + 8
}
