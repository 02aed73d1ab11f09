import type { MediaPlaylist, RenditionReport } from '../../../hls/playlist.ts'
import type { SlotFormat } from '../transmux/slot-format.ts'
import { playlistText } from './playlist-text.ts'
import { featuresOf, passesParts, publishedPlaylist } from './published-playlist.ts'
import type { PlaylistFeatures, SwitchWords } from './published-playlist.ts'
import type { SlotTimeline } from './slot-timeline.ts'
import type { Span } from './span.ts'
import type { SwitchMark } from './stitch.ts'

/** What the playlist of a slot takes from the whole stream. */
export interface SlotSurroundings {
  readonly span: Span | undefined
  readonly marks: readonly SwitchMark[]
  readonly wordsOf: (span: number) => SwitchWords | undefined
  readonly reports: () => readonly RenditionReport[]
  /** Leads from the playlist to the stream's folder. */
  readonly up: string
}

/** Where a blocking reload waits for (bis §6.2.5.2). */
export interface ReloadTarget {
  readonly sequence: number
  /** Undefined: the whole segment. */
  readonly part: number | undefined
}

/** One media playlist of ours: its timeline, what is known of its source's latest version, and who wants it. */
export class SlotOutput {
  readonly timeline: SlotTimeline
  features: PlaylistFeatures | undefined
  /** The latest playlist of its source but the segments, with names of ours. */
  frame: MediaPlaylist | undefined
  /** A finished programme, as it is given to players. */
  complete: MediaPlaylist | undefined
  /** No more will come: the event is over. */
  isEnded = false
  /** The epoch of the source that it shows; undefined while it is not followed. */
  epoch: number | undefined
  lastAskedMs = Number.NEGATIVE_INFINITY
  /** Segments below this number were ordered ahead. */
  orderedSequence = 0
  #text: { readonly key: string; readonly text: string } | undefined
  #frames = 0

  constructor(timeline: SlotTimeline, features: PlaylistFeatures | undefined) {
    this.timeline = timeline
    this.features = features
  }

  /** Something can be published. */
  get hasContent(): boolean {
    return this.complete !== undefined || (this.timeline.segments.length > 0 && this.frame !== undefined)
  }

  /** The source's playlist has come anew; what it lets players rely on is decided by the first. */
  frameChanged(frame: MediaPlaylist, playlist: MediaPlaylist): void {
    const own = featuresOf(playlist)
    this.features ??= own
    if (this.features.format === undefined && own.format !== undefined) {
      this.features = { ...this.features, format: own.format }
    }
    this.frame = frame
    this.#frames += 1
  }

  /** More is known of how its segments come. */
  laidOut(known: Pick<SlotFormat, 'layout' | 'tracks'>): void {
    const { features } = this
    if (features?.format !== undefined) this.features = { ...features, format: { ...features.format, ...known } }
  }

  completed(playlist: MediaPlaylist): void {
    this.complete = playlist
    this.#frames += 1
  }

  ended(): void {
    this.isEnded = true
    this.#frames += 1
  }

  /** Whether the playlist holds what a blocking reload waits for. */
  holds({ sequence, part }: ReloadTarget): boolean {
    const next = this.timeline.nextSequence
    if (sequence < next || this.complete !== undefined || this.isEnded) return true
    return sequence === next && part !== undefined && part < this.#partsAhead()
  }

  /** Where it ends, for the playlists of other slots. */
  report(uri: string): RenditionReport | undefined {
    const { segments, nextSequence } = this.timeline
    if (segments.length === 0 || this.epoch === undefined) return undefined
    const parts = this.#partsAhead()
    return {
      uri,
      lastMediaSequence: parts > 0 ? nextSequence : nextSequence - 1,
      lastPart: parts > 0 ? parts - 1 : undefined,
      otherAttributes: [],
    }
  }

  /** The text of the playlist, for `withCarried`. */
  text(surroundings: SlotSurroundings): string {
    const { marks, up, wordsOf } = surroundings
    const told = marks.filter(({ span }) => wordsOf(span) !== undefined).length
    const others = this.features?.canBlockReload === true ? JSON.stringify(surroundings.reports()) : ''
    const key = `${this.timeline.revision} ${this.#frames} ${marks.at(-1)?.span ?? 0} ${told} ${others}`
    if (this.#text?.key !== key) this.#text = { key, text: playlistText(this.#playlist(surroundings), up) }
    return this.#text.text
  }

  #playlist({ span, marks, wordsOf, reports }: SlotSurroundings): ReturnType<typeof publishedPlaylist> {
    const { timeline, frame, features, complete } = this
    if (complete !== undefined) return complete
    if (span === undefined || frame === undefined || features === undefined)
      throw new Error('an empty slot was asked for')
    const playlist = publishedPlaylist({ timeline, span, latest: frame, features, marks, wordsOf, reports: reports() })
    return this.isEnded ? { ...playlist, hasEndList: true, trailing: undefined, preloadHints: [] } : playlist
  }

  /** Parts of the segment that is being made. */
  #partsAhead(): number {
    const { frame, features } = this
    if (frame === undefined || features === undefined || !passesParts(features, frame)) return 0
    return frame.trailing?.parts.length ?? 0
  }
}
