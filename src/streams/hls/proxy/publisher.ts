import type { MediaPlaylist, MediaSegment } from '../../../hls/playlist.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import { readProgrammeLayout } from '../../../mpegts/programme-layout.ts'
import { cannotBecome, isOtherFormat, recipeOf } from '../transmux/slot-format.ts'
import type { SlotTarget } from '../transmux/slot-format.ts'
import { readTrackLayout } from '../transmux/track-layout.ts'
import type { FollowedPlaylist } from '../upstream/playlist-follower.ts'
import { createFillerRun, isFiller } from './filler-run.ts'
import type { Filler } from './filler-run.ts'
import { outputMaster } from './output-master.ts'
import type { OutputMaster } from './output-master.ts'
import type { ProxyMemory } from './proxy-memory.ts'
import type { HlsProxyOptions, HlsProxySource } from './proxy-options.ts'
import type { References } from './reference.ts'
import { Sealer } from './seal-playlist.ts'
import { SlotOutput } from './slot-output.ts'
import { sessionFailureOf, SourceRun } from './source-run.ts'
import type { SourceRunListener } from './source-run.ts'
import type { SourceSessions } from './source-sessions.ts'
import { Stitch } from './stitch.ts'
import type { Taken } from './stitch.ts'
import { matchSlot, streamsOf } from './variant-match.ts'

export interface PublisherOptions extends HlsProxyOptions {
  readonly references: References
  readonly sessions: SourceSessions
  /** Something that requests may wait for has changed. */
  readonly onChanged: () => void
  /** A slot has segments that will be asked for soon. */
  readonly onSegments: (slot: SlotOutput, run: SourceRun) => void
  /** A player has asked for a slot. */
  readonly onWanted: (slot: number) => void
  /** Whether another source is ready to take over, and has something new. */
  readonly isStandbyAdvancing: () => boolean
}

/** A playlist that nobody asked for within so many target durations, and this time, is followed no more. */
const IDLE_TARGETS = 3
const IDLE_MS_MIN = 8_000
/** The memory is told to have changed at every so many segments. */
const SEGMENTS_PER_MEMORY = 4
/** What a live programme cannot go on with. */
export const FINISHED: SourceFailure = {
  kind: 'playlist_ended',
  message: 'has a finished programme where a live one is wanted',
}
/** Names of a finished programme are of no span: they stay when it is loaded again. */
export const COMPLETE_SPAN = 0

/** Publishes one source after another as one set of playlists: which is on air, which are followed, what they have become. */
export class Publisher implements Disposable {
  readonly #options: PublisherOptions
  readonly #slots = new Map<number, SlotOutput>()
  readonly #stitch: Stitch
  #master: OutputMaster | null | undefined
  readonly #features: ProxyMemory['features']
  #sealer: Sealer | undefined
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
  #advancesUntold = 0
  /** When a playlist last grew. */
  advancedAtMs: number | undefined

  constructor(options: PublisherOptions, memory: ProxyMemory | undefined) {
    this.#options = options
    this.#stitch = new Stitch(memory?.stitch)
    this.#master = memory?.master
    this.#features = memory?.features ?? {}
  }

  /** Undefined before the first source has answered; null when the entry is a media playlist. */
  get master(): OutputMaster | null | undefined {
    return this.#master
  }

  get stitch(): Stitch {
    return this.#stitch
  }

  get current(): SourceRun | undefined {
    return this.#current
  }

  get incoming(): SourceRun | undefined {
    return this.#incoming
  }

  get slots(): ReadonlyMap<number, SlotOutput> {
    return this.#slots
  }

