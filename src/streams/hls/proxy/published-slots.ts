import type { MasterPlaylist, MediaPlaylist, MediaSegment } from '../../../hls/playlist.ts'
import type { Clock } from '../../../lib/clock.ts'
import { readProgrammeLayout } from '../../../mpegts/programme-layout.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import { cannotBecome, isOtherFormat, recipeOf } from '../transmux/slot-format.ts'
import type { SlotTarget } from '../transmux/slot-format.ts'
import { readTrackLayout } from '../transmux/track-layout.ts'
import type { LoadedPlaylist } from '../upstream/playlist-fetch.ts'
import type { FollowedPlaylist } from '../upstream/playlist-follower.ts'
import { outputMaster } from './output-master.ts'
import type { OutputMaster } from './output-master.ts'
import type { ProxyMemory } from './proxy-memory.ts'
import type { HlsProxyLimits } from './proxy-options.ts'
import type { References } from './reference.ts'
import { Sealer } from './seal-playlist.ts'
import { SlotOutput } from './slot-output.ts'
import type { SourceRun } from './source-run.ts'
import { Stitch } from './stitch.ts'
import type { Taken } from './stitch.ts'
import { streamsOf } from './variant-match.ts'

export interface PublishedSlotsOptions {
  readonly clock: Clock
  readonly limits: Pick<HlsProxyLimits, 'targetDurationFloorS'>
  readonly references: References
  /** Whether another source could take over; without one, a numbering that begins anew is gone on with. */
  readonly hasAlternative: () => boolean
  readonly onMemoryChanged: () => void
  /** A slot has segments that will be asked for soon. */
  readonly onSegments: (slot: SlotOutput, run: SourceRun) => void
}

/** A playlist that nobody asked for within so many target durations, and this time, is followed no more. */
const IDLE_TARGETS = 3
const IDLE_MS_MIN = 8_000
/** The memory is told to have changed at every so many segments. */
const SEGMENTS_PER_MEMORY = 4
/** What a live programme cannot go on with. */
const FINISHED: SourceFailure = {
  kind: 'playlist_ended',
  message: 'has a finished programme where a live one is wanted',
}
/** Names of a finished programme are of no span: they stay when it is loaded again. */
export const COMPLETE_SPAN = 0

/**
 * What players have: the master playlist, and for each media playlist that it names a slot, in which the playlists of one source after
 * another become one.
 */
export class PublishedSlots {
  readonly #options: PublishedSlotsOptions
  readonly #slots = new Map<number, SlotOutput>()
  readonly #stitch: Stitch
  #master: OutputMaster | null | undefined
  readonly #features: ProxyMemory['features']
  #sealer: Sealer | undefined
  #advancesUntold = 0
  #advancedAtMs: number | undefined

