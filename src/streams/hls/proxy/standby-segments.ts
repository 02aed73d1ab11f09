import { withoutFragment } from '../../../hls/uri.ts'
import type { Clock } from '../../../lib/clock.ts'
import { isOurOwn } from '../../sources/http-failure.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import { spanned } from '../transmux/segment-maker.ts'
import type { SegmentCache } from '../upstream/segment-cache.ts'
import { formatOf } from '../upstream/segment-format.ts'
import type { KeyAnswer } from '../upstream/segment-keys.ts'
import type { SegmentReader, SegmentRequest } from '../upstream/segment.ts'
import type { StandbyResource } from './standby-window.ts'

/** What a switch needs, and what is made of it. */
export interface WantedResource extends StandbyResource {
  /** It is decrypted here, to be made into another format: the key is wanted by the gateway and not by players. */
  readonly isMade: boolean
  /** It has to begin like media: pictures or sound are expected in it. */
  readonly isMedia: boolean
}

export interface StandbySegmentsOptions {
  readonly clock: Clock
  readonly cache: SegmentCache
  readonly session: SegmentRequest['session']
  /** Bytes of segments that are kept ready, the oldest let go first. */
  readonly bytesMax: number
  /** Fetches a key that the gateway decrypts with. */
  readonly makersKey: (url: string) => Promise<KeyAnswer>
  /** The source does not have what its playlist names, or something else in its place. */
  readonly onFailed: (failure: SourceFailure) => void
}

type State = 'wanted' | 'fetching' | 'here' | 'let_go'

interface Held {
  readonly resource: WantedResource
  readonly request: SegmentRequest
  state: State
}

/** Fetches at once: what is on air has the bandwidth first. */
const FETCHES_MAX = 2
/** As for what is on air: a segment may be named a moment before it can be had. */
const RETRY_MS = 250
/** What is fetched for a source that is not on air is of no span yet. */
const NO_SPAN = -1
/** With fewer bytes nothing is told by how something begins. */
const HEAD_BYTES_MIN = 8
const NO_MEDIA: SourceFailure = { kind: 'segment_invalid', message: 'sent something that is no media as a segment' }

/** The newest segments of a source that stands by, fetched before anybody needs them, each once. */
export class StandbySegments implements Disposable {
  readonly #options: StandbySegmentsOptions
  readonly #abort = new AbortController()
  /** The newest first. */
  #held: ReadonlyMap<string, Held> = new Map()
  #isDone = false

  constructor(options: StandbySegmentsOptions) {
    this.#options = options
  }

