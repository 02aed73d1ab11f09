import type { HevcProfile } from './hevc-configuration.ts'
import type { CodecConfiguration } from './track.ts'

/** objectTypeIndication of MPEG-4 audio, https://mp4ra.org/registered-types/object-types. */
const OBJECT_TYPE_MPEG4_AUDIO = 0x40
const TYPE_ESCAPE = 31
const HEVC_CONSTRAINT_BYTES = 6

/** A codec as CODECS and source buffers name it: RFC 6381 §3.3 and §3.4, ISO/IEC 14496-15 Annex E. Undefined where it has no name here. */
export function codecString(codec: CodecConfiguration): string | undefined {
  switch (codec.kind) {
    case 'avc': {
      const set = codec.avc.sequenceSets[0]
      return set === undefined ? undefined : `${codec.entryType}.${set.toString('hex', 1, 4)}`
    }
    case 'hevc': {
      const profile = codec.hevc.sets.find((set) => (set[0] ?? 0) >>> 1 === 33)
      const general = profile === undefined ? undefined : generalProfileOf(profile)
      return general === undefined ? undefined : `${codec.entryType}.${hevcProfileText(general)}`
    }
    case 'mpeg4-video':
      return `mp4v.${hexByte(codec.descriptor.objectType)}`
    case 'mpeg4-audio':
      return mpeg4Audio(codec.descriptor.objectType, codec.descriptor.specific)
    case 'ac3':
      return 'ac-3'
    case 'eac3':
      return 'ec-3'
    case 'opus':
      return 'opus'
    case 'mp3':
      return 'mp4a.6B'
    case 'other':
      return codec.entryType === 'fLaC' ? 'flac' : undefined
    default:
      return codec satisfies never
  }
}

/** The bytes from general_profile_space to general_level_idc of a sequence parameter set (H.265 §7.3.2.2), without emulation prevention. */
export function generalProfileOf(sequenceSet: Buffer): HevcProfile['general'] | undefined {
  const plain: number[] = []
  let zeros = 0
  for (let at = 3; at < sequenceSet.length && plain.length < 12; at += 1) {
    const byte = sequenceSet[at] ?? 0
    const isPrevention = zeros >= 2 && byte === 3
    zeros = byte === 0 ? zeros + 1 : 0
    if (!isPrevention) plain.push(byte)
  }
  return plain.length === 12 ? Buffer.from(plain) : undefined
}

function hevcProfileText(general: Buffer): string {
  const first = general[0] ?? 0
  const space = ['', 'A', 'B', 'C'][first >>> 6] ?? ''
  const tier = (first & 0x20) === 0 ? 'L' : 'H'
  let compatibility = 0
  for (let bit = 0; bit < 32; bit += 1) {
    if (((general.readUInt32BE(1) >>> bit) & 1) === 1) compatibility += 2 ** (31 - bit)
  }
  const constraints = [...general.subarray(5, 5 + HEVC_CONSTRAINT_BYTES)]
  while (constraints.at(-1) === 0) constraints.pop()
  return [
    `${space}${first & 0x1f}`,
    compatibility.toString(16).toUpperCase(),
    `${tier}${general[11] ?? 0}`,
    ...constraints.map((byte) => byte.toString(16).toUpperCase()),
  ].join('.')
}

function mpeg4Audio(objectType: number, specific: Buffer): string {
  if (objectType !== OBJECT_TYPE_MPEG4_AUDIO) return `mp4a.${hexByte(objectType)}`
  const first = (specific[0] ?? 0x10) >>> 3
  const type = first === TYPE_ESCAPE ? 32 + ((((specific[0] ?? 0) & 7) << 3) | ((specific[1] ?? 0) >>> 5)) : first
  return `mp4a.40.${type}`
}

function hexByte(value: number): string {
  return value.toString(16).toUpperCase().padStart(2, '0')
}