  constructor(options: PublishedSlotsOptions, memory: ProxyMemory | undefined) {
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

  /** Those that somebody has asked for, by their numbers. */
  get all(): ReadonlyMap<number, SlotOutput> {
    return this.#slots
  }

  /** When a playlist last grew. */
  get advancedAtMs(): number | undefined {
    return this.#advancedAtMs
  }

  /** One of them is over: no more will come. */
  get isEnded(): boolean {
    return [...this.#slots.values()].some(({ isEnded }) => isEnded)
  }

  /** The longest of all playlists, seconds; 0 before anything was published. */
  get targetDurationS(): number {
    return Math.max(0, ...Array.from(this.#slots.values(), ({ timeline }) => timeline.targetDurationS))
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

  /** The slots that players ask for; the first where that is none, because whether a source delivers has to show. */
  get wanted(): readonly number[] {
    const wanted = [...this.#slots].filter(([, slot]) => !this.isIdle(slot)).map(([number]) => number)
    return wanted.length === 0 ? [0] : wanted
  }

  /** Whether no player has asked for a slot for a while. */
  isIdle({ lastAskedMs, timeline }: SlotOutput): boolean {
    const idleMs = Math.max(IDLE_MS_MIN, IDLE_TARGETS * 1_000 * timeline.targetDurationS)
    return this.#options.clock.nowMs() - lastAskedMs > idleMs
  }

  /** What its segments are to be; undefined where they pass as they are. */
  targetOf(number: number, slot: SlotOutput, { partTargetS }: MediaPlaylist): SlotTarget | undefined {
    const { format, partTargetS: promisedS } = slot.features ?? {}
    const streams = streamsOf(this.#master ?? undefined, number)
    if (format === undefined || streams === undefined || slot.complete !== undefined) return undefined
    return { slot: number, format, streams, hasParts: promisedS !== undefined && partTargetS !== undefined }
  }

  /** Why players of a slot could not go on with a playlist of another source; undefined when they could. */
  refusalOf(number: number, { playlist, finalUrl }: FollowedPlaylist): SourceFailure | undefined {
    const slot = this.slot(number)
    if (slot === undefined || !slot.hasContent || slot.complete !== undefined) return undefined
    if (playlist.hasEndList) return FINISHED
    return misfit(this.targetOf(number, slot, playlist), playlist, finalUrl)
  }

  /** Nobody can get these segments any more. True if players have been told of one of them. */
  lost(names: ReadonlySet<string>): boolean {
    return [...this.#slots.values()].filter(({ timeline }) => timeline.lost(names)).length > 0
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

  /** The entry of a source: the first decides what players have. True if it was. */
  entered({ playlist, finalUrl }: LoadedPlaylist, candidateId: string): boolean {
    if (this.#master !== undefined) return false
    this.#master = playlist.kind === 'media' ? null : this.#masterFrom(playlist, finalUrl, candidateId)
    this.#options.onMemoryChanged()
    return true
  }

  /** What is published from now on is of this run. */
  begin({ source: { candidateId, index } }: SourceRun): void {
    this.#stitch.begin({ candidateId, sourceIndex: index })
    for (const slot of this.#slots.values()) {
      slot.epoch = undefined
      slot.isEnded = false
    }
  }

  /** Nothing is followed any more. */
  stop(): void {
    for (const slot of this.#slots.values()) slot.epoch = undefined
  }

  /** Publishes what is new in a playlist of the run; one that players cannot go on with fails the run. */
  publish(run: SourceRun, number: number, slot: SlotOutput, given: FollowedPlaylist): void {
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
    const why = misfit(target, playlist, finalUrl)
    if (why !== undefined) {
      run.fail(why)
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
    this.#advancedAtMs = this.#options.clock.nowMs()
    this.#advancesUntold += 1
    if (taken === 'joined' || this.#advancesUntold >= SEGMENTS_PER_MEMORY) {
      this.#advancesUntold = 0
      this.#options.onMemoryChanged()
    }
    this.#options.onSegments(slot, run)
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
    this.#advancedAtMs = this.#options.clock.nowMs()
    this.#options.onSegments(slot, run)
  }

  #masterFrom(playlist: MasterPlaylist, base: string, candidateId: string): OutputMaster {
    const sealer = this.#sealerOf(COMPLETE_SPAN, candidateId)
    return outputMaster(
      playlist,
      (uri) => sealer.name('key', uri, base),
      (uri) => sealer.name('data', uri, base),
    )
  }

  /** An event may be over. A channel never is: an encoder that is started again ends its playlist too. */
  #mayEnd({ features }: SlotOutput): boolean {
    return features?.playlistType === 'EVENT' && !this.#options.hasAlternative()
  }

  #sealerOf(span: number, candidateId: string): Sealer {
    const known = this.#sealer
    if (known !== undefined && known.span === span && known.candidateId === candidateId) return known
    this.#sealer = new Sealer({ references: this.#options.references, span, candidateId })
    return this.#sealer
  }
}

/** Segments that cannot become what players have. */
function misfit(target: SlotTarget | undefined, playlist: MediaPlaylist, base: string): SourceFailure | undefined {
  const message = target === undefined ? undefined : cannotBecome(target.format, playlist, base)
  return message === undefined ? undefined : { kind: 'segment_invalid', message }
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
