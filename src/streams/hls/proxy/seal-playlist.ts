import { newMediaPlaylist } from '../../../hls/new-playlist.ts'
import type {
  ByteRange,
  Key,
  MasterPlaylist,
  MediaMap,
  MediaPlaylist,
  MediaSegment,
  SegmentHead,
} from '../../../hls/playlist.ts'
import { rewriteUris, withoutAddress } from '../../../hls/rewrite.ts'
import type { RewriteUri, UriKind } from '../../../hls/rewrite.ts'
import { resolveUri, withoutFragment } from '../../../hls/uri.ts'
import { forgetOldest } from '../../../lib/forget-oldest.ts'
import type { Recipe, WholeRecipe } from '../transmux/recipe.ts'
import type { ReferenceKind, References } from './reference.ts'
import type { UpstreamSegment } from './upstream-segments.ts'

export interface SealerOptions {
  readonly references: References
  readonly span: number
  readonly candidateId: string
}

/** Where an address cannot be named. */
export const UNNAMEABLE = 's/unnameable.ts'
/**
 * What stands for no media initialisation section where there was one before: a playlist cannot take EXT-X-MAP back, and
 * one packet of nothing is a legal section of a transport stream (RFC 8216 §3.2).
 */
export const NO_MAP = 'm/none.ts'
/** Addresses whose segment is remembered, to notice one that is used again for another. */
const ADDRESSES_MAX = 20_000
/** Runs whose initialisation section has a name. */
const MAPS_MAX = 128

const KIND_OF: Readonly<Partial<Record<UriKind, ReferenceKind>>> = {
  segment: 'segment',
  part: 'part',
  'preload-part': 'part',
  map: 'map',
  'preload-map': 'map',
  key: 'key',
  'session-key': 'key',
  asset: 'playlist',
  'asset-list': 'assets',
  variant: 'playlist',
  rendition: 'playlist',
  'trick-play': 'playlist',
}

/** Gives all that the playlists of one span refer to a name of ours; nothing of their addresses is left in them. */
export class Sealer {
  readonly #options: SealerOptions
  readonly #sequences = new Map<string, number>()
  /** Names of the initialisation sections that are made, by run. */
  readonly #maps = new Map<string, string>()

  constructor(options: SealerOptions) {
    this.#options = options
  }

  get span(): number {
    return this.#options.span
  }

  get candidateId(): string {
    return this.#options.candidateId
  }

  /** `offset`: our media sequence number minus the source's. `recipe`: what the segment is made into. */
  segment(upstream: UpstreamSegment, base: string, offset: number, recipe?: Recipe): MediaSegment {
    if (recipe !== undefined && recipe.to !== 'pids') return this.#made(upstream, base, recipe)
    const { segment, sequence } = upstream
    const single = newMediaPlaylist({ targetDurationS: 1, segments: [segment], mediaSequence: sequence })
    const [sealed] = this.#rewritten(single, base, recipe).segments
    if (sealed === undefined) return segment
    const named = sealed.uri === UNNAMEABLE ? { ...sealed, isGap: true } : sealed
    return offset === 0 ? named : withExplicitIvs(named, sequence)
  }

  /** All of a media playlist but its segments. */
  frame(playlist: MediaPlaylist, base: string): MediaPlaylist {
    const skipped = playlist.mediaSequence + playlist.segments.length
    return this.#rewritten({ ...playlist, segments: [], mediaSequence: skipped }, base)
  }

  /** A playlist that stands by itself. */
  whole(playlist: MasterPlaylist | MediaPlaylist, base: string): MasterPlaylist | MediaPlaylist {
    if (playlist.kind === 'media') return this.#rewritten(playlist, base)
    const rewrite: RewriteUri = (uri, kind, { isFetchable }) =>
      isFetchable ? this.name(KIND_OF[kind] ?? 'data', uri, base) : forPlayer(uri, kind)
    return rewriteUris({ ...playlist, contentSteering: undefined }, rewrite, { otherTag: withoutAddress })
  }

  /** The name of one address. */
  name(kind: ReferenceKind, uri: string, base: string, byteRange?: ByteRange, recipe?: Recipe): string {
    const url = resolveUri(uri, base)
    if (url === undefined) return UNNAMEABLE
    const { references, span, candidateId } = this.#options
    return references.seal({ kind, span, candidateId, url, byteRange, recipe }) ?? UNNAMEABLE
  }

