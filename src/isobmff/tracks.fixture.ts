import type { WrittenTrack } from './track.ts'

/** Tracks with real parameter sets, for tests. */
const NO_PICTURE = { width: 0, height: 0 }
const NO_SOUND = { channels: 0, sampleRateHz: 0 }

export const AVC_TRACK: WrittenTrack = {
  id: 1,
  kind: 'video',
  timescale: 90_000,
  language: undefined,
  codec: {
    kind: 'avc',
    entryType: 'avc1',
    avc: {
      lengthBytes: 4,
      sequenceSets: [Buffer.from('67640015acd941433f260220000003002000000643e28532c0', 'hex')],
      pictureSets: [Buffer.from('68faa3cb22c0', 'hex')],
      chroma: { formatIdc: 1, bitDepth: 8 },
    },
  },
  width: 320,
  height: 180,
  ...NO_SOUND,
}

const HEVC_SETS = [
  '40010c01ffff01600000030090000003000003003c959409',
  '42010101600000030090000003000003003ca00a080c1f3e595952930bc05a020000030002000003003210',
  '4401c073c189',
].map((set) => Buffer.from(set, 'hex'))

export const HEVC_TRACK: WrittenTrack = {
  ...AVC_TRACK,
  codec: { kind: 'hevc', entryType: 'hvc1', hevc: { lengthBytes: 4, sets: HEVC_SETS } },
  hevcProfile: {
    general: Buffer.from('01600000009000000000003c', 'hex'),
    chromaFormatIdc: 1,
    bitDepth: 8,
    temporalLayers: 1,
    isTemporalNested: true,
  },
}

export const AAC_TRACK: WrittenTrack = {
  id: 2,
  kind: 'audio',
  timescale: 48_000,
  language: 'deu',
  codec: { kind: 'mpeg4-audio', descriptor: { objectType: 0x40, specific: Buffer.from([0x11, 0x90]) } },
  ...NO_PICTURE,
  channels: 2,
  sampleRateHz: 48_000,
}
