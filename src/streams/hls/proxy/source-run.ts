import type { MasterPlaylist } from '../../../hls/playlist.ts'
import { resolveUri } from '../../../hls/uri.ts'
import type { Clock } from '../../../lib/clock.ts'
import { failureReason, internalFailure } from '../../sources/http-failure.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { SessionFailure } from '../../sources/session.ts'
import type { SourceAccess } from '../upstream/hls-session.ts'
import { fetchPlaylist } from '../upstream/playlist-fetch.ts'
import type { LoadedPlaylist } from '../upstream/playlist-fetch.ts'
import { followerPolicy, PlaylistFollower } from '../upstream/playlist-follower.ts'
import type { FollowedPlaylist } from '../upstream/playlist-follower.ts'
import type { HlsProxySource } from './proxy-options.ts'

export interface SourceRunListener {
  /** The source's entry is here: what the slots are fed from is known. */
  onEntry(run: SourceRun): void
  onPlaylist(run: SourceRun, slots: readonly number[], followed: FollowedPlaylist): void
  /** The media sequence began anew: whether that is a failure. */
  onReset(run: SourceRun): 'go_on' | 'fail'
  /** Whether another source is ready and has something new. */
  isHasty(): boolean
  /** Called once; nothing is followed any more. */
  onFailed(run: SourceRun, failure: SourceFailure): void
}

export interface SourceRunOptions {
  readonly source: HlsProxySource
  readonly epoch: number
  readonly session: SourceAccess
  readonly clock: Clock
  readonly listener: SourceRunListener
  /** The URI of a master playlist that feeds a slot; undefined when it has nothing for it. */
  readonly match: (slot: number, master: MasterPlaylist) => string | undefined
}

interface Followed {
  readonly follower: PlaylistFollower
  readonly slots: Set<number>
}

const RETRIES = 1

/** One time on air of one source: its entry, and those of its playlists that somebody wants, followed. */
export class SourceRun implements Disposable {
  readonly #options: SourceRunOptions
  readonly #abort = new AbortController()
  readonly #wanted = new Set<number>()
  readonly #followed = new Map<string, Followed>()
  #epoch: number
  #listener: SourceRunListener
  #entry: LoadedPlaylist | undefined
  #isFirstUsed = false
  #failure: SourceFailure | undefined
  #isDone = false
  /** The last sign of life: something that was asked for came as it should. */
  lastGoodMs: number
  /** Somebody has been told that it delivers. */
  hasDelivered = false
  /** Resources that failed since the last good one. */
  resourceFailures = 0
  /** What it needed to go on air at once was here before it was put there. */
  wasStandby = false

  constructor(options: SourceRunOptions) {
    this.#options = options
    this.#epoch = options.epoch
    this.#listener = options.listener
    this.lastGoodMs = options.clock.nowMs()
  }

  get source(): HlsProxySource {
    return this.#options.source
  }

  get epoch(): number {
    return this.#epoch
  }

  get session(): SourceAccess {
    return this.#options.session
  }

  /** Undefined before its entry was loaded. */
  get entry(): LoadedPlaylist | undefined {
    return this.#entry
  }

  get failure(): SourceFailure | undefined {
    return this.#failure
  }

  /** Its playlists are followed, or about to be. */
  get isAlive(): boolean {
    return !this.#isDone
  }

  start(): void {
    this.#load(RETRIES)
  }

  /** It stood by and goes on air: what it does from now on is told to this listener, with this epoch. */
  goOnAir(epoch: number, listener: SourceRunListener): void {
    this.#epoch = epoch
    this.#listener = listener
  }

