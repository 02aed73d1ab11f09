import { gunzipSync } from 'node:zlib'
import { parsePlaylist } from '../../../hls/parse-playlist.ts'
import { PlaylistError } from '../../../hls/playlist.ts'
import type { MasterPlaylist, MediaPlaylist } from '../../../hls/playlist.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import { PLAYLIST_BYTES_MAX } from './hls-session.ts'
import type { PlaylistSession } from './hls-session.ts'
import type { FetchTimeouts } from './resource.ts'

/** Of what came instead of a playlist, so many characters are shown. */
const EVIDENCE_LENGTH = 60

export interface LoadedPlaylist {
  readonly playlist: MasterPlaylist | MediaPlaylist
  /** Against this its URIs are resolved. */
  readonly finalUrl: string
  readonly text: string
}

export type PlaylistAnswer =
  | { readonly kind: 'loaded'; readonly loaded: LoadedPlaylist }
  | { readonly kind: 'failed'; readonly failure: SourceFailure }

/** Fetches and reads one playlist. Never rejects; what is no playlist is `playlist_invalid`. */
export async function fetchPlaylist(
  session: Pick<PlaylistSession, 'fetch'>,
  url: string,
  signal: AbortSignal,
  timeouts?: FetchTimeouts,
): Promise<PlaylistAnswer> {
  const answer = await session.fetch(url, {
    bytesMax: PLAYLIST_BYTES_MAX,
    signal,
    ...(timeouts === undefined ? {} : { timeouts }),
  })
  if (answer.kind === 'failed') return answer
  const { body, finalUrl, headers } = answer.resource
  const text = textOf(body)
  try {
    return { kind: 'loaded', loaded: { playlist: parsePlaylist(text), finalUrl, text } }
  } catch (error) {
    if (!(error instanceof PlaylistError)) throw error
    return { kind: 'failed', failure: playlistInvalid(error.message, text, headers['content-type']) }
  }
}

/** Some servers compress playlists though they were asked not to. */
function textOf(body: Buffer): string {
  if (body[0] !== 0x1f || body[1] !== 0x8b) return body.toString('utf8')
  try {
    return gunzipSync(body, { maxOutputLength: PLAYLIST_BYTES_MAX }).toString('utf8')
  } catch {
    return body.toString('latin1')
  }
}

function playlistInvalid(message: string, text: string, contentType: string | undefined): SourceFailure {
  const isPage = /^[\s\uFEFF]*<(?:!doctype|html|head|body|script)/i.test(text)
  const what = text.trim() === '' ? 'nothing' : isPage ? 'a web page' : 'something else'
  return {
    kind: 'playlist_invalid',
    message: `sent ${what} instead of a playlist (${message})`,
    evidence: {
      content_type: contentType ?? null,
      bytes: text.length,
      begins_with: text.slice(0, EVIDENCE_LENGTH).replaceAll(/[^\x20-\x7e]+/g, ' '),
    },
  }
}
