import type { SourceFailure } from '../../sources/http-failure.ts'
import type { SourceAccess } from '../upstream/hls-session.ts'
import type { FollowedPlaylist } from '../upstream/playlist-follower.ts'
import { createFillerRun, isFiller } from './filler-run.ts'
import type { Filler } from './filler-run.ts'
import type { HlsProxyOptions, HlsProxySource } from './proxy-options.ts'
import type { PublishedSlots } from './published-slots.ts'
import { sessionFailureOf, SourceRun } from './source-run.ts'
import type { SourceRunListener } from './source-run.ts'
import { matchSlot, streamsOf } from './variant-match.ts'

export interface PublisherOptions extends Pick<HlsProxyOptions, 'clock' | 'hasAlternative'> {
  readonly slots: PublishedSlots
  readonly sessions: { open(source: HlsProxySource): SourceAccess }
  readonly listener: Pick<HlsProxyOptions['listener'], 'failed'>
  /** Something that requests may wait for has changed. */
  readonly onChanged: () => void
  /** A player has asked for a slot. */
  readonly onWanted: (slot: number) => void
  /** Whether another source is ready to take over, and has something new. */
  readonly isStandbyAdvancing: () => boolean
}

/** Which source is published, one after another: the one on air, the one that is about to take over, and what fills in for all. */
export class Publisher implements Disposable {
  readonly #options: PublisherOptions
  /** Its playlists are published. */
  #current: SourceRun | undefined
  /** It takes over as soon as it has a playlist; until then the present source goes on. */
  #incoming: SourceRun | undefined
  readonly #listener: SourceRunListener = {
    onEntry: (run) => this.#entered(run),
    onPlaylist: (run, slots, followed) => this.#published(run, slots, followed),
    onReset: () => (this.#options.hasAlternative() ? 'fail' : 'go_on'),
    isHasty: () => this.#options.isStandbyAdvancing(),
    onFailed: (run, failure) => this.#failed(run, failure),
  }

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  get current(): SourceRun | undefined {
    return this.#current
  }

  get incoming(): SourceRun | undefined {
    return this.#incoming
  }

  /** Somebody wants a slot. False when the source on air has nothing for it. */
  want(number: number): boolean {
    const { slots, clock, onWanted } = this.#options
    const output = slots.slot(number)
    if (output === undefined) return false
    output.lastAskedMs = clock.nowMs()
    this.#incoming?.follow(number)
    onWanted(number)
    return this.#current?.follow(number) ?? true
  }

  /** A time of a source that fills the slots of this stream; not started yet. */
  createRun(source: HlsProxySource, epoch: number, listener: SourceRunListener): SourceRun {
    const { sessions, clock, slots } = this.#options
    return new SourceRun({
      ...{ source, epoch, clock, listener },
      session: sessions.open(source),
      match: (slot, master) => matchSlot(slots.master ?? undefined, slot, master),
    })
  }

  /** `standby`: a run of the source that stood by; without one it begins from nothing. */
  putOnAir(source: HlsProxySource, epoch: number, standby: SourceRun | undefined): void {
    this.#incoming?.[Symbol.dispose]()
    this.#incoming = undefined
    const run = standby ?? this.createRun(source, epoch, this.#listener)
    // A switch that no failure led to: players go on with what there is until the new source has something.
    const goesOn = this.#current?.isAlive === true && this.#current.source.candidateId !== source.candidateId
    if (goesOn) this.#incoming = run
    else this.#takeOver(run)
    standby?.goOnAir(epoch, this.#listener)
    for (const number of this.#options.slots.wanted) run.follow(number)
    if (standby === undefined) run.start()
    else standby.retell()
    this.#options.onChanged()
  }

  /** Published until a source has a playlist; the one that is being tried goes on being tried. */
  fillIn(filler: Filler): void {
    const trying = this.#current
    const isTried = trying?.isAlive === true
    if (isTried && trying.source.candidateId === filler.candidateId) return
    if (isTried && !isFiller(trying) && this.#incoming === undefined) this.#incoming = trying
    else trying?.[Symbol.dispose]()
    const { clock, slots } = this.#options
    const run = createFillerRun(filler, clock, this.#listener, (slot) => streamsOf(slots.master ?? undefined, slot))
    this.#begin(run)
    for (const number of this.#options.slots.wanted) run.follow(number)
    run.start()
    this.#options.onChanged()
  }

  /** A source is followed no more; what it has published stays until another one is put on air. */
  leave(candidateId: string): void {
    if (this.#incoming?.source.candidateId === candidateId) {
      this.#incoming[Symbol.dispose]()
      this.#incoming = undefined
    }
    if (this.#current?.source.candidateId === candidateId) this.#current[Symbol.dispose]()
  }

  stop(): void {
    this.#incoming?.[Symbol.dispose]()
    this.#incoming = undefined
    this.#current?.[Symbol.dispose]()
    this.#current = undefined
    this.#options.slots.stop()
    this.#options.onChanged()
  }

  /** Nobody can get these segments any more: players are told. */
  lost(names: ReadonlySet<string>): void {
    if (this.#options.slots.lost(names)) this.#options.onChanged()
  }

  [Symbol.dispose](): void {
    this.stop()
  }

  #entered(run: SourceRun): void {
    const { slots, onChanged } = this.#options
    const isFirst = run.entry !== undefined && slots.entered(run.entry, run.source.candidateId)
    if (isFirst && slots.master === null) run.follow(0)
    onChanged()
  }

  #takeOver(run: SourceRun): void {
    this.#current?.[Symbol.dispose]()
    this.#begin(run)
  }

  #begin(run: SourceRun): void {
    this.#current = run
    if (this.#incoming === run) this.#incoming = undefined
    this.#options.slots.begin(run)
  }

  #published(run: SourceRun, numbers: readonly number[], followed: FollowedPlaylist): void {
    const { slots, onChanged } = this.#options
    if (run === this.#incoming && this.#isPlayable(run, numbers, followed)) this.#takeOver(run)
    if (run !== this.#current) return
    for (const number of numbers) {
      const slot = slots.slot(number)
      if (slot === undefined || !run.isAlive) continue
      if (slots.isIdle(slot) && slot.hasContent) {
        slot.epoch = undefined
        run.unfollow(number)
      } else slots.publish(run, number, slot, followed)
    }
    onChanged()
  }

  /** Whether a source that is to take over has something that players can go on with: until it has, they keep what they have. */
  #isPlayable(run: SourceRun, numbers: readonly number[], followed: FollowedPlaylist): boolean {
    const { slots } = this.#options
    const [why] = numbers.map((number) => slots.refusalOf(number, followed)).filter((refusal) => refusal !== undefined)
    if (why !== undefined) run.fail(why)
    return why === undefined && followed.playlist.segments.length > 0
  }

  #failed(run: SourceRun, failure: SourceFailure): void {
    const { listener, clock, slots, onChanged } = this.#options
    const isOver = failure.kind === 'playlist_ended' && run === this.#current
    if (isOver && slots.isEnded) return
    if (run === this.#incoming) this.#incoming = undefined
    // What fills in is none of the stream's sources.
    if (!isFiller(run))
      listener.failed(run.source.candidateId, run.epoch, sessionFailureOf(run, failure, clock.nowMs()))
    onChanged()
  }
}
