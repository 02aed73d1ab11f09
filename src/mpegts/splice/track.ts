import type { ElementaryStream } from '../elementary-stream.ts'
import { AudioMeter } from './audio-meter.ts'
import { ReorderGroup } from './reorder.ts'
import { StepMeter } from './step-meter.ts'
import { NO_TIMESTAMP } from './timestamp.ts'
import type { OutputStream } from './stream-match.ts'

/**
 * How the payload is read: `pes` has timestamps that move; `splice-info` are SCTE-35 sections; `opaque` passes as it is
 * (other sections).
 */
export type TrackFormat = 'pes' | 'splice-info' | 'opaque'

/** stream_type values of streams that carry sections (ISO/IEC 13818-1 Table 2-34). */
const SECTION_STREAM_TYPES: ReadonlySet<number> = new Set([0x05, 0x08, 0x0a, 0x0b, 0x0c, 0x0d, 0x14, 0x16])

/** One stream of the output with what is known of it while packets come in and go out. Lives as long as its PID. */
export interface Track {
  readonly pid: number
  readonly output: OutputStream
  format: TrackFormat
  readonly taking: TakingState
  readonly sending: SendingState
}

/** What is known of the present source's packets as they come in. */
export interface TakingState {
  /** Continuity counter of the last packet with payload; −1 before it. */
  counter: number
  /** Its last four bytes, to tell a packet that came twice. */
  tail: number
  /** Whether a unit has begun; what comes before is the end of one that is not whole. */
  hasBegun: boolean
  /** Nothing is taken before a random access point. */
  awaitsJoin: boolean
  /** Position of the unit that is not complete yet; −1 when there is none. */
  openAt: number
  /** Bytes of it that are missing; Infinity when only the next one's start tells. */
  missingBytes: number
  /** Progress of the media when it opened, to bound how long it is waited for. */
  openedAtTicks: number
  /** Units that ended with a stuffed packet, while no stuffed packet was in the middle of one; −1 once one was. */
  stuffedEnds: number
  /** The last packet was stuffed. */
  isStuffed: boolean
  /** Pictures that wait for those shown before them. */
  group: ReorderGroup
}

/** What has gone out. Timestamps are those of the output unless they say otherwise. */
export interface SendingState {
  counter: number
  /** The unit in progress does not go out. */
  isSkipping: boolean
  /** Units were left out: a counter gap before the next one is no loss. */
  hasSkipped: boolean
  /** The next packet is of another kind than those before. */
  isRenewed: boolean
  /** DTS of the last unit; the end of the last but the one in progress, for audio. */
  lastDts: number
  end: number
  /** Time without sound that was passed over by silence since the present source began, 90 kHz ticks. */
  holeTicks: number
  /** DTS of the last unit, had nothing been moved for the sake of a join. */
  mappedDts: number
  /** The latest PTS: where what is shown has come to. */
  maxPts: number
  /** It sent units of the source before. */
  wasOnAir: boolean
  /** Units since then that had no timestamp. */
  untimedUnits: number
  /** DTS of the last unit in the source's own time; NO_TIMESTAMP while the present source has sent none. */
  sourceDts: number
  /** Of the unit before when it was left out because its DTS fits to none; NO_TIMESTAMP otherwise. */
  doubtfulDts: number
  /** What is added to the source's timestamps, and in which stretch of its time. */
  offset: number
  stretch: number
  readonly steps: StepMeter
  readonly audio: AudioMeter
  /** The unit in progress, whose duration is still being measured, began here. */
  unitPts: number
}

export function makeTrack(output: OutputStream): Track {
  return {
    pid: output.pid,
    output,
    format: 'pes',
    taking: {
      counter: -1,
      tail: 0,
      hasBegun: false,
      awaitsJoin: false,
      openAt: -1,
      missingBytes: 0,
      openedAtTicks: 0,
      stuffedEnds: 0,
      isStuffed: false,
      group: new ReorderGroup(),
    },
    sending: {
      counter: 15,
      isSkipping: false,
      hasSkipped: true,
      isRenewed: false,
      lastDts: NO_TIMESTAMP,
      end: NO_TIMESTAMP,
      holeTicks: 0,
      mappedDts: NO_TIMESTAMP,
      maxPts: NO_TIMESTAMP,
      wasOnAir: false,
      untimedUnits: 0,
      sourceDts: NO_TIMESTAMP,
      doubtfulDts: NO_TIMESTAMP,
      offset: 0,
      stretch: 0,
      steps: new StepMeter(),
      audio: new AudioMeter(),
      unitPts: NO_TIMESTAMP,
    },
  }
}

/** Another PID of a source, the present one's or the next one's, feeds the track from now on. */
export function beginTaking(track: Track, stream: ElementaryStream, awaitsJoin: boolean): void {
  track.format = formatOf(stream)
  Object.assign(track.taking, { counter: -1, hasBegun: false, awaitsJoin, openAt: -1, missingBytes: 0 })
  Object.assign(track.taking, { stuffedEnds: 0, isStuffed: false, group: new ReorderGroup() })
}

/** The next source's first unit is yet to go out. */
export function beginSending({ sending }: Track): void {
  sending.wasOnAir = sending.sourceDts !== NO_TIMESTAMP
  sending.sourceDts = NO_TIMESTAMP
  sending.doubtfulDts = NO_TIMESTAMP
  sending.holeTicks = 0
  sending.isSkipping = false
  sending.hasSkipped = true
}

function formatOf({ codec, streamType }: ElementaryStream): TrackFormat {
  if (codec === 'scte35') return 'splice-info'
  return SECTION_STREAM_TYPES.has(streamType) ? 'opaque' : 'pes'
}

export function isVideo(track: Track): boolean {
  return track.output.kind === 'video'
}

export function isAudio(track: Track): boolean {
  return track.output.kind === 'audio'
}

/** What goes out next is in another time, which nobody knows. */
export function forgetTime({ sending }: Track): void {
  const none = NO_TIMESTAMP
  Object.assign(sending, { lastDts: none, end: none, mappedDts: none, maxPts: none, unitPts: none })
}

/** Whether audio that went on air with the source before has not begun yet with the present one, which has these tracks. */
export function isSoundAwaited(tracks: Iterable<Track>): boolean {
  for (const track of tracks) {
    const { lastDts, sourceDts } = track.sending
    if (isAudio(track) && lastDts !== NO_TIMESTAMP && sourceDts === NO_TIMESTAMP) return true
  }
  return false
}
