import type { MediaPlaylist } from '../../../hls/playlist.ts'
import type { Clock, Timer } from '../../../lib/clock.ts'
import { internalFailure } from '../../sources/http-failure.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { PlaylistSession } from './hls-session.ts'
import type { PlaylistEdge } from './playlist-edge.ts'
import { fetchPlaylist } from './playlist-fetch.ts'
import type { LoadedPlaylist } from './playlist-fetch.ts'
import { nextSequenceOf, progressOf } from './playlist-progress.ts'

/** When a playlist counts as failed. */
export interface FollowerPolicy {
  /** Requests that are repeated before a failure is told; the budget is full again after a good answer. */
  readonly retries: number
  readonly retryDelayMs: number
  /** Without anything new for so many target durations it is frozen (RFC 8216 §6.2.2 allows 1.5) … */
  readonly frozenTargets: number
  /** … or so many while nothing is known of how it is published: it may be in bursts. */
  readonly frozenTargetsUnlearnt: number
  /** A burst of segments is credit for as long as it plays, and for so many target durations more. */
  readonly creditTargets: number
  /** The longest pause that was seen may come again, so many times as long. */
  readonly pauseFactor: number
}

export const followerPolicy: FollowerPolicy = {
  retries: 1,
  retryDelayMs: 100,
  frozenTargets: 2.5,
  frozenTargetsUnlearnt: 3.25,
  creditTargets: 1.5,
  pauseFactor: 1.5,
}

/**
 * While another source is ready and has something new: to be wrong costs a seam, to be late costs players who begin three
 * target durations behind the end a picture that stands still.
 */
export const hastyPolicy: FollowerPolicy = { ...followerPolicy, frozenTargets: 2, creditTargets: 1, pauseFactor: 1.2 }

/** What is known of a playlist that was loaded. */
export interface FollowedPlaylist {
  readonly playlist: MediaPlaylist
  /** Against this its URIs are resolved. */
  readonly finalUrl: string
  /** When the answer was there, on the clock. */
  readonly atMs: number
}

export interface FollowerListener {
  /** A playlist that differs in what it offers from the one before; also the first. */
  onPlaylist(followed: FollowedPlaylist): void
  /**
   * The media sequence went back: `go_on` follows the new numbering (onPlaylist comes next), `fail` ends with it. An
   * encoder that was restarted does this, and a source that lost its state.
   */
  onReset(failure: SourceFailure, followed: FollowedPlaylist): 'go_on' | 'fail'
  /** The last call: it follows no more. */
  onFailed(failure: SourceFailure): void
  /** The last call: the first playlist had an EXT-X-ENDLIST, so there will be no other. Only after onPlaylist. */
  onComplete(): void
}

export interface FollowerOptions {
  readonly session: PlaylistSession
  /** Absolute; undefined: the session's entry, wherever that is each time. */
  readonly url: string | undefined
  /** One that was loaded already, so that it is not asked for twice. */
  readonly first?: LoadedPlaylist
  /** Whether reloads wait at the origin for what is next, where it offers that (bis §6.2.5.2). */
  readonly usesBlockingReload: boolean
  /** What earlier looks saw: a playlist that had nothing new since then has stood still for so long already. */
  readonly edge?: PlaylistEdge | undefined
  readonly policy?: FollowerPolicy
  /** Whether another source is ready and has something new: this one is given less time then. */
  readonly isHasty?: () => boolean
  readonly clock: Clock
  readonly listener: FollowerListener
}

/** A blocking reload may take so many target durations (bis §6.2.5.2 has the origin answer within three). */
const BLOCKING_TARGETS_MAX = 3
/** Pauses that were seen make it this patient at most, in target durations; otherwise each would allow a longer one. */
const LEARNT_TARGETS_MAX = 4
/** No reload comes sooner after the one before, whatever the playlist says. */
const RELOAD_MS_MIN = 100

/**
 * Follows one live media playlist: reloads it when RFC 8216 §6.3.4 allows, tells what is new, and notices when it is no
 * playlist any more, stands still, begins anew or ends.
 */
