import { PCR_MODULUS } from '../packet.ts'

/** PTS and DTS count 90 kHz modulo 2^33, 26.5 hours (ISO/IEC 13818-1 §2.4.3.7); PCR counts 300 times as fast. */
export const TIMESTAMP_MODULUS = 2 ** 33
export const TICKS_PER_MS = 90
export const PCR_PER_TICK = 300
export const PCR_PER_MS = TICKS_PER_MS * PCR_PER_TICK
/** Stands for "no timestamp" where a number is kept per unit. */
export const NO_TIMESTAMP = -1

/** Brings a sum or difference of 90 kHz timestamps back into 0 to 2^33 − 1. */
export function wrapTimestamp(ticks: number): number {
  return modulo(ticks, TIMESTAMP_MODULUS)
}

/** How far `later` is ahead of `earlier` in 90 kHz ticks, the short way round: −2^32 to 2^32 − 1. */
export function timestampStep(later: number, earlier: number): number {
  return shortWay(later - earlier, TIMESTAMP_MODULUS)
}

/** The later of two 90 kHz timestamps by the short way round; NO_TIMESTAMP gives way to any other. */
export function laterTimestamp(one: number, other: number): number {
  if (one === NO_TIMESTAMP || other === NO_TIMESTAMP) return one === NO_TIMESTAMP ? other : one
  return timestampStep(other, one) > 0 ? other : one
}

/** Brings a sum or difference of 27 MHz clock references back into 0 to 2^33 · 300 − 1. */
export function wrapPcr(pcr: number): number {
  return modulo(pcr, PCR_MODULUS)
}

/** How far `later` is ahead of `earlier` in 27 MHz units, the short way round. */
export function pcrStep(later: number, earlier: number): number {
  return shortWay(later - earlier, PCR_MODULUS)
}

function modulo(value: number, modulus: number): number {
  const rest = value % modulus
  return rest < 0 ? rest + modulus : rest
}

function shortWay(difference: number, modulus: number): number {
  const forward = modulo(difference, modulus)
  return forward < modulus / 2 ? forward : forward - modulus
}
