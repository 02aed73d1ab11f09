import { AUDIO_HEADER_BYTES, readAudioFrame } from '../audio-frame.ts'
import {
  ACMOD_DUAL_MONO,
  ACMOD_STEREO,
  BLOCKS,
  channelLayout,
  CHECK_WORD_BYTES,
  END_BITS,
  writeSpectra,
} from './ac3-syntax.ts'
import type { ChannelLayout } from './ac3-syntax.ts'
import { BitWriter } from './bit-writer.ts'
import { atConstantRate } from './bit-rate.ts'
import { crc16Bytes, crc16InFrontOf } from './crc16.ts'
import type { SilentFrames } from './silent-sound.ts'

/** The bit stream that §4 describes, and the one of Annex D, which differs in what this frame leaves out. */
const BIT_STREAM_IDS: ReadonlySet<number> = new Set([6, 8])
const SYNC_WORD = 0x0b77
/** fscod, and the lengths that alternate there by the last bit of frmsizecod. */
const RATE_44100 = 1
/** chexpstr: D45, which takes the fewest bits; chbwcod 0: 73 coefficients, whose exponents then are 6 groups of 7 bits. */
const STRATEGY_D45 = 3
const EXPONENT_GROUPS = 6

/** csnroffst and fsnroffst 0: no mantissa has bits, whatever the model of hearing says (§6.2). */
const BITS_OF_COARSE_OFFSET = 6
const BITS_OF_FINE_OFFSET_AND_GAIN = 7

/**
 * Silent AC-3 frames with the sample rate, channels, bit rate and dialogue level of another one: no mantissa has bits and
 * none is dithered (ETSI TS 102 366 §4.3, §4.4). At 44.1 kHz the lengths alternate as the bit rate wants it. Undefined for
 * bit streams of half rates.
 */
export function silentAc3(header: Buffer): SilentFrames | undefined {
  const [, , , , fifth = 0, sixth = 0] = header
  if (!BIT_STREAM_IDS.has(sixth >>> 3)) return undefined
  const own = silentFrame(header, fifth)
  if (own === undefined) return undefined
  if (fifth >>> 6 !== RATE_44100) return () => own.bytes
  const short = silentFrame(header, fifth & ~1)
  const long = silentFrame(header, fifth | 1)
  if (short === undefined || long === undefined) return undefined
  return atConstantRate(short.bytes, long.bytes, own.ticks)
}

function silentFrame(header: Buffer, sizeCode: number): { readonly bytes: Buffer; readonly ticks: number } | undefined {
  const own = Buffer.from(header.subarray(0, AUDIO_HEADER_BYTES))
  own[4] = sizeCode
  const told = readAudioFrame('ac3', own, 0)
  if (told === undefined) return undefined
  const frame = Buffer.alloc(told.bytes)
  const writer = new BitWriter(frame)
  writer.bits(SYNC_WORD, 16)
  writer.skip(16)
  writer.bits(sizeCode, 8)
  const layout = writeStreamInfo(writer, own)
  for (let block = 0; block < BLOCKS; block += 1) writeBlock(writer, layout, block === 0)
  if (writer.length > 8 * (frame.length - CHECK_WORD_BYTES) - END_BITS) return undefined
  writeCheckWords(frame)
  return { bytes: frame, ticks: told.ticks }
}

/** bsi (§4.3.2) up to dialnorm as it was, and nothing that is optional. */
function writeStreamInfo(writer: BitWriter, header: Buffer): ChannelLayout {
  const word = header.readUInt16BE(6)
  const acmod = word >>> 13
  const hasCentre = (acmod & 1) === 1 && acmod !== 1
  const mixBits = (hasCentre ? 2 : 0) + (acmod >= 4 ? 2 : 0) + (acmod === ACMOD_STEREO ? 2 : 0)
  const lfeAt = 12 - mixBits
  // bsid and bsmod, then acmod, mix levels, lfeon and dialnorm.
  writer.bits(header[5] ?? 0, 8)
  writer.bits(word >>> (lfeAt - 5), 16 - (lfeAt - 5))
  // compre, langcode, audprodie
  writer.skip(3)
  // dialnorm2 as dialnorm, compr2e, langcod2e, audprodi2e
  if (acmod === ACMOD_DUAL_MONO) {
    writer.bits(word >>> (lfeAt - 5), 5)
    writer.skip(3)
  }
  // copyrightb, origbs, timecod1e, timecod2e, addbsie
  writer.skip(5)
  return channelLayout(acmod, ((word >>> lfeAt) & 1) === 1)
}

/** audblk (§4.3.3): the first one says everything, the others that it stays so. */
function writeBlock(writer: BitWriter, layout: ChannelLayout, isFirst: boolean): void {
  const { acmod, channels, hasLfe } = layout
  const isNew = isFirst ? 1 : 0
  // blksw and dithflag of each channel; dynrnge, and dynrng2e of two programmes.
  writer.skip(2 * channels + (acmod === ACMOD_DUAL_MONO ? 2 : 1))
  // cplstre, and cplinu: no coupling.
  writer.bits(isNew, 1)
  if (isFirst) writer.skip(1)
  // rematstr, and rematflg of four bands.
  if (acmod === ACMOD_STEREO) {
    writer.bits(isNew, 1)
    if (isFirst) writer.skip(4)
  }
  for (let channel = 0; channel < channels; channel += 1) writer.bits(isFirst ? STRATEGY_D45 : 0, 2)
  if (hasLfe) writer.bits(isNew, 1)
  if (isFirst) writeSpectra(writer, layout, EXPONENT_GROUPS)
  // baie with sdcycod, fdcycod, sgaincod, dbpbcod and floorcod
  writer.bits(isNew, 1)
  if (isFirst) writer.skip(11)
  // snroffste with csnroffst, then fsnroffst and fgaincod of each channel
  writer.bits(isNew, 1)
  if (isFirst) writer.skip(BITS_OF_COARSE_OFFSET + BITS_OF_FINE_OFFSET_AND_GAIN * (channels + (hasLfe ? 1 : 0)))
  // deltbaie, skiple
  writer.skip(2)
}

/** crc1 covers the first five eighths behind the sync word and itself, crc2 the whole frame behind the sync word (§6.10). */
function writeCheckWords(frame: Buffer): void {
  const words = frame.length / 2
  const firstEnd = 2 * ((words >>> 1) + (words >>> 3))
  frame.writeUInt16BE(crc16InFrontOf(frame, 4, firstEnd), 2)
  const crc2At = frame.length - CHECK_WORD_BYTES
  const crc2 = crc16Bytes(0, frame, firstEnd, crc2At)
  frame.writeUInt16BE(crc2, crc2At)
  if (crc2 !== SYNC_WORD) return
  // crcrsv is there so that the check word never looks like a sync word.
  frame[crc2At - 1] = (frame[crc2At - 1] ?? 0) ^ 1
  frame.writeUInt16BE(crc16Bytes(0, frame, firstEnd, crc2At), crc2At)
}
