import type { AvcConfiguration } from './avc-configuration.ts'
import type { ElementaryDescriptor } from './elementary-descriptor.ts'
import type { HevcConfiguration, HevcProfile } from './hevc-configuration.ts'

/** How a track is coded, as far as it is known here. Boxes that are only carried along are given with their header. */
export type CodecConfiguration =
  | { readonly kind: 'avc'; readonly entryType: 'avc1' | 'avc3'; readonly avc: AvcConfiguration }
  | { readonly kind: 'hevc'; readonly entryType: 'hvc1' | 'hev1'; readonly hevc: HevcConfiguration }
  | { readonly kind: 'mpeg4-video'; readonly descriptor: ElementaryDescriptor }
  | { readonly kind: 'mpeg4-audio'; readonly descriptor: ElementaryDescriptor }
  | { readonly kind: 'ac3' | 'eac3' | 'opus'; readonly configuration: Buffer }
  | { readonly kind: 'mp3' }
  | { readonly kind: 'other'; readonly entryType: string }

/** Common encryption, ISO/IEC 23001-7: told, and left as it is. */
export interface Protection {
  /** `cenc`, `cbcs` and so on. */
  readonly scheme: string
}

export interface Track {
  readonly id: number
  readonly kind: 'video' | 'audio' | 'other'
  /** Ticks per second. */
  readonly timescale: number
  /** ISO 639-2, lower case; undefined for `und`. */
  readonly language: string | undefined
  readonly codec: CodecConfiguration
  /** 0 where it is not a video track. */
  readonly width: number
  readonly height: number
  /** 0 where it is not an audio track. */
  readonly channels: number
  readonly sampleRateHz: number
}

/** A track to be written: HEVC repeats the profile beside the parameter sets. */
export interface WrittenTrack extends Track {
  readonly hevcProfile?: HevcProfile
}

/** A track of a file that was read. */
export interface ReadTrack extends Track {
  readonly protection: Protection | undefined
  /** To be added to times of samples to get presentation times, ticks of the track: what its edit list does (§8.6.6). */
  readonly editOffset: number
  /** From trex (§8.8.3). */
  readonly defaults: SampleDefaults
}

export interface SampleDefaults {
  readonly duration: number
  readonly size: number
  readonly flags: number
}

export interface Sample {
  readonly data: Buffer
  /** Ticks of the track. */
  readonly duration: number
  /** Presentation minus decoding time, ticks of the track; may be negative. */
  readonly compositionOffset: number
  readonly isSync: boolean
}

/** sample_is_non_sync_sample of sample_flags, §8.8.3.1. */
export const FLAG_NON_SYNC = 0x0001_0000
export const FLAGS_SYNC = 0x0200_0000
export const FLAGS_DEPENDENT = 0x0100_0000 | FLAG_NON_SYNC
