import { codecString } from '../../isobmff/codec-string.ts'
import { writeInit } from '../../isobmff/init-writer.ts'
import type { WrittenTrack } from '../../isobmff/track.ts'
import type { CmafInit, CmafTrack } from './fragment.ts'
import type { TrackFeed } from './track-feed.ts'

const TICKS_PER_SECOND = 90_000
/** Samples whose shortest duration stands for the frame rate where the stream does not tell it. */
const RATE_SAMPLES = 8

/** All that is played with one initialisation segment: the leading track, by which fragments are cut, and the tracks beside it. */
export class Epoch {
  readonly id: number
  readonly leaderPid: number
  readonly leader: TrackFeed
  /** Presentation time of its first picture, 90 kHz. */
  readonly startPts: number
  readonly startDts: number
  /** By PID. */
  readonly others = new Map<number, TrackFeed>()
  /** PIDs that are to have a track in `others`. */
  readonly expected: Set<number>
  /** Presentation minus decoding time of the latest random access point, 90 kHz: how much later than `dts` other tracks are cut. */
  lead: number
  #isClosed = false
  #isFinal = false
  #init: CmafInit | undefined

  constructor(
    id: number,
    leaderPid: number,
    leader: TrackFeed,
    start: { readonly pts: number; readonly dts: number },
    expected: Iterable<number>,
  ) {
    this.id = id
    this.leaderPid = leaderPid
    this.leader = leader
    this.startPts = start.pts
    this.startDts = start.dts
    this.lead = start.pts - start.dts
    this.expected = new Set(expected)
  }

  /** The leading track gets nothing more. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Nothing more comes to any track. */
  get isFinal(): boolean {
    return this.#isFinal
  }

  /** Whether its initialisation segment was made, so that its tracks stay. */
  get isFrozen(): boolean {
    return this.#init !== undefined
  }

  get bytes(): number {
    let bytes = this.leader.queue.bytes
    for (const feed of this.others.values()) bytes += feed.queue.bytes
    return bytes
  }

  /** The leading track ends, at `endDts` (90 kHz) where another epoch goes on. */
  close(endDts?: number): void {
    this.#isClosed = true
    this.leader.close(endDts)
  }

  /** All tracks end. */
  finish(): void {
    this.close()
    this.#isFinal = true
  }

  /** The initialisation segment; its tracks are those that have samples by now. */
  freeze(): CmafInit {
    this.#init ??= this.#makeInit()
    return this.#init
  }

  #makeInit(): CmafInit {
    const feeds = [this.leader, ...this.others.values()]
    const written = feeds.map(({ trackId, language, format }): WrittenTrack => ({
      ...format.track,
      id: trackId,
      language,
    }))
    const { kind, width, height } = this.leader.format.track
    const isVideo = kind === 'video'
    const tracks = written.map(describeTrack)
    return {
      id: this.id,
      bytes: writeInit(written),
      codecs: [...new Set(tracks.map(({ codec }) => codec))].join(','),
      width: isVideo ? width : undefined,
      height: isVideo ? height : undefined,
      frameRate: isVideo ? (this.leader.format.framesPerSecond ?? this.#measuredRate()) : undefined,
      tracks,
    }
  }

  #measuredRate(): number | undefined {
    const { completeSamples, queue } = this.leader
    const measured = queue.samples.slice(0, Math.min(completeSamples, RATE_SAMPLES)).map(({ duration }) => duration)
    const shortest = Math.min(...measured)
    return Number.isFinite(shortest) && shortest > 0 ? TICKS_PER_SECOND / shortest : undefined
  }
}

function describeTrack({ id, kind, codec, language, channels, sampleRateHz }: WrittenTrack): CmafTrack {
  const isAudio = kind === 'audio'
  return {
    trackId: id,
    kind: isAudio ? 'audio' : 'video',
    codec: codecString(codec) ?? 'unknown',
    language,
    channels: isAudio ? channels : undefined,
    sampleRateHz: isAudio ? sampleRateHz : undefined,
  }
}
