import type { MediaPlaylist } from '../../../hls/playlist.ts'
import { nextSequenceOf } from './playlist-progress.ts'

/**
 * The newest that was seen of a playlist, over any number of short looks at it: a playlist that answers each look, and
 * has had nothing new since the one before, stands still.
 */
export class PlaylistEdge {
  #edge: string | undefined
  #sinceMs = 0

  /** Since when, on the clock, this has been the newest of the playlist; `nowMs` when it is new. */
  seen(playlist: MediaPlaylist, nowMs: number): number {
    const edge = edgeOf(playlist)
    if (edge !== this.#edge) {
      this.#edge = edge
      this.#sinceMs = nowMs
    }
    return this.#sinceMs
  }
}

/** Without the query: tokens in it change from one version to the next. */
function edgeOf(playlist: MediaPlaylist): string {
  const { segments, trailing } = playlist
  const newest = segments.at(-1)?.uri.replace(/[?#].*$/s, '') ?? ''
  return `${nextSequenceOf(playlist)} ${trailing?.parts.length ?? 0} ${newest}`
}