  /** What is made is not encrypted, and all in one file; its section is that of the first of its run. */
  #made({ segment, sequence }: UpstreamSegment, base: string, recipe: WholeRecipe): MediaSegment {
    const bare = { ...segment, keys: [], map: undefined, parts: [] }
    const single = newMediaPlaylist({ targetDurationS: 1, segments: [bare], mediaSequence: sequence })
    const [made = bare] = this.#rewritten(single, base, recipe).segments
    const named = made.uri === UNNAMEABLE ? { ...made, isGap: true } : made
    if (recipe.to === 'mpegts') return named
    const known = this.#maps.get(recipe.run)
    const uri = known ?? this.name('map', segment.uri, base, segment.byteRange, { ...recipe, to: 'fmp4_map' })
    if (known === undefined) {
      this.#maps.set(recipe.run, uri)
      forgetOldest(this.#maps, MAPS_MAX)
    }
    return { ...named, map: { uri, byteRange: undefined, keys: [], otherAttributes: [] } }
  }

  #rewritten(playlist: MediaPlaylist, base: string, recipe?: Recipe): MediaPlaylist {
    const rewrite: RewriteUri = (uri, kind, { isFetchable, mediaSequence, byteRange }) => {
      if (!isFetchable) return forPlayer(uri, kind)
      const url = resolveUri(uri, base)
      if (url === undefined) return UNNAMEABLE
      const isMedia = kind === 'segment' || kind === 'part'
      const told = isMedia ? this.#unmistakable(url, byteRange, kind, mediaSequence) : url
      const range = isMedia || kind === 'map' ? byteRange : undefined
      return this.name(KIND_OF[kind] ?? 'data', told, base, range, kind === 'segment' ? recipe : undefined)
    }
    return asWholeResources(rewriteUris(playlist, rewrite, { otherTag: withoutAddress }))
  }

  /** An address that is used again for another segment gets a fragment, which is not sent: it is another resource. */
  #unmistakable(url: string, byteRange: ByteRange | undefined, kind: UriKind, sequence: number | undefined): string {
    if (sequence === undefined) return url
    const key = `${kind} ${byteRange?.offset ?? ''} ${url}`
    const known = this.#sequences.get(key)
    if (known === undefined) {
      this.#sequences.set(key, sequence)
      forgetOldest(this.#sequences, ADDRESSES_MAX)
    }
    return known === undefined || known === sequence ? url : `${withoutFragment(url)}#${sequence}`
  }
}

/**
 * An address that is no http: keys of DRM (`skd:`, `urn:`) and what an address holds in itself are the player's business.
 * Anything else would have a player open a file or run a script that a source chose.
 */
function forPlayer(uri: string, kind: UriKind): string {
  if (/^data:/i.test(uri)) return uri
  const isKey = kind === 'key' || kind === 'session-key'
  return isKey && !/^(?:file|javascript):/i.test(uri) ? uri : UNNAMEABLE
}

/** Each name leads to exactly the bytes that are meant, so players need no ranges. Hints of ranges cannot be told so. */
function asWholeResources(playlist: MediaPlaylist): MediaPlaylist {
  return {
    ...playlist,
    segments: playlist.segments.map((segment) => ({ ...segment, ...headAsWhole(segment), byteRange: undefined })),
    trailing: playlist.trailing === undefined ? undefined : headAsWhole(playlist.trailing),
    preloadHints: playlist.preloadHints.filter(
      ({ byteRangeStart, byteRangeLength }) => byteRangeStart === 0 && byteRangeLength === undefined,
    ),
  }
}

function headAsWhole(head: SegmentHead): SegmentHead {
  const { map, parts } = head
  return {
    ...head,
    map: map === undefined ? undefined : { ...map, byteRange: undefined },
    parts: parts.map((part) => ({ ...part, byteRange: undefined })),
  }
}

/** RFC 8216 §5.2: without an IV it is the media sequence number, which is not the source's any more. */
function withExplicitIvs(segment: MediaSegment, sequence: number): MediaSegment {
  const iv = `0x${sequence.toString(16).padStart(32, '0')}`
  const told = (key: Key): Key => (key.iv === undefined && key.keyFormat === 'identity' ? { ...key, iv } : key)
  return { ...segment, keys: segment.keys.map(told) }
}

/** A segment without a section after one that has one. */
export function withoutMapAfter(segment: MediaSegment, before: MediaMap | undefined): MediaSegment {
  if (segment.map !== undefined || before === undefined) return segment
  return { ...segment, map: { uri: NO_MAP, byteRange: undefined, keys: [], otherAttributes: [] } }
}
