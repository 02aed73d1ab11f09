import type { MediaPlaylist } from '../../../hls/playlist.ts'

/** How one version of a live playlist follows the one before. */
export type Progress =
  | { readonly kind: 'first' }
  /** Something was added: whole segments of `addedS` seconds, or parts only (0). */
  | { readonly kind: 'advanced'; readonly addedS: number }
  | { readonly kind: 'same' }
  /** An older version, as caches and several origins behind one name give it. */
  | { readonly kind: 'stale' }
  /** The numbering began anew. */
  | { readonly kind: 'reset' }

/** The media sequence number that the next segment will have. */
export function nextSequenceOf(playlist: MediaPlaylist): number {
  return playlist.mediaSequence + (playlist.skip?.segments ?? 0) + playlist.segments.length
}

/** Compares two versions of a playlist (RFC 8216 §6.2.2). */
export function progressOf(before: MediaPlaylist | undefined, now: MediaPlaylist): Progress {
  if (before === undefined) return { kind: 'first' }
  const added = nextSequenceOf(now) - nextSequenceOf(before)
  if (added > 0) {
    // The numbers went on, but not from where they were: they grow again after a reset that was not seen.
    return now.mediaSequence >= before.mediaSequence || sharesSegments(before, now)
      ? { kind: 'advanced', addedS: durationOf(now.segments.slice(-added)) }
      : { kind: 'reset' }
  }
  if (added < 0) return sharesSegments(before, now) ? { kind: 'stale' } : { kind: 'reset' }
  const parts = (now.trailing?.parts.length ?? 0) - (before.trailing?.parts.length ?? 0)
  if (parts !== 0) return parts > 0 ? { kind: 'advanced', addedS: 0 } : { kind: 'stale' }
  return now.hasEndList === before.hasEndList ? { kind: 'same' } : { kind: 'advanced', addedS: 0 }
}

/** Whether any number names the same segment in both; an empty playlist tells nothing and is taken for an old one. */
function sharesSegments(before: MediaPlaylist, now: MediaPlaylist): boolean {
  if (now.segments.length === 0) return true
  const uris = new Map(numbered(before))
  return numbered(now).some(([sequence, uri]) => uris.get(sequence) === uri)
}

/** Without the query: tokens in it change from one version to the next. */
function numbered(playlist: MediaPlaylist): readonly (readonly [number, string])[] {
  const first = playlist.mediaSequence + (playlist.skip?.segments ?? 0)
  return playlist.segments.map(({ uri, byteRange }, index) => [
    first + index,
    `${uri.replace(/[?#].*$/s, '')} ${byteRange?.offset ?? ''}`,
  ])
}

function durationOf(segments: readonly { readonly durationS: number }[]): number {
  return segments.reduce((sum, { durationS }) => sum + durationS, 0)
}
