import { forgetOldest } from '../../../lib/forget-oldest.ts'
import type { ReadTrack } from '../../../isobmff/track.ts'
import type { ChannelSignature } from '../filler/channel-signature.ts'
import { isSlate } from '../filler/hls-slate.ts'
import { readInitTracks } from '../inspection/fmp4-facts.ts'
import { RenditionWatch } from '../inspection/rendition-watch.ts'
import { contentOf } from '../inspection/segment-content.ts'
import type { RawSegment } from '../transmux/segment-maker.ts'
import type { WantedStreams } from '../transmux/recipe.ts'
import { wholeReader } from '../transmux/whole-segment.ts'
import type { ReadWhole } from '../transmux/whole-segment.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { SourceAccess } from '../upstream/hls-session.ts'
import type { SegmentCache } from '../upstream/segment-cache.ts'
import type { PublishedSlots } from './published-slots.ts'
import { rawRequest } from './reference.ts'
import type { Reference, References } from './reference.ts'
import { NO_MAP } from './seal-playlist.ts'
import type { PublishedSegment } from './slot-timeline.ts'
import type { SymptomJudge } from './symptom-judge.ts'
import { streamsOf } from './variant-match.ts'

export interface SegmentInspectionOptions {
  readonly cache: SegmentCache
  readonly references: References
  readonly slots: Pick<PublishedSlots, 'all' | 'master'>
  readonly judge: Pick<SymptomJudge, 'judge'>
  /** Learns what the channel is coded with. */
  readonly channel: Pick<ChannelSignature, 'offer'>
  readonly sessionOf: (candidateId: string) => SourceAccess | undefined
}

/** Segments whose verdict is remembered, more than all playlists of a stream have that players still load. */
const LOOKS_MAX = 512
/** Renditions between two discontinuities that are remembered. */
const WATCHES_MAX = 64
const SECTIONS_MAX = 32
/** A longer one is no initialisation section that could be read. */
const SECTION_BYTES_MAX = 1_048_576
/** A longer segment is not looked into. */
const LOOK_BYTES_MAX = 33_554_432
/** A segment that was refused is asked for once more. */
const LOOKS_AT_ONE_MAX = 2

/** A look at one segment, and what has come of it. */
interface Look {
  readonly verdict: Promise<SourceFailure | undefined>
  readonly number: number
  /** Undefined for what is not looked into. */
  readonly place: Place | undefined
  failure: SourceFailure | undefined
  /** Its initialisation section has to be fetched first. */
  isWaiting: boolean
  /** The segment is fetched again. */
  isOutdated: boolean
}

/** A media initialisation section. */
interface Section {
  readonly bytes: Buffer
  /** Undefined where it cannot be read. */
  readonly tracks: readonly ReadTrack[] | undefined
}

/** A segment where it is published, and how it is looked into. */
interface Place {
  readonly slot: number
  /** What players expect in it. */
  readonly streams: WantedStreams
  readonly published: PublishedSegment
  /** Its initialisation section; undefined where it has none. */
  readonly section: RawSegment | undefined
}

/**
 * Looks into segments that are passed on, each once however many players there are, as soon as it is here whole. What players are
 * better off without is refused them as if it had never come; for all else the source is told of or left.
 */
export class SegmentInspection implements Disposable {
  readonly #options: SegmentInspectionOptions
  readonly #abort = new AbortController()
  readonly #readWhole: ReadWhole
  /** By the segment's name. */
  readonly #looks = new Map<string, Look>()
  readonly #watches = new Map<string, RenditionWatch>()
  readonly #sections = new Map<string, Section>()

  constructor(options: SegmentInspectionOptions) {
    this.#options = options
    this.#readWhole = wholeReader(options.cache, this.#abort.signal)
  }

  [Symbol.dispose](): void {
    this.#abort.abort()
  }

  /**
   * Why a segment that is here whole should be asked of another source; undefined when it should not. `isPatient`: also where its
   * initialisation section has to come first; players do not wait for that, and the verdict counts for what comes later.
   */
  async look(name: string, reference: Reference, isPatient: boolean): Promise<SourceFailure | undefined> {
    if (reference.kind !== 'segment' || isSlate(reference.candidateId)) return undefined
    const known = this.#looks.get(name)
    const look = known === undefined || known.isOutdated ? this.#begin(name, reference, known) : known
    return look.isWaiting && !isPatient ? undefined : look.verdict
  }

  /**
   * Whether a segment that failed is worth another request; what was refused for what is in it twice is not. `forget` lets go of what
   * came, where that was it: called once, however many players are refused.
   */
  mayRepeat(name: string, forget: () => void): boolean {
    const look = this.#looks.get(name)
    if (look?.failure === undefined || look.isOutdated) return true
    if (look.number >= LOOKS_AT_ONE_MAX) return false
    look.isOutdated = true
    forget()
    return true
  }

