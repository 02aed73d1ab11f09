import type { CandidateId } from '../../../failover/candidate.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { SessionFailure } from '../../sources/session.ts'
import { isOtherFormat } from '../transmux/slot-format.ts'
import type { SourceAccess } from '../upstream/hls-session.ts'
import type { FollowedPlaylist } from '../upstream/playlist-follower.ts'
import type { SegmentCache } from '../upstream/segment-cache.ts'
import type { KeyAnswer } from '../upstream/segment-keys.ts'
import type { SegmentReader, SegmentRequest } from '../upstream/segment.ts'
import type { HlsProxySource } from './proxy-options.ts'
import type { PublishedSlots } from './published-slots.ts'
import type { Publisher } from './publisher.ts'
import type { SourceRun } from './source-run.ts'
import { sessionFailureOf } from './source-run.ts'
import { StandbySegments } from './standby-segments.ts'
import type { WantedResource } from './standby-segments.ts'
import { standbyWindow } from './standby-window.ts'

export interface StandbyOptions {
  readonly clock: Clock
  readonly publisher: Pick<Publisher, 'createRun'>
  readonly slots: PublishedSlots
  readonly sessions: { open(source: HlsProxySource): SourceAccess }
  readonly cache: SegmentCache
  /** Bytes of segments that are kept ready. */
  readonly bytesMax: number
  /** Fetches a key that the gateway decrypts with. */
  readonly makersKey: (session: SourceAccess, url: string) => Promise<KeyAnswer>
}

/** RFC 8216 §6.2.2: a live playlist has something new within one and a half target durations; and a moment to read it. */
const NEW_TARGETS = 1.6

interface StandingBy {
  readonly run: SourceRun
  readonly segments: StandbySegments
}

/**
 * The source that takes over next, followed while another is on air: the playlists of what players play, and what of them
 * a switch would need. So the first playlist after a switch is there at once, and its segments too.
 */
export class Standby implements Disposable {
  readonly #options: StandbyOptions
  #present: StandingBy | undefined
  /** It has been put on air; what was fetched for it is its span's as soon as it has one. */
  #joining: StandingBy | undefined

  constructor(options: StandbyOptions) {
    this.#options = options
  }

  /** Undefined while none stands by. */
  get candidateId(): CandidateId | undefined {
    return this.#present?.run.source.candidateId
  }

  /** It could go on air without asking its source for anything. */
  get isReady(): boolean {
    const { run, segments } = this.#present ?? {}
    if (run === undefined || segments === undefined || run.followed.length === 0) return false
    return run.followed.every(([, latest]) => latest !== undefined) && segments.isReady
  }

  /** It is ready, and has had something new as lately as a live playlist has to: it does not stand still too. */
  get isAdvancing(): boolean {
    const nowMs = this.#options.clock.nowMs()
    const isNew = (latest: FollowedPlaylist | undefined): boolean =>
      latest !== undefined && nowMs - latest.atMs <= NEW_TARGETS * 1_000 * latest.playlist.targetDurationS
    return this.isReady && this.#present?.run.followed.every(([, latest]) => isNew(latest)) === true
  }

  /** Another source stands by from now on; `onFailed` is called once, and none does after it. */
  prepare(source: HlsProxySource, onFailed: (failure: SessionFailure) => void): void {
    const { clock, publisher, slots, cache, bytesMax, makersKey } = this.#options
    this.drop()
    const run = publisher.createRun(source, Number.NaN, {
      onEntry: () => {},
      onPlaylist: (...[, numbers, followed]) => this.#loaded(run, numbers, followed),
      onReset: () => {
        segments.clear()
        return 'go_on'
      },
      isHasty: () => false,
      onFailed: (_, failure) => {
        if (this.#present?.run !== run) return
        this.drop()
        onFailed(sessionFailureOf(run, failure, clock.nowMs()))
      },
    })
    const { session } = run
    const segments: StandbySegments = new StandbySegments({
      ...{ clock, cache, session, bytesMax },
      makersKey: (url) => makersKey(session, url),
      onFailed: (failure) => run.fail(failure),
    })
    this.#present = { run, segments }
    for (const slot of slots.wanted) run.follow(slot)
    run.start()
  }

  /** A player has asked for a slot. */
  follow(slot: number): void {
    this.#present?.run.follow(slot)
  }

  /** Nothing is asked for any more, for what has been put on air and is not published yet either. */
  stop(): void {
    this.drop()
    this.#joining?.segments[Symbol.dispose]()
    this.#joining = undefined
  }

  /** Nothing stands by any more; what was fetched for it is let go. */
  drop(): void {
    const present = this.#present
    this.#present = undefined
    present?.segments[Symbol.dispose]()
    present?.run[Symbol.dispose]()
  }

  /** What stands by, if it is this source: it goes on air. */
  takeOver(source: HlsProxySource): SourceRun | undefined {
    this.#joining?.segments[Symbol.dispose]()
    this.#joining = undefined
    const present = this.#present
    if (present?.run.source.candidateId !== source.candidateId) return undefined
    // The operator may have given it another address or other headers meanwhile.
    if (this.#options.sessions.open(source) !== present.run.session) {
      this.drop()
      return undefined
    }
    present.run.wasStandby = this.isReady
    this.#present = undefined
    this.#joining = present
    return present.run
  }

  /** The first of its segments are published. */
  joined(run: SourceRun, span: number): void {
    if (this.#joining?.run !== run) return
    this.#joining.segments.adopt(span)
    this.#joining = undefined
  }

  /** A segment that is fetched for it anyway; undefined for any other. */
  shared(candidateId: CandidateId, request: SegmentRequest): SegmentReader | undefined {
    return this.candidateId === candidateId ? this.#present?.segments.reader(request) : undefined
  }

  [Symbol.dispose](): void {
    this.stop()
  }

  #loaded(run: SourceRun, numbers: readonly number[], followed: FollowedPlaylist): void {
    const { slots } = this.#options
    for (const number of numbers) {
      const slot = slots.slot(number)
      const why = slots.refusalOf(number, followed)
      if (why !== undefined) {
        run.fail(why)
        return
      }
      if (slot?.hasContent === true && slots.isIdle(slot)) run.unfollow(number)
    }
    if (this.#present?.run === run) this.#present.segments.want(this.#wanted(run))
  }

  #wanted(run: SourceRun): readonly WantedResource[] {
    const { slots, clock } = this.#options
    const hasTrueDates = slots.stitch.span?.dates.kind === 'shifted'
    const seen = new Set<FollowedPlaylist>()
    return run.followed.flatMap(([number, latest]) => {
      const slot = slots.slot(number)
      if (slot === undefined || latest === undefined || latest.playlist.hasEndList || seen.has(latest)) return []
      seen.add(latest)
      const target = slots.targetOf(number, slot, latest.playlist)
      const isMade = target !== undefined && isOtherFormat(target.format, latest.playlist)
      const window = standbyWindow(latest, slot.timeline.tail(clock.nowMs(), hasTrueDates, true))
      return window.map((resource) => ({ ...resource, isMade, isMedia: target !== undefined }))
    })
  }
}
