import { writeBox } from './box.ts'

/** dac3 and dec3 boxes out of frames, ETSI TS 102 366 §F.4 and §F.6. */
const SUBSTREAM_DEPENDENT = 1
const SUBSTREAMS_MAX = 8
const SYNC_WORD = 0x0b77
const FRAME_BYTES_MIN = 16
const BITSTREAM_ID_ENHANCED = 16
/** By bit of chanmap (§E.1.3.1.8, 5 to 14) the bit of chan_loc. */
const LOCATION_OF_CHANNEL_BIT: Readonly<Record<number, number>> = {
  5: 0,
  6: 1,
  7: 2,
  8: 3,
  9: 4,
  10: 5,
  11: 6,
  12: 7,
  14: 8,
}

/** Gathers fields of bits, most significant first. */
class BitFields {
  #value = 0n
  #bits = 0

  add(bits: number, value: number): void {
    this.#value = (this.#value << BigInt(bits)) | BigInt(value)
    this.#bits += bits
  }

  /** Whole bytes, filled up with zeros. */
  bytes(): Buffer {
    const padding = (8 - (this.#bits % 8)) % 8
    const text = (this.#value << BigInt(padding)).toString(16)
    return Buffer.from(text.padStart((this.#bits + padding) / 4, '0'), 'hex')
  }
}

function bitsAt(bytes: Buffer, at: number, count: number): number {
  let value = 0
  for (let bit = at; bit < at + count; bit += 1) value = value * 2 + (((bytes[bit >>> 3] ?? 0) >>> (7 - (bit & 7))) & 1)
  return value
}

/** A dac3 box for an AC-3 frame; undefined when it is none. */
export function writeAc3Configuration(frame: Buffer): Buffer | undefined {
  if (frame.length < FRAME_BYTES_MIN || frame.readUInt16BE(0) !== SYNC_WORD) return undefined
  const mode = bitsAt(frame, 48, 3)
  const hasCentreMix = (mode & 1) !== 0 && mode !== 1
  const lfeAt = 51 + (hasCentreMix ? 2 : 0) + ((mode & 4) !== 0 ? 2 : 0) + (mode === 2 ? 2 : 0)
  const fields = new BitFields()
  fields.add(2, bitsAt(frame, 32, 2))
  fields.add(5, bitsAt(frame, 40, 5))
  fields.add(3, bitsAt(frame, 45, 3))
  fields.add(3, mode)
  fields.add(1, bitsAt(frame, lfeAt, 1))
  fields.add(5, bitsAt(frame, 34, 6) >>> 1)
  fields.add(5, 0)
  return writeBox('dac3', fields.bytes())
}

interface IndependentSubstream {
  readonly frame: Buffer
  dependents: number
  channelLocations: number
}

/** A dec3 box for an access unit of E-AC-3, all its substreams; undefined when there is none. `sampleRateHz` tells the rate of data. */
export function writeEac3Configuration(unit: Buffer, samples: number, sampleRateHz: number): Buffer | undefined {
  const substreams = readSubstreams(unit)
  if (substreams.length === 0 || samples === 0) return undefined
  const fields = new BitFields()
  fields.add(13, Math.min(0x1fff, Math.round((unit.length * 8 * sampleRateHz) / samples / 1_000)))
  fields.add(3, substreams.length - 1)
  for (const { frame, dependents, channelLocations } of substreams) {
    fields.add(2, bitsAt(frame, 32, 2))
    fields.add(5, bitsAt(frame, 40, 5))
    fields.add(2, 0)
    fields.add(3, 0)
    fields.add(3, bitsAt(frame, 36, 3))
    fields.add(1, bitsAt(frame, 39, 1))
    fields.add(3, 0)
    fields.add(4, dependents)
    if (dependents > 0) fields.add(9, channelLocations)
    else fields.add(1, 0)
  }
  return writeBox('dec3', fields.bytes())
}

/** The substreams of the first set of blocks: those that come again carry the next blocks. */
function readSubstreams(unit: Buffer): readonly IndependentSubstream[] {
  const substreams: IndependentSubstream[] = []
  const seen = new Set<number>()
  for (let at = 0; at + FRAME_BYTES_MIN <= unit.length && seen.size < SUBSTREAMS_MAX * 2;) {
    const frame = unit.subarray(at)
    if (frame.readUInt16BE(0) !== SYNC_WORD || bitsAt(frame, 40, 5) > BITSTREAM_ID_ENHANCED) break
    const identity = bitsAt(frame, 16, 5)
    if (seen.has(identity)) break
    seen.add(identity)
    const latest = substreams.at(-1)
    if (identity >>> 3 !== SUBSTREAM_DEPENDENT) {
      if (substreams.length === SUBSTREAMS_MAX) break
      substreams.push({ frame, dependents: 0, channelLocations: 0 })
    } else if (latest !== undefined) {
      latest.dependents += 1
      latest.channelLocations |= channelLocationsOf(frame)
    }
    at += (bitsAt(frame, 21, 11) + 1) * 2
  }
  return substreams
}

/** chan_loc from the chanmap of a dependent substream, §E.1.2.2. */
function channelLocationsOf(frame: Buffer): number {
  let at = 50
  if (bitsAt(frame, at, 1) === 1) at += 8
  at += 1
  if (bitsAt(frame, 36, 3) === 0) at += 6 + (bitsAt(frame, at + 5, 1) === 1 ? 8 : 0)
  if (bitsAt(frame, at, 1) === 0) return 0
  let locations = 0
  for (const [bit, location] of Object.entries(LOCATION_OF_CHANNEL_BIT)) {
    if (bitsAt(frame, at + 1 + Number(bit), 1) === 1) locations |= 1 << location
  }
  return locations
}