  #begin(name: string, reference: Reference, before: Look | undefined): Look {
    // It may have left the playlist meanwhile: one that was refused is not passed for that.
    const place = this.#placeOf(name, reference) ?? before?.place
    const look: Look = {
      verdict: place === undefined ? NOTHING : this.#inspect(reference, place),
      number: (before?.number ?? 0) + 1,
      place,
      failure: undefined,
      isWaiting: place?.section !== undefined && !this.#sections.has(sectionKey(place.section)),
      isOutdated: false,
    }
    void look.verdict.then((failure) => {
      look.failure = failure
      look.isWaiting = false
    })
    this.#looks.set(name, look)
    forgetOldest(this.#looks, LOOKS_MAX)
    return look
  }

  /** Undefined for what cannot be looked into, or has nothing in it that could be judged. */
  #placeOf(name: string, reference: Reference): Place | undefined {
    const { slots } = this.#options
    for (const [slot, { timeline, features, frame }] of slots.all) {
      const published = timeline.segments.find(({ segment }) => segment.uri === name)
      if (published === undefined) continue
      // Keyframes only: their durations are those of what lies between. Text has neither pictures nor sound.
      const isJudged = features?.iFramesOnly !== true && frame?.iFramesOnly !== true
      const streams = streamsOf(slots.master ?? undefined, slot)
      if (!isJudged || streams === undefined) return undefined
      const section = this.#sectionOf(published, reference)
      return section === 'encrypted' ? undefined : { slot, streams, published, section }
    }
    return undefined
  }

  #sectionOf({ segment }: PublishedSegment, reference: Reference): RawSegment | 'encrypted' | undefined {
    const { references, sessionOf } = this.#options
    const { recipe } = reference
    const isMade = recipe !== undefined && recipe.to !== 'pids'
    if (isMade ? recipe.key !== undefined : segment.keys.length > 0) return 'encrypted'
    const session = sessionOf(reference.candidateId)
    if (isMade && recipe.to === 'mpegts') {
      if (recipe.map.key !== undefined || session === undefined) return 'encrypted'
      return rawRequest({ ...reference, ...recipe.map }, session)
    }
    const { map } = segment
    if (isMade || map === undefined || map.uri === NO_MAP) return undefined
    const named = references.open(map.uri)
    return named === undefined || session === undefined || map.keys.length > 0
      ? 'encrypted'
      : rawRequest(named, session)
  }

  async #inspect(
    reference: Reference,
    { slot, streams, published, section }: Place,
  ): Promise<SourceFailure | undefined> {
    try {
      const whole = await this.#bytesOf(reference)
      if (whole === undefined) return undefined
      const opened = section === undefined ? undefined : await this.#open(section)
      if (section !== undefined && opened?.tracks === undefined) return undefined
      const content = contentOf(whole, opened?.tracks)
      if (content.kind === 'none') return content.failure
      this.#options.channel.offer(streams, whole, opened?.bytes)
      if (content.kind === 'unknown') return undefined
      const { segment, upstreamSequence, discontinuity, span } = published
      const watch = this.#watchOf(`${span} ${slot} ${discontinuity}`)
      const symptoms = watch.judge({ sequence: upstreamSequence, durationS: segment.durationS }, content.facts)
      return this.#options.judge.judge(reference, symptoms)
    } catch {
      // What cannot be looked into passes: a look is never the reason why players have nothing.
      return undefined
    }
  }

  /** The segment as its source has it, out of memory; undefined where it is not there any more, or no use. */
  async #bytesOf(reference: Reference): Promise<Buffer | undefined> {
    const { cache, sessionOf } = this.#options
    const session = sessionOf(reference.candidateId)
    const request = session === undefined ? undefined : rawRequest(reference, session)
    if (request === undefined || !cache.has(request)) return undefined
    const { head, bytes } = await this.#readWhole(request, undefined, this.#abort.signal)
    const isPlain = (head.headers['content-encoding'] ?? 'identity') === 'identity'
    return isPlain && bytes.length <= LOOK_BYTES_MAX ? bytes : undefined
  }

  async #open(request: RawSegment): Promise<Section> {
    const key = sectionKey(request)
    const known = this.#sections.get(key)
    if (known !== undefined) return known
    const { bytes } = await this.#readWhole(request, undefined, this.#abort.signal)
    const isTooLong = bytes.length > SECTION_BYTES_MAX
    const section = isTooLong ? UNREADABLE : { bytes, tracks: readInitTracks(bytes) }
    this.#sections.set(key, section)
    forgetOldest(this.#sections, SECTIONS_MAX)
    return section
  }

  #watchOf(key: string): RenditionWatch {
    const watch = this.#watches.get(key) ?? new RenditionWatch()
    this.#watches.delete(key)
    this.#watches.set(key, watch)
    forgetOldest(this.#watches, WATCHES_MAX)
    return watch
  }
}

const NOTHING = Promise.resolve(undefined)
const UNREADABLE: Section = { bytes: Buffer.alloc(0), tracks: undefined }

function sectionKey({ session, url, byteRange }: RawSegment): string {
  return `${session.key} ${byteRange?.offset ?? ''} ${url}`
}
