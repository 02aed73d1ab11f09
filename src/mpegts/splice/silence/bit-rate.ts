import type { SilentFrames } from './silent-sound.ts'

const TICKS_PER_SECOND = 90_000
const BYTES_PER_KBPS = 125
/** All bit rates of MPEG audio and AC-3 are multiples of this. */
const KBPS_STEP = 8
const ROUNDING = 1e-9

/** The bit rate in kbit/s of a stream whose shortest frames have `bytes` and last `ticks` (90 kHz): they hold whole slots only. */
export function kbpsOf(bytes: number, ticks: number): number {
  return KBPS_STEP * Math.ceil((bytes * TICKS_PER_SECOND) / ticks / BYTES_PER_KBPS / KBPS_STEP - ROUNDING)
}

/** Frames of two lengths, the longer one as often as it takes to keep the bit rate. Each lasts `ticks` (90 kHz). */
export function atConstantRate(short: Buffer, long: Buffer, ticks: number): SilentFrames {
  const exactBytes = (kbpsOf(short.length, ticks) * BYTES_PER_KBPS * ticks) / TICKS_PER_SECOND
  let owedBytes = 0
  return () => {
    owedBytes += exactBytes - short.length
    if (owedBytes < long.length - short.length) return short
    owedBytes -= long.length - short.length
    return long
  }
}