  /** Tells all that is known of it now. */
  retell(): void {
    if (this.#entry !== undefined) this.#listener.onEntry(this)
    for (const { follower, slots } of [...this.#followed.values()]) {
      if (follower.latest !== undefined && this.isAlive) this.#listener.onPlaylist(this, [...slots], follower.latest)
    }
  }

  /** Feeds a slot from now on. False when this source has nothing for it; true also while that is not known. */
  follow(slot: number): boolean {
    this.#wanted.add(slot)
    const entry = this.#entry
    if (entry === undefined || this.#isDone) return true
    const place = this.#placeOf(slot, entry)
    if (place === undefined) return false
    const { url } = place
    const key = url ?? ''
    const known = this.#followed.get(key)
    if (known !== undefined) {
      known.slots.add(slot)
      return true
    }
    // While nobody wanted it, nothing was asked for: that is no silence of the source.
    if (this.#followed.size === 0) this.lastGoodMs = this.#options.clock.nowMs()
    const follower = this.#follower(key, url, entry)
    this.#followed.set(key, { follower, slots: new Set([slot]) })
    follower.start()
    return true
  }

  /** Nobody wants a slot any more. */
  unfollow(slot: number): void {
    this.#wanted.delete(slot)
    for (const [key, { follower, slots }] of this.#followed) {
      slots.delete(slot)
      if (slots.size > 0) continue
      follower.stop()
      this.#followed.delete(key)
    }
  }

  /** The latest playlist that feeds a slot. */
  latest(slot: number): FollowedPlaylist | undefined {
    for (const { follower, slots } of this.#followed.values()) if (slots.has(slot)) return follower.latest
    return undefined
  }

  /** The slots that are fed, and each with its latest playlist. */
  get followed(): readonly (readonly [slot: number, latest: FollowedPlaylist | undefined])[] {
    return [...this.#followed.values()].flatMap(({ follower, slots }) =>
      [...slots].map((slot) => [slot, follower.latest] as const),
    )
  }

  fail(failure: SourceFailure): void {
    if (this.#isDone) return
    this.#failure = failure
    this[Symbol.dispose]()
    this.#listener.onFailed(this, failure)
  }

  [Symbol.dispose](): void {
    this.#isDone = true
    this.#abort.abort()
    for (const { follower } of this.#followed.values()) follower.stop()
  }

  #load(retriesLeft: number): void {
    this.#loadEntry(retriesLeft).catch((error: unknown) => this.fail(internalFailure(error)))
  }

  async #loadEntry(retriesLeft: number): Promise<void> {
    const { session, clock } = this.#options
    const answer = await fetchPlaylist(session, session.entryUrl, this.#abort.signal)
    if (this.#isDone) return
    if (answer.kind === 'failed') {
      const leftSticky = session.entryFailed()
      if (!leftSticky && retriesLeft === 0) {
        this.fail(answer.failure)
        return
      }
      clock.schedule(followerPolicy.retryDelayMs, () => {
        if (!this.#isDone) this.#load(leftSticky ? retriesLeft : retriesLeft - 1)
      })
      return
    }
    const { loaded } = answer
    if (loaded.playlist.kind === 'master' && loaded.playlist.variants.length === 0) {
      this.fail({ kind: 'playlist_invalid', message: 'its master playlist names no variant' })
      return
    }
    this.lastGoodMs = clock.nowMs()
    this.#entry = loaded
    session.entryAnswered(loaded.finalUrl)
    this.#listener.onEntry(this)
    for (const slot of this.#wanted) if (this.isAlive) this.follow(slot)
  }

  /** Where a slot is fed from, the entry itself when `url` is undefined; undefined when it is not fed at all. */
  #placeOf(slot: number, { playlist, finalUrl }: LoadedPlaylist): { readonly url: string | undefined } | undefined {
    if (playlist.kind === 'media') return { url: undefined }
    const uri = this.#options.match(slot, playlist)
    const url = uri === undefined ? undefined : resolveUri(uri, finalUrl)
    return url === undefined ? undefined : { url }
  }

  #follower(key: string, url: string | undefined, entry: LoadedPlaylist): PlaylistFollower {
    const { session, clock } = this.#options
    const slots = (): readonly number[] => [...(this.#followed.get(key)?.slots ?? [])]
    const isFirst = url === undefined && !this.#isFirstUsed
    if (isFirst) this.#isFirstUsed = true
    return new PlaylistFollower({
      ...{ session, url, clock },
      ...(isFirst ? { first: entry } : {}),
      usesBlockingReload: true,
      isHasty: () => this.#listener.isHasty(),
      listener: {
        onPlaylist: (followed) => {
          this.lastGoodMs = clock.nowMs()
          this.#listener.onPlaylist(this, slots(), followed)
        },
        onReset: () => this.#listener.onReset(this),
        onFailed: (failure) => this.fail(failure),
        onComplete: () => {},
      },
    })
  }
}

/** How a run failed, as the engine is told. */
export function sessionFailureOf({ lastGoodMs }: SourceRun, failure: SourceFailure, nowMs: number): SessionFailure {
  const { message, status, evidence = {} } = failure
  return { reason: failureReason(failure), message, status, detectionMs: nowMs - lastGoodMs, evidence }
}
