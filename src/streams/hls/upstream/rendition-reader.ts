import type { Clock } from '../../../lib/clock.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { HlsSession } from './hls-session.ts'
import type { LoadedPlaylist } from './playlist-fetch.ts'
import type { PlaylistEdge } from './playlist-edge.ts'
import { PlaylistFollower } from './playlist-follower.ts'
import type { FollowedPlaylist, FollowerPolicy } from './playlist-follower.ts'
import type { SegmentKeys } from './segment-keys.ts'
import { SegmentPlan } from './segment-plan.ts'
import type { PlannedSegment } from './segment-plan.ts'
import { SegmentPull } from './segment-pull.ts'
import type { Segments } from './segment-pull.ts'
import { UnreadableSegment } from './unreadable-segment.ts'

/** A segment on its way in, with its Media Initialization Section where it has one. */
export interface QueuedSegment {
  readonly segment: PlannedSegment
  readonly pull: SegmentPull
  readonly map: SegmentPull | undefined
}

export interface RenditionOptions {
  readonly session: HlsSession
  /** Undefined: the session's entry. */
  readonly url: string | undefined
  readonly first?: LoadedPlaylist
  readonly segments: Segments
  readonly keys: SegmentKeys
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly policy: FollowerPolicy
  /** What earlier looks saw of the playlist. */
  readonly edge?: PlaylistEdge | undefined
  /** The media sequence number to begin with, when the playlist has it. */
  readonly startAt?: () => number | undefined
  /** There is something to do: bytes, a segment that is complete or has failed, a playlist. */
  readonly onChange: () => void
  /** The last call. */
  readonly onFailed: (failure: SourceFailure) => void
}

/** Segments that are fetched at once. */
const IN_FLIGHT_MAX = 2
/** So far is fetched ahead, in target durations, but at least two segments … */
const AHEAD_TARGETS = 3
/** … and no further one while so much waits in memory. */
const AHEAD_BYTES_MAX = 33_554_432
/** A playlist that begins anew more often than this within the time is of no use. */
const RESETS_MAX = 2
const RESETS_WITHIN_MS = 60_000

/** Follows one media playlist and fetches its segments ahead, in order. */
export class RenditionReader {
  readonly #options: RenditionOptions
  readonly #plan = new SegmentPlan()
  readonly #follower: PlaylistFollower
  #queue: readonly QueuedSegment[] = []
  #maps: readonly { readonly key: string; readonly pull: SegmentPull }[] = []
  #targetDurationS = 0
  #resetsAtMs: readonly number[] = []

  constructor(options: RenditionOptions) {
    this.#options = options
    const { session, url, first, clock, policy, edge, onFailed } = options
    this.#follower = new PlaylistFollower({
      ...{ session, url, clock, policy, edge, usesBlockingReload: false },
      ...(first === undefined ? {} : { first }),
      listener: {
        onPlaylist: (followed) => this.#took(followed),
        onReset: () => this.#reset(),
        onFailed,
        onComplete: () => options.onChange(),
      },
    })
  }

  start(): void {
    this.#follower.start()
  }

  /** Seconds. 0 before the first playlist. */
  get targetDurationS(): number {
    return this.#targetDurationS
  }

  get isLive(): boolean {
    return !this.#plan.isComplete
  }

  /** The media sequence number of the segment that is read, or of the next one. */
  get position(): number | undefined {
    return this.#queue[0]?.segment.sequence ?? this.#plan.nextSequence
  }

  /** The segment that is to be read. */
  get front(): QueuedSegment | undefined {
    return this.#queue[0]
  }

  /** Seconds of media that the playlist has and that have not been read, the front one included. */
  get aheadS(): number {
    const waitingS = this.#plan.waiting.reduce((sum, { durationS }) => sum + durationS, 0)
    return this.#queuedS() + waitingS
  }

  /** Everything was read, and nothing more will come. */
  get isDone(): boolean {
    return this.#plan.isComplete && this.#queue.length === 0 && this.#plan.waiting.length === 0
  }

  /** The front one was read, or is left out. */
  shift(): void {
    this.#queue[0]?.pull.close()
    this.#queue = this.#queue.slice(1)
    this.fill()
  }

  /** Begins what may be fetched now. */
  fill(): void {
    while (this.#mayFetch()) {
      const segment = this.#plan.take()
      if (segment === undefined) return
      const map = segment.map === undefined ? undefined : this.#mapOf(segment.map)
      const pull = this.#pull(segment)
      this.#queue = [...this.#queue, { segment, pull, map }]
      void pull.start()
    }
  }

  close(): void {
    this.#follower.stop()
    for (const { pull } of this.#queue) pull.close()
    for (const { pull } of this.#maps) pull.close()
    this.#queue = []
  }

  #took(followed: FollowedPlaylist): void {
    this.#targetDurationS = followed.playlist.targetDurationS
    try {
      this.#plan.add(followed, this.#options.startAt?.())
    } catch (error) {
      if (!(error instanceof UnreadableSegment)) throw error
      this.#follower.stop()
      this.#options.onFailed({ kind: 'segment_invalid', message: error.message })
      return
    }
    this.fill()
    this.#options.onChange()
  }

  /** An encoder that was restarted is followed; one that is restarted again and again is not. */
  #reset(): 'go_on' | 'fail' {
    const nowMs = this.#options.clock.nowMs()
    this.#resetsAtMs = [...this.#resetsAtMs.filter((atMs) => nowMs - atMs < RESETS_WITHIN_MS), nowMs]
    if (this.#resetsAtMs.length > RESETS_MAX) return 'fail'
    this.#plan.restart()
    return 'go_on'
  }

  #mayFetch(): boolean {
    const inFlight = this.#queue.filter(({ pull }) => !pull.isComplete)
    if (inFlight.length >= IN_FLIGHT_MAX) return false
    if (this.#queue.length < IN_FLIGHT_MAX) return true
    const bytes = this.#queue.reduce((sum, { pull }) => sum + pull.buffered, 0)
    return bytes < AHEAD_BYTES_MAX && this.#queuedS() < AHEAD_TARGETS * this.#targetDurationS
  }

  #queuedS(): number {
    return this.#queue.reduce((sum, { segment }) => sum + segment.durationS, 0)
  }

  #pull(source: PlannedSegment | NonNullable<PlannedSegment['map']>): SegmentPull {
    const { session, segments, keys, clock, signal, onChange } = this.#options
    const patienceMs = this.#targetDurationS * 1_000
    const changed = (): void => {
      this.fill()
      onChange()
    }
    return new SegmentPull({ source, session, segments, keys, clock, signal, patienceMs, onChange: changed })
  }

  /** Segments share one as long as they name the same. */
  #mapOf(map: NonNullable<PlannedSegment['map']>): SegmentPull {
    const key = `${map.byteRange?.offset ?? ''} ${map.url} ${map.key?.url ?? ''}`
    const known = this.#maps.find((each) => each.key === key && each.pull.failure === undefined)
    if (known !== undefined) return known.pull
    const pull = this.#pull(map)
    this.#maps = [...this.#maps, { key, pull }].slice(-IN_FLIGHT_MAX - 2)
    void pull.start()
    return pull
  }
}
