import { BitReader } from './bit-reader.ts'
import type { VideoFormat } from './signature.ts'
import { readTickRate, skipVideoSignal } from './vui.ts'

/** Sequence parameter sets, H.265 §7.3.2.2. */
const PROFILES: Readonly<Record<number, string>> = {
  1: 'Main',
  2: 'Main 10',
  3: 'Main Still Picture',
  4: 'Range Extensions',
  9: 'Screen Content',
}
const CHROMA = ['4:0:0', '4:2:0', '4:2:2', '4:4:4'] as const
const SIDE_MAX = 16_384
const SETS_MAX = 64
const PICTURES_MAX = 16
const LONG_TERM_MAX = 32

interface ProfileTierLevel {
  readonly profile: string
  readonly level: string
  readonly isInterlaced: boolean
}

/** Reads seq_parameter_set_rbsp behind the NAL header at `start`; undefined when it is damaged or cut short. */
export function readHevcFormat(bytes: Buffer, start: number, end: number): VideoFormat | undefined {
  const reader = new BitReader(bytes, start + 2, end)
  reader.skip(4)
  const subLayers = reader.bits(3)
  reader.skip(1)
  const general = readProfileTierLevel(reader, subLayers)
  reader.ue()
  const chromaIdc = reader.ue()
  if (chromaIdc === 3) reader.skip(1)
  const codedWidth = reader.ue()
  const codedHeight = reader.ue()
  const crop = reader.flag() ? [reader.ue(), reader.ue(), reader.ue(), reader.ue()] : [0, 0, 0, 0]
  const bitDepth = reader.ue() + 8
  if (reader.isExhausted || chromaIdc > 3) return undefined
  const width = codedWidth - ((crop[0] ?? 0) + (crop[1] ?? 0)) * (chromaIdc === 1 || chromaIdc === 2 ? 2 : 1)
  const height = codedHeight - ((crop[2] ?? 0) + (crop[3] ?? 0)) * (chromaIdc === 1 ? 2 : 1)
  if (width <= 0 || height <= 0 || width > SIDE_MAX || height > SIDE_MAX) return undefined
  const framesPerSecond = readFrameRate(reader, subLayers)
  return { kind: 'video', ...general, width, height, chroma: CHROMA[chromaIdc], bitDepth, framesPerSecond }
}

/** profile_tier_level(1, subLayers), §7.3.3. */
function readProfileTierLevel(reader: BitReader, subLayers: number): ProfileTierLevel {
  reader.skip(2)
  const isHighTier = reader.flag()
  const profileIdc = reader.bits(5)
  reader.skip(32)
  const isProgressive = reader.flag()
  const isInterlacedSource = reader.flag()
  reader.skip(46)
  const levelIdc = reader.bits(8)
  const present = Array.from({ length: subLayers }, () => ({ profile: reader.flag(), level: reader.flag() }))
  if (subLayers > 0) reader.skip(2 * (8 - subLayers))
  for (const { profile, level } of present) reader.skip((profile ? 88 : 0) + (level ? 8 : 0))
  return {
    profile: PROFILES[profileIdc] ?? `profile ${profileIdc}`,
    level: `${Number((levelIdc / 30).toFixed(1))}${isHighTier ? ' high tier' : ''}`,
    isInterlaced: isInterlacedSource && !isProgressive,
  }
}

/** Skips from the bit depth of chroma to the VUI and reads its timing; undefined when there is none. */
function readFrameRate(reader: BitReader, subLayers: number): number | undefined {
  reader.ue()
  const orderBits = reader.ue() + 4
  const layers = reader.flag() ? subLayers + 1 : 1
  for (let count = 0; count < layers * 3; count += 1) reader.ue()
  for (let count = 0; count < 6; count += 1) reader.ue()
  if (reader.flag() && reader.flag()) skipScalingLists(reader)
  reader.skip(2)
  if (reader.flag()) {
    reader.skip(8)
    reader.ue()
    reader.ue()
    reader.skip(1)
  }
  if (!skipShortTermSets(reader)) return undefined
  if (reader.flag()) {
    const longTerm = Math.min(reader.ue(), LONG_TERM_MAX)
    for (let index = 0; index < longTerm; index += 1) reader.skip(orderBits + 1)
  }
  reader.skip(2)
  return reader.flag() && !reader.isExhausted ? readTiming(reader) : undefined
}

/** scaling_list_data, §7.3.4. */
function skipScalingLists(reader: BitReader): void {
  for (let size = 0; size < 4; size += 1) {
    for (let matrix = 0; matrix < 6 && !reader.isExhausted; matrix += size === 3 ? 3 : 1) {
      if (!reader.flag()) {
        reader.ue()
        continue
      }
      if (size > 1) reader.se()
      const coefficients = Math.min(64, 1 << (4 + 2 * size))
      for (let index = 0; index < coefficients && !reader.isExhausted; index += 1) reader.se()
    }
  }
}

/** The st_ref_pic_set structures, §7.3.7; false when they are damaged. */
function skipShortTermSets(reader: BitReader): boolean {
  const sets = reader.ue()
  if (sets > SETS_MAX) return false
  let pictures = 0
  for (let set = 0; set < sets && !reader.isExhausted; set += 1) {
    if (set > 0 && reader.flag()) {
      reader.skip(1)
      reader.ue()
      let kept = 0
      for (let index = 0; index <= pictures; index += 1) {
        const isUsed = reader.flag()
        if (isUsed || reader.flag()) kept += 1
      }
      pictures = kept
    } else {
      pictures = reader.ue() + reader.ue()
      if (pictures > PICTURES_MAX) return false
      for (let index = 0; index < pictures; index += 1) {
        reader.ue()
        reader.skip(1)
      }
    }
    if (pictures > PICTURES_MAX) return false
  }
  return !reader.isExhausted
}

/** VUI up to its timing information (§E.2.1): a tick of its clock is a frame. */
function readTiming(reader: BitReader): number | undefined {
  skipVideoSignal(reader)
  reader.skip(3)
  if (reader.flag()) for (let side = 0; side < 4; side += 1) reader.ue()
  return readTickRate(reader)
}