  get memory(): ProxyMemory | undefined {
    if (this.#master === undefined) return undefined
    const features = { ...this.#features }
    for (const [slot, output] of this.#slots) if (output.features !== undefined) features[slot] = output.features
    return { version: 1, master: this.#master, stitch: this.#stitch.memory, features }
  }

  /** The slot of a number; undefined where the output has none of it. */
  slot(number: number): SlotOutput | undefined {
    const count = this.#master === undefined ? 0 : (this.#master?.slots.length ?? 1)
    if (!Number.isInteger(number) || number < 0 || number >= count) return undefined
    const known = this.#slots.get(number)
    if (known !== undefined) return known
    const output = new SlotOutput(this.#stitch.slot(number), this.#features[number])
    this.#slots.set(number, output)
    return output
  }

  /** Somebody wants a slot. False when the source on air has nothing for it. */
  want(number: number): boolean {
    const output = this.slot(number)
    if (output === undefined) return false
    output.lastAskedMs = this.#options.clock.nowMs()
    this.#incoming?.follow(number)
    this.#options.onWanted(number)
    return this.#current?.follow(number) ?? true
  }

  /** A time of a source that fills the slots of this stream; not started yet. */
  createRun(source: HlsProxySource, epoch: number, listener: SourceRunListener): SourceRun {
    const { sessions, clock } = this.#options
    return new SourceRun({
      ...{ source, epoch, clock, listener },
      session: sessions.open(source),
      match: (slot, master) => matchSlot(this.#master ?? undefined, slot, master),
    })
  }

  /** The slots that players ask for; the first where that is none, because whether a source delivers has to show. */
  get wanted(): readonly number[] {
    const wanted = [...this.#slots].filter(([, slot]) => !this.isIdle(slot)).map(([number]) => number)
    return wanted.length === 0 ? [0] : wanted
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
    for (const number of this.wanted) run.follow(number)
    if (standby === undefined) run.start()
    else standby.retell()
    this.#options.onChanged()
  }

  /** Published until a source has a playlist; the one that is being tried goes on being tried. */
  fillIn(filler: Filler): void {
    const trying = this.#current
    const isTried = trying?.isAlive === true
    if (isTried && trying.source.candidateId === filler.candidateId) return
    if (isTried && !isFiller(trying)) this.#incoming ??= trying
    else trying?.[Symbol.dispose]()
    const { clock } = this.#options
    const run = createFillerRun(filler, clock, this.#listener, (slot) => streamsOf(this.#master ?? undefined, slot))
    this.#begin(run)
    for (const number of this.wanted) run.follow(number)
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
    for (const slot of this.#slots.values()) slot.epoch = undefined
    this.#options.onChanged()
  }

  /** Nobody can get this segment any more. True if players have been told of it. */
  lost(name: string): boolean {
    const found = [...this.#slots.values()].filter(({ timeline }) => timeline.lost(name))
    if (found.length > 0) this.#options.onChanged()
    return found.length > 0
  }

  /** The first bytes of something that passed as it is: on which PIDs, or as which tracks, players have it is kept for other sources. */
  seen(name: string, head: Buffer): void {
    for (const slot of this.#slots.values()) {
      const { container, layout, tracks } = slot.features?.format ?? {}
      if (container === undefined || layout !== undefined || tracks !== undefined) continue
      if (!slot.timeline.segments.some((each) => isClear(each.segment, name))) continue
      const known = container === 'plain' ? readProgrammeLayout(head) : readTrackLayout(head)
      if (known === undefined) continue
      slot.laidOut('streams' in known ? { layout: known } : { tracks: known })
      this.#options.onMemoryChanged()
    }
  }

  [Symbol.dispose](): void {
    this.stop()
  }

  #entered(run: SourceRun): void {
    const playlist = run.entry?.playlist
    if (this.#master === undefined && playlist !== undefined) {
      this.#master = playlist.kind === 'media' ? null : this.#masterFrom(run, playlist)
      if (this.#master === null) run.follow(0)
      this.#options.onMemoryChanged()
    }
    this.#options.onChanged()
  }

  #masterFrom(run: SourceRun, playlist: Parameters<typeof outputMaster>[0]): OutputMaster {
    const base = run.entry?.finalUrl ?? run.source.url
    const sealer = this.#sealerOf(COMPLETE_SPAN, run.source.candidateId)
    return outputMaster(
      playlist,
      (uri) => sealer.name('key', uri, base),
      (uri) => sealer.name('data', uri, base),
    )
  }

  #takeOver(run: SourceRun): void {
    this.#current?.[Symbol.dispose]()
    this.#begin(run)
  }

  #begin(run: SourceRun): void {
    this.#current = run
    if (this.#incoming === run) this.#incoming = undefined
    const { candidateId, index } = run.source
    this.#stitch.begin({ candidateId, sourceIndex: index })
    for (const slot of this.#slots.values()) {
      slot.epoch = undefined
      slot.isEnded = false
    }
  }

  #published(run: SourceRun, slots: readonly number[], followed: FollowedPlaylist): void {
    if (run === this.#incoming) this.#takeOver(run)
    if (run !== this.#current) return
    for (const number of slots) {
      const slot = this.slot(number)
      if (slot === undefined || !run.isAlive) continue
      if (this.isIdle(slot) && slot.hasContent) this.#unfollow(run, number, slot)
      else this.#publish(run, number, slot, followed)
    }
    this.#options.onChanged()
  }

  #unfollow(run: SourceRun, number: number, slot: SlotOutput): void {
    slot.epoch = undefined
    run.unfollow(number)
  }

  #publish(run: SourceRun, number: number, slot: SlotOutput, given: FollowedPlaylist): void {
    const target = this.targetOf(number, slot, given.playlist)
    const followed = target === undefined ? given : asMade(given, target)
    const { playlist, finalUrl } = followed
    if (slot.complete !== undefined && playlist.hasEndList) {
      slot.epoch = run.epoch
      return
    }
    slot.complete = undefined
    if (playlist.hasEndList && slot.epoch !== run.epoch && !this.#mayEnd(slot)) {
      if (slot.timeline.nextSequence === 0) this.#publishComplete(run, slot, playlist, finalUrl)
      else run.fail(FINISHED)
      return
    }
    const why = target === undefined ? undefined : cannotBecome(target.format, playlist, finalUrl)
    if (why !== undefined) {
      run.fail({ kind: 'segment_invalid', message: why })
      return
    }
    const taken = this.#take(run, number, followed, target)
    if (taken === 'reset') {
      run.fail({ kind: 'playlist_reset', message: 'began its media sequence anew' })
      return
    }
    if (taken === 'waiting') return
    const span = this.#stitch.span
    if (span === undefined) return
    slot.epoch = run.epoch
    slot.frameChanged(this.#sealerOf(span.number, span.candidateId).frame(playlist, finalUrl), playlist)
    if (playlist.hasEndList && this.#mayEnd(slot)) slot.ended()
    if (taken === 'unchanged') return
    this.advancedAtMs = this.#options.clock.nowMs()
    this.#advancesUntold += 1
    if (taken === 'joined' || this.#advancesUntold >= SEGMENTS_PER_MEMORY) {
      this.#advancesUntold = 0
      this.#options.onMemoryChanged()
    }
    this.#options.onSegments(slot, run)
  }

  /** What its segments are to be; undefined where they pass as they are. */
  targetOf(number: number, slot: SlotOutput, { partTargetS }: MediaPlaylist): SlotTarget | undefined {
    const { format, partTargetS: promisedS } = slot.features ?? {}
    const streams = streamsOf(this.#master ?? undefined, number)
    if (format === undefined || streams === undefined || slot.complete !== undefined) return undefined
    return { slot: number, format, streams, hasParts: promisedS !== undefined && partTargetS !== undefined }
  }

  #take(
    run: SourceRun,
    slot: number,
    { playlist, finalUrl, atMs }: FollowedPlaylist,
    target: SlotTarget | undefined,
  ): Taken {
    const { clock, limits, hasAlternative } = this.#options
    const take = {
      ...{ slot, playlist, nowMs: atMs, wallMs: clock.wallMs(), targetFloorS: limits.targetDurationFloorS },
      seal: (...[segment, offset, span]: Parameters<Parameters<Stitch['take']>[0]['seal']>) => {
        const found = target === undefined ? undefined : recipeOf({ ...segment, base: finalUrl }, target)
        // What players have first is what all others are laid out like.
        const recipe = found?.to === 'pids' && span.number === 1 ? undefined : found
        return this.#sealerOf(span.number, span.candidateId).segment(segment, finalUrl, offset, recipe)
      },
    }
    const taken = this.#stitch.take(take)
    if (taken !== 'reset' || hasAlternative()) return taken
    // There is nobody else: the numbering that began anew is gone on with.
    this.#stitch.begin({ candidateId: run.source.candidateId, sourceIndex: run.source.index })
    return this.#stitch.take(take)
  }

  #publishComplete(run: SourceRun, slot: SlotOutput, playlist: MediaPlaylist, base: string): void {
    const sealer = this.#sealerOf(COMPLETE_SPAN, run.source.candidateId)
    const whole = sealer.whole(playlist, base)
    if (whole.kind !== 'media') return
    slot.completed(whole)
    slot.epoch = run.epoch
    this.advancedAtMs = this.#options.clock.nowMs()
    this.#options.onSegments(slot, run)
  }

  #failed(run: SourceRun, failure: SourceFailure): void {
    const { listener, clock } = this.#options
    const isOver = failure.kind === 'playlist_ended' && run === this.#current
    if (isOver && [...this.#slots.values()].some(({ isEnded }) => isEnded)) return
    if (run === this.#incoming) this.#incoming = undefined
    listener.failed(run.source.candidateId, run.epoch, sessionFailureOf(run, failure, clock.nowMs()))
    this.#options.onChanged()
  }

  /** An event may be over. A channel never is: an encoder that is started again ends its playlist too. */
  #mayEnd({ features }: SlotOutput): boolean {
    return features?.playlistType === 'EVENT' && !this.#options.hasAlternative()
  }

  /** Whether no player has asked for a slot for a while. */
  isIdle({ lastAskedMs, timeline }: SlotOutput): boolean {
    const idleMs = Math.max(IDLE_MS_MIN, IDLE_TARGETS * 1_000 * timeline.targetDurationS)
    return this.#options.clock.nowMs() - lastAskedMs > idleMs
  }

  #sealerOf(span: number, candidateId: string): Sealer {
    const known = this.#sealer
    if (known !== undefined && known.span === span && known.candidateId === candidateId) return known
    this.#sealer = new Sealer({ references: this.#options.references, span, candidateId })
    return this.#sealer
  }
}

/** Parts of what is made are not: they would have to be cut anew. */
function asMade(followed: FollowedPlaylist, { format }: SlotTarget): FollowedPlaylist {
  const { playlist } = followed
  if (!isOtherFormat(format, playlist)) return followed
  const segments = playlist.segments.map((segment) => ({ ...segment, parts: [] }))
  return {
    ...followed,
    playlist: { ...playlist, segments, partTargetS: undefined, trailing: undefined, preloadHints: [] },
  }
}

/** Whether a name is of a segment that is not encrypted, or of its section. */
function isClear({ uri, keys, map }: MediaSegment, name: string): boolean {
  return map === undefined ? uri === name && keys.length === 0 : map.uri === name && map.keys.length === 0
}
