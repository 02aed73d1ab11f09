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
import { resolveUri } from '../../../hls/uri.ts'
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

  constructor(options: SealerOptions) {
    this.#options = options
  }

  get span(): number {
    return this.#options.span
  }

  get candidateId(): string {
    return this.#options.candidateId
  }

  /** `offset`: our media sequence number minus the source's. */
  segment({ segment, sequence }: UpstreamSegment, base: string, offset: number): MediaSegment {
    const single = newMediaPlaylist({ targetDurationS: 1, segments: [segment], mediaSequence: sequence })
    const [sealed] = this.#rewritten(single, base).segments
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
      isFetchable ? this.name(KIND_OF[kind] ?? 'data', uri, base) : uri
    return rewriteUris({ ...playlist, contentSteering: undefined }, rewrite, { otherTag: withoutAddress })
  }

  /** The name of one address. */
  name(kind: ReferenceKind, uri: string, base: string, byteRange?: ByteRange): string {
    const url = resolveUri(uri, base)
    if (url === undefined) return UNNAMEABLE
    const { references, span, candidateId } = this.#options
    return references.seal({ kind, span, candidateId, url, byteRange }) ?? UNNAMEABLE
  }

  #rewritten(playlist: MediaPlaylist, base: string): MediaPlaylist {
    const rewrite: RewriteUri = (uri, kind, { isFetchable, mediaSequence, byteRange }) => {
      if (!isFetchable) return uri
      const url = resolveUri(uri, base)
      if (url === undefined) return UNNAMEABLE
      const isMedia = kind === 'segment' || kind === 'part'
      const told = isMedia ? this.#unmistakable(url, byteRange, kind, mediaSequence) : url
      return this.name(KIND_OF[kind] ?? 'data', told, base, isMedia || kind === 'map' ? byteRange : undefined)
    }
    return asWholeResources(rewriteUris(playlist, rewrite, { otherTag: withoutAddress }))
  }

  /** An address that is used again for another segment gets a fragment, which is not sent: it is another resource. */
  #unmistakable(url: string, byteRange: ByteRange | undefined, kind: UriKind, sequence: number | undefined): string {
    if (sequence === undefined) return url
    const key = `${kind} ${byteRange?.offset ?? ''} ${url}`
    const known = this.#sequences.get(key)
    if (known === undefined) {
      const [oldest] = this.#sequences.size >= ADDRESSES_MAX ? this.#sequences.keys() : []
      if (oldest !== undefined) this.#sequences.delete(oldest)
      this.#sequences.set(key, sequence)
    }
    return known === undefined || known === sequence ? url : `${url.replace(/#.*$/s, '')}#${sequence}`
  }
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
