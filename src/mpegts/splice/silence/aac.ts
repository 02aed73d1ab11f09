import { BitWriter } from './bit-writer.ts'
import type { SilentFrames } from './silent-sound.ts'

/** id_syn_ele (ISO/IEC 14496-3 Table 4.85). */
const SINGLE_CHANNEL = 0
const CHANNEL_PAIR = 1
const LOW_FREQUENCY = 3
const END = 7

/** The elements of a raw data block by channel_configuration (Table 1.19); 0 is told inside the stream, which is not read. */
const ELEMENTS: readonly (readonly number[] | undefined)[] = [
  undefined,
  [SINGLE_CHANNEL],
  [CHANNEL_PAIR],
  [SINGLE_CHANNEL, CHANNEL_PAIR],
  [SINGLE_CHANNEL, CHANNEL_PAIR, SINGLE_CHANNEL],
  [SINGLE_CHANNEL, CHANNEL_PAIR, CHANNEL_PAIR],
  [SINGLE_CHANNEL, CHANNEL_PAIR, CHANNEL_PAIR, LOW_FREQUENCY],
  [SINGLE_CHANNEL, CHANNEL_PAIR, CHANNEL_PAIR, CHANNEL_PAIR, LOW_FREQUENCY],
]

const HEADER_BYTES = 7
/** Five elements take 27 bytes. */
const BLOCK_BYTES_MAX = 32
/** adts_buffer_fullness of a stream whose rate varies (§1.A.3.2). */
const FULLNESS_VARIABLE = 0x7ff

/**
 * A silent ADTS frame of one raw data block with the fixed header of another one (ISO/IEC 14496-3 §1.A.2.2); undefined
 * for channels that the header does not tell, and for a stream with check words. Of HE-AAC it is the core alone.
 */
export function silentAdts(header: Buffer): SilentFrames | undefined {
  const [sync = 0, flags = 0, third = 0, fourth = 0] = header
  const hasCheckWord = (flags & 1) === 0
  const elements = ELEMENTS[((third & 1) << 2) | (fourth >>> 6)]
  if (elements === undefined || hasCheckWord) return undefined
  const block = rawDataBlock(elements)
  const frame = Buffer.alloc(HEADER_BYTES + block.length)
  frame.set([sync, flags, third])
  const variable = new BitWriter(frame.subarray(3))
  // The rest of the fixed header: channels, original_copy and home; then the copyright bits, which are per frame.
  variable.bits(fourth >>> 4, 4)
  variable.bits(0, 2)
  variable.bits(frame.length, 13)
  variable.bits(FULLNESS_VARIABLE, 11)
  variable.bits(0, 2)
  block.copy(frame, HEADER_BYTES)
  return () => frame
}

/** A raw_data_block without a spectral line (§4.4.2.1). */
function rawDataBlock(elements: readonly number[]): Buffer {
  const bytes = Buffer.alloc(BLOCK_BYTES_MAX)
  const writer = new BitWriter(bytes)
  const instances = [0, 0, 0, 0]
  for (const element of elements) {
    const instance = instances[element] ?? 0
    instances[element] = instance + 1
    writer.bits(element, 3)
    writer.bits(instance, 4)
    if (element === CHANNEL_PAIR) writeChannelPair(writer)
    else {
      writeGain(writer)
      writeWindow(writer)
      writeTools(writer)
    }
  }
  writer.bits(END, 3)
  return bytes.subarray(0, Math.ceil(writer.length / 8))
}

/** channel_pair_element with a common window (Table 4.5). */
function writeChannelPair(writer: BitWriter): void {
  writer.bits(1, 1)
  writeWindow(writer)
  // ms_mask_present
  writer.bits(0, 2)
  for (let channel = 0; channel < 2; channel += 1) {
    writeGain(writer)
    writeTools(writer)
  }
}

/** global_gain (Table 4.50): of no meaning where nothing is scaled. */
function writeGain(writer: BitWriter): void {
  writer.bits(0, 8)
}

/** ics_info (Table 4.6): one long window, and max_sfb 0, so that there are neither sections, scale factors nor lines. */
function writeWindow(writer: BitWriter): void {
  // ics_reserved_bit, window_sequence ONLY_LONG_SEQUENCE, window_shape
  writer.bits(0, 4)
  // max_sfb, predictor_data_present
  writer.bits(0, 7)
}

/** pulse_data_present, tns_data_present and gain_control_data_present: none. */
function writeTools(writer: BitWriter): void {
  writer.bits(0, 3)
}
