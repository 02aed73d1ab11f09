import type { WrittenTrack } from '../../isobmff/track.ts'
import type { AccessUnit } from '../../mpegts/units/access-unit.ts'

/** How the units of one elementary stream become samples of a track, as its parameter sets or frame headers tell. */
export interface SampleFormat {
  /** Units whose formats have the same key belong to one initialisation segment. */
  readonly key: string
  readonly track: Omit<WrittenTrack, 'id' | 'language'>
  /** As the stream tells it; undefined for audio and where it does not. */
  readonly framesPerSecond: number | undefined
  /** Ticks of the track for one unit of audio; 0 for video, whose units last until the next. */
  readonly unitTicks: number
  /** The bytes of a sample, in memory of its own; undefined where the unit cannot be one. */
  toSample(unit: AccessUnit): Buffer | undefined
}