  /** A segment is here, so that something could be played at once. */
  get isReady(): boolean {
    return [...this.#held.values()].some(({ state, resource }) => state === 'here' && resource.kind === 'segment')
  }

  /** What a switch would need now, the newest first: fetches what is missing, and lets go of what is not needed any more. */
  want(resources: readonly WantedResource[]): void {
    if (this.#isDone) return
    const before = this.#held
    const now = new Map<string, Held>()
    for (const resource of resources) {
      const id = idOf(resource)
      const known = before.get(id)
      const isSame = known?.resource.sequence === resource.sequence
      if (!now.has(id)) now.set(id, known !== undefined && isSame ? known : this.#heldOf(resource))
    }
    for (const [id, held] of before) if (now.get(id) !== held) this.#options.cache.drop(held.request)
    this.#held = now
    for (const held of now.values()) if (held.state === 'here') this.#keep(held)
    this.#fetchNext()
  }

  /** The numbering began anew: the same addresses may be of other media now. */
  clear(): void {
    this.want([])
  }

  /** The source has been joined: what is here, or on its way, is that of its span from now on. */
  adopt(span: number): void {
    for (const { request, resource } of this.#held.values()) {
      this.#options.cache.rename(request, { ...request, url: spanned(resource.url, span) })
    }
    this.#end()
  }

  /** The segment, where it is one of these; undefined for any other. */
  reader({ url, byteRange }: SegmentRequest): SegmentReader | undefined {
    const found = this.#held.get(idOf({ kind: 'segment', url: withoutFragment(url), byteRange }))
    return found === undefined || found.state === 'let_go' ? undefined : this.#options.cache.open(found.request)
  }

  [Symbol.dispose](): void {
    this.clear()
    this.#end()
  }

  #end(): void {
    this.#isDone = true
    this.#held = new Map()
    this.#abort.abort()
  }

  #heldOf(resource: WantedResource): Held {
    const { url, byteRange } = resource
    const { session } = this.#options
    const range = byteRange === undefined ? {} : { byteRange }
    return { resource, request: { session, url: spanned(url, NO_SPAN), ...range }, state: 'wanted' }
  }

  /** Sections and keys are for as long as their segments; a segment that had to make room stays away. */
  #keep(held: Held): void {
    const { kind, isMade } = held.resource
    if ((kind === 'key' && isMade) || this.#options.cache.keep(held.request)) return
    held.state = kind === 'segment' ? 'let_go' : 'wanted'
  }

  #fetchNext(): void {
    const all = [...this.#held.values()]
    const room = FETCHES_MAX - all.filter(({ state }) => state === 'fetching').length
    for (const held of all.filter(({ state }) => state === 'wanted').slice(0, Math.max(0, room))) {
      held.state = 'fetching'
      void this.#fetch(held)
    }
  }

  async #fetch(held: Held): Promise<void> {
    const { clock } = this.#options
    let failure = await this.#read(held, held.request)
    if (failure !== undefined && this.#isWanted(held) && !isOurOwn(failure)) {
      await clock.sleep(RETRY_MS, this.#abort.signal).catch(() => undefined)
      if (this.#isWanted(held)) failure = await this.#read(held, { ...held.request, isRetry: true })
    }
    if (!this.#isWanted(held)) return
    if (failure === undefined) {
      held.state = 'here'
      this.#makeRoom()
    } else if (isOurOwn(failure)) held.state = 'let_go'
    else {
      this.#options.onFailed(failure)
      return
    }
    this.#fetchNext()
  }

  async #read({ resource }: Held, request: SegmentRequest): Promise<SourceFailure | undefined> {
    const { cache, makersKey } = this.#options
    if (resource.kind === 'key' && resource.isMade) {
      const answer = await makersKey(resource.url)
      return answer.kind === 'failed' ? answer.failure : undefined
    }
    const reader = cache.open(request)
    try {
      const answer = await reader.head()
      if (answer.kind === 'failed') return answer.failure
      for (let isFirst = true; ; isFirst = false) {
        const piece = await reader.next()
        if (piece.kind === 'failed') return piece.failure
        if (piece.kind === 'end') return undefined
        if (isFirst && isNoMedia(resource, piece.bytes)) return NO_MEDIA
      }
    } finally {
      reader.close()
    }
  }

  #makeRoom(): void {
    const { cache, bytesMax } = this.#options
    const segments = [...this.#held.values()].filter(({ resource }) => resource.kind === 'segment')
    let bytes = segments.reduce((sum, { request }) => sum + cache.bytesOf(request), 0)
    // The newest is what a switch begins with, however large it is.
    for (const held of segments.slice(1).toReversed()) {
      if (bytes <= bytesMax) return
      if (held.state !== 'here') continue
      bytes -= cache.bytesOf(held.request)
      cache.drop(held.request)
      held.state = 'let_go'
    }
  }

  #isWanted(held: Held): boolean {
    return !this.#isDone && this.#held.get(idOf(held.resource)) === held
  }
}

function idOf({ kind, url, byteRange }: Pick<StandbyResource, 'kind' | 'url' | 'byteRange'>): string {
  return `${kind} ${byteRange?.offset ?? ''}+${byteRange?.length ?? ''} ${url}`
}

function isNoMedia({ kind, isClear, isMedia }: WantedResource, head: Buffer): boolean {
  return kind === 'segment' && isClear && isMedia && head.length >= HEAD_BYTES_MIN && formatOf(head) === undefined
}
