import type { MasterPlaylist, MediaPlaylist } from '../../../hls/playlist.ts'
import { rewriteUris } from '../../../hls/rewrite.ts'
import { writePlaylist } from '../../../hls/write-playlist.ts'

/** Stands behind each name of ours in a text that is kept; no playlist can hold it. */
const CARRIED = '\u0001'
/** Names of ours, relative to the stream. */
const NAME = /^(?:[a-z]|v\/\d+)\/[A-Za-z0-9_-]+\.[a-z0-9]+$/

/**
 * The text of a playlist whose references are names of ours, relative to the stream; `up` leads from the playlist to
 * there (`../../`). Players are given it with `withCarried`.
 */
export function playlistText(playlist: MasterPlaylist | MediaPlaylist, up: string): string {
  const named = (uri: string): string => (NAME.test(uri) ? `${up}${uri}${CARRIED}` : uri)
  return writePlaylist(playlist.kind === 'master' ? rewriteUris(playlist, named) : rewriteUris(playlist, named))
}

/** What one player is given: its own parameters behind each reference. */
export function withCarried(text: string, carried: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams(carried).toString()
  return text.replaceAll(CARRIED, query === '' ? '' : `?${query}`)
}
