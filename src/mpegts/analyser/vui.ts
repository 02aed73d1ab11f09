import type { BitReader } from './bit-reader.ts'

const ASPECT_EXTENDED = 255

/** Skips video usability information up to its chroma locations, which are the same in H.264 (§E.1.1) and HEVC (§E.2.1). */
export function skipVideoSignal(reader: BitReader): void {
  if (reader.flag() && reader.bits(8) === ASPECT_EXTENDED) reader.skip(32)
  if (reader.flag()) reader.skip(1)
  if (reader.flag()) {
    reader.skip(4)
    if (reader.flag()) reader.skip(24)
  }
  if (reader.flag()) {
    reader.ue()
    reader.ue()
  }
}

/** Ticks a second of its timing information; undefined where there is none, or it is cut short. */
export function readTickRate(reader: BitReader): number | undefined {
  if (!reader.flag()) return undefined
  const ticks = reader.bits(32)
  const scale = reader.bits(32)
  return reader.isExhausted || ticks === 0 || scale === 0 ? undefined : scale / ticks
}
