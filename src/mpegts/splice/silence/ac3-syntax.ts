import type { BitWriter } from './bit-writer.ts'

/** What AC-3 and Enhanced AC-3 have in common (ETSI TS 102 366, Annex E for the latter). */
export interface ChannelLayout {
  readonly acmod: number
  /** Full-band channels. */
  readonly channels: number
  readonly hasLfe: boolean
}

export const ACMOD_DUAL_MONO = 0
export const ACMOD_STEREO = 2
export const BLOCKS = 6
export const CHECK_WORD_BYTES = 2
/** auxdatae and crcrsv or encinfo, in front of crc2. */
export const END_BITS = 2
/** Full-band channels by acmod (Table 4.3). */
const CHANNELS_BY_ACMOD: readonly number[] = [2, 1, 2, 3, 3, 4, 4, 5]
/** lfeexpstr D15: 7 coefficients in 2 groups. */
const LFE_EXPONENT_GROUPS = 2
/** Three differences of 0 (§6.1.3), behind an exponent of 15: as faint as can be said. */
const NO_DIFFERENCE = 2 * 25 + 2 * 5 + 2
const FAINTEST = 15

export function channelLayout(acmod: number, hasLfe: boolean): ChannelLayout {
  return { acmod, channels: CHANNELS_BY_ACMOD[acmod] ?? 0, hasLfe }
}

/** What a block says of spectra: the narrowest bandwidth, and `groups` groups of exponents in each channel. */
export function writeSpectra(writer: BitWriter, { channels, hasLfe }: ChannelLayout, groups: number): void {
  // chbwcod of each channel
  writer.skip(6 * channels)
  for (let channel = 0; channel < channels; channel += 1) {
    writeExponents(writer, groups)
    // gainrng
    writer.skip(2)
  }
  if (hasLfe) writeExponents(writer, LFE_EXPONENT_GROUPS)
}

/** An absolute exponent, and as many groups of three that are the same (§6.1.3). */
function writeExponents(writer: BitWriter, groups: number): void {
  writer.bits(FAINTEST, 4)
  for (let group = 0; group < groups; group += 1) writer.bits(NO_DIFFERENCE, 7)
}
