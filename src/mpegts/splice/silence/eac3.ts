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
import { crc16Bytes } from './crc16.ts'
import type { SilentFrames } from './silent-sound.ts'

const BIT_STREAM_ID = 16
/** numblkscod of six blocks, and the fscod behind which another field tells the rate. */
const SIX_BLOCKS = 3
const RATE_REDUCED = 3
/** chbwcod 0 and D15: 73 coefficients, whose exponents are 24 groups. */
const EXPONENT_GROUPS = 24

/**
 * Silent Enhanced AC-3 frames as long as another one, with its sample rate, channels and dialogue level (ETSI TS 102 366
 * Annex E.1.2). Undefined unless that one is the only substream (7.1 and Atmos have another that belongs to it), with six
 * blocks in a frame.
 */
export function silentEac3(header: Buffer): SilentFrames | undefined {
  const [, , third = 0, , fifth = 0, sixth = 0] = header
  const isOnly = third >>> 3 === 0
  const hasSixBlocks = ((fifth >>> 4) & 3) === SIX_BLOCKS && fifth >>> 6 !== RATE_REDUCED
  if (!isOnly || !hasSixBlocks || sixth >>> 3 !== BIT_STREAM_ID) return undefined
  const own = Buffer.from(header.subarray(0, AUDIO_HEADER_BYTES))
  const told = readAudioFrame('eac3', own, 0)
  if (told === undefined) return undefined
  const frame = Buffer.alloc(told.bytes)
  const writer = new BitWriter(frame)
  // syncword, strmtyp, substreamid, frmsiz, fscod, numblkscod, acmod, lfeon, bsid and the begin of dialnorm as they were.
  for (let at = 0; at < 6; at += 1) writer.bits(own[at] ?? 0, 8)
  writer.bits((own[6] ?? 0) >>> 6, 2)
  const acmod = (fifth >>> 1) & 7
  const layout = channelLayout(acmod, (fifth & 1) === 1)
  const dialogueLevel = ((sixth & 7) << 2) | ((own[6] ?? 0) >>> 6)
  // compre; dialnorm2 as dialnorm and compr2e of two programmes; mixmdate, infomdate, addbsie.
  writer.skip(1)
  if (acmod === ACMOD_DUAL_MONO) {
    writer.bits(dialogueLevel, 5)
    writer.skip(1)
  }
  writer.skip(3)
  writeFrameInfo(writer, layout)
  for (let block = 0; block < BLOCKS; block += 1) writeBlock(writer, layout, block === 0)
  const crcAt = frame.length - CHECK_WORD_BYTES
  if (writer.length + END_BITS > 8 * crcAt) return undefined
  frame.writeUInt16BE(crc16Bytes(0, frame, 2, crcAt), crcAt)
  return () => frame
}

/** audfrm: exponents for the whole frame with its first block, and SNR offsets of 0, so that no mantissa has bits. */
function writeFrameInfo(writer: BitWriter, { acmod, channels, hasLfe }: ChannelLayout): void {
  // expstre, ahte, snroffststr, transproce, blkswe
  writer.skip(6)
  // dithflage: it is told, for otherwise all is dithered.
  writer.bits(1, 1)
  // bamode, frmfgaincode, dbaflde, skipflde, spxattene
  writer.skip(5)
  // cplinu of the first block, cplstre of the others
  if (acmod > 1) writer.skip(BLOCKS)
  // frmchexpstr of each channel: D15, then as it was
  writer.skip(5 * channels)
  if (hasLfe) {
    writer.bits(1, 1)
    writer.skip(BLOCKS - 1)
  }
  // convexpstr of each channel, likewise; frmcsnroffst, frmfsnroffst; blkstrtinfoe
  writer.skip(5 * channels + 6 + 4 + 1)
}

function writeBlock(writer: BitWriter, layout: ChannelLayout, isFirst: boolean): void {
  const { acmod, channels } = layout
  // dithflag of each channel; dynrnge, and dynrng2e of two programmes; spxinu of the first block, spxstre of the others.
  writer.skip(channels + (acmod === ACMOD_DUAL_MONO ? 2 : 1) + 1)
  // rematflg of four bands, or rematstr
  if (acmod === ACMOD_STEREO) writer.skip(isFirst ? 4 : 1)
  if (isFirst) writeSpectra(writer, layout, EXPONENT_GROUPS)
  // convsnroffste
  writer.skip(1)
}