export class PlaylistFollower implements Disposable {
  readonly #options: FollowerOptions
  readonly #policy: FollowerPolicy
  readonly #abort = new AbortController()
  #latest: FollowedPlaylist | undefined
  #timer: Timer | undefined
  #frozenTimer: Timer | undefined
  #advancedAtMs: number
  /** Seconds of media that the latest addition brought, and the longest pause between two: how it is published. */
  #addedS = 0
  #longestPauseMs = 0
  #additions = 0
  #unchangedAnswers = 0
  #retriesLeft: number
  #isDone = false

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#policy = options.policy ?? followerPolicy
    this.#retriesLeft = this.#policy.retries
    this.#advancedAtMs = options.clock.nowMs()
  }

  get latest(): FollowedPlaylist | undefined {
    return this.#latest
  }

  start(): void {
    const { first } = this.#options
    if (first === undefined) void this.#load()
    else this.#loaded(first, this.#options.clock.nowMs())
  }

  /** Nothing is told after it. */
  stop(): void {
    this.#isDone = true
    this.#timer?.cancel()
    this.#frozenTimer?.cancel()
    this.#abort.abort()
  }

  [Symbol.dispose](): void {
    this.stop()
  }

  async #load(): Promise<void> {
    const { session, clock } = this.#options
    const askedAtMs = clock.nowMs()
    const { url, timeouts } = this.#request()
    try {
      const answer = await fetchPlaylist(session, url, this.#abort.signal, timeouts)
      if (this.#isDone) return
      if (answer.kind === 'failed') this.#loadFailed(answer.failure)
      else this.#loaded(answer.loaded, askedAtMs)
    } catch (error) {
      this.#fail(internalFailure(error))
    }
  }

  #request() {
    const { session, usesBlockingReload } = this.#options
    const url = this.#options.url ?? session.entryUrl
    const playlist = this.#latest?.playlist
    if (!usesBlockingReload || playlist?.serverControl?.canBlockReload !== true) return { url, timeouts: undefined }
    const asked = new URL(url)
    asked.searchParams.set('_HLS_msn', String(nextSequenceOf(playlist)))
    if (playlist.partTargetS !== undefined) {
      asked.searchParams.set('_HLS_part', String(playlist.trailing?.parts.length ?? 0))
    }
    const waitMs = playlist.targetDurationS * 1_000 * BLOCKING_TARGETS_MAX
    const { connectMs, answerMs, silenceMs, totalMs } = session.timeouts
    const timeouts = { connectMs, answerMs: answerMs + waitMs, silenceMs, totalMs: totalMs + waitMs }
    return { url: asked.href, timeouts }
  }

  #loadFailed(failure: SourceFailure): void {
    const { session, url } = this.#options
    const leftSticky = url === undefined && session.entryFailed()
    if (leftSticky || this.#retriesLeft > 0) {
      if (!leftSticky) this.#retriesLeft -= 1
      this.#loadAfter(this.#policy.retryDelayMs)
    } else this.#fail(failure)
  }

  #loaded({ playlist, finalUrl }: LoadedPlaylist, askedAtMs: number): void {
    const { clock, session, url } = this.#options
    if (playlist.kind === 'master') {
      this.#loadFailed({ kind: 'playlist_invalid', message: 'sent a master playlist where it had a media playlist' })
      return
    }
    this.#retriesLeft = this.#policy.retries
    if (url === undefined) session.entryAnswered(withoutDirectives(finalUrl))
    const nowMs = clock.nowMs()
    const followed = { playlist, finalUrl, atMs: nowMs }
    const progress = progressOf(this.#latest?.playlist, playlist)
    switch (progress.kind) {
      case 'first':
        this.#advanced(followed, undefined)
        break
      case 'advanced':
        this.#advanced(followed, progress.addedS)
        break
      case 'reset':
        this.#reset(followed)
        break
      case 'same':
      case 'stale':
        this.#unchangedAnswers += 1
        break
      default:
        progress satisfies never
    }
    if (this.#isDone) return
    const isNew = progress.kind !== 'same' && progress.kind !== 'stale'
    this.#loadAfter(this.#reloadDueMs(playlist, isNew, askedAtMs) - nowMs)
  }

  /** When the next reload may be, on the clock. */
  #reloadDueMs(playlist: MediaPlaylist, isNew: boolean, askedAtMs: number): number {
    const targetMs = playlist.targetDurationS * 1_000
    if (this.#options.usesBlockingReload && playlist.serverControl?.canBlockReload === true) {
      return isNew ? askedAtMs : askedAtMs + ((playlist.partTargetS ?? playlist.targetDurationS) * 1_000) / 2
    }
    return askedAtMs + (isNew ? targetMs : targetMs / 2)
  }

  #advanced(followed: FollowedPlaylist, addedS: number | undefined): void {
    const wasLive = this.#latest !== undefined
    if (addedS !== undefined) {
      this.#longestPauseMs = Math.max(this.#longestPauseMs, followed.atMs - this.#advancedAtMs)
      this.#addedS = addedS
      this.#additions += 1
    }
    this.#latest = followed
    this.#advancedAtMs = this.#options.edge?.seen(followed.playlist, followed.atMs) ?? followed.atMs
    this.#options.listener.onPlaylist(followed)
    if (this.#isDone) return
    if (!followed.playlist.hasEndList) this.#armFrozen(followed)
    else if (wasLive) this.#fail({ kind: 'playlist_ended', message: 'ended its live playlist (EXT-X-ENDLIST)' })
    else {
      this.stop()
      this.#options.listener.onComplete()
    }
  }

  #reset(followed: FollowedPlaylist): void {
    const before = this.#latest
    const failure: SourceFailure = {
      kind: 'playlist_reset',
      message: 'began its media sequence anew',
      evidence: {
        sequence_before: before === undefined ? null : nextSequenceOf(before.playlist),
        sequence_now: nextSequenceOf(followed.playlist),
      },
    }
    const verdict = this.#options.listener.onReset(failure, followed)
    if (this.#isDone) return
    if (verdict === 'fail') {
      this.#fail(failure)
      return
    }
    this.#latest = undefined
    this.#advanced(followed, undefined)
  }

  #armFrozen(followed: FollowedPlaylist): void {
    const { clock, isHasty } = this.#options
    const patientMs = this.#frozenLimitMs(followed.playlist, this.#policy)
    this.#frozenTimer?.cancel()
    const stoodMs = followed.atMs - this.#advancedAtMs
    this.#unchangedAnswers = stoodMs > 0 ? 1 : 0
    const patient = (afterMs: number): Timer =>
      clock.schedule(Math.max(0, afterMs), () => this.#stoodStill(followed, patientMs))
    const hastyMs = Math.min(patientMs, this.#frozenLimitMs(followed.playlist, hastyPolicy))
    if (isHasty === undefined || this.#additions <= 1) this.#frozenTimer = patient(patientMs - stoodMs)
    else {
      this.#frozenTimer = clock.schedule(hastyMs, () => {
        if (isHasty()) this.#stoodStill(followed, hastyMs)
        else this.#frozenTimer = patient(patientMs - hastyMs)
      })
    }
  }

  #stoodStill({ playlist }: FollowedPlaylist, limitMs: number): void {
    const { mediaSequence, targetDurationS } = playlist
    const ms = Math.round(limitMs)
    const evidence = { limit_ms: ms, media_sequence: mediaSequence, target_duration_s: targetDurationS }
    this.#fail(
      this.#unchangedAnswers > 0
        ? { kind: 'playlist_frozen', message: `answers, but has had nothing new for ${ms} ms`, evidence }
        : { kind: 'answer_timeout', message: `has not answered with a playlist for ${ms} ms`, evidence },
    )
  }

  /** A burst of segments is credit: its origin owes nothing for as long as it plays. */
  #frozenLimitMs({ targetDurationS }: MediaPlaylist, policy: FollowerPolicy): number {
    const targetMs = targetDurationS * 1_000
    const { frozenTargets, frozenTargetsUnlearnt, creditTargets, pauseFactor } = policy
    const targets = this.#additions > 1 ? frozenTargets : frozenTargetsUnlearnt
    const learntMs = Math.min(pauseFactor * this.#longestPauseMs, LEARNT_TARGETS_MAX * targetMs)
    return Math.max(targets * targetMs, this.#addedS * 1_000 + creditTargets * targetMs, learntMs)
  }

  #loadAfter(ms: number): void {
    this.#timer = this.#options.clock.schedule(Math.max(ms, RELOAD_MS_MIN), () => void this.#load())
  }

  #fail(failure: SourceFailure): void {
    if (this.#isDone) return
    this.stop()
    this.#options.listener.onFailed(failure)
  }
}

/** A redirect may have carried the delivery directives of one reload along. */
function withoutDirectives(url: string): string {
  const bare = new URL(url)
  for (const name of ['_HLS_msn', '_HLS_part', '_HLS_skip']) bare.searchParams.delete(name)
  return bare.href
}
