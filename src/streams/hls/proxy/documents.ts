import { HoldfastError } from '../../../lib/errors.ts'
import type { HlsRequest } from '../hls-output.ts'
import { fetchPlaylist } from '../upstream/playlist-fetch.ts'
import type { SourceAccess } from '../upstream/hls-session.ts'
import { playlistText, withCarried } from './playlist-text.ts'
import type { Reference, References } from './reference.ts'
import { Sealer } from './seal-playlist.ts'

/** An asset list (bis, appendix D.2) may be this long. */
const ASSETS_BYTES_MAX = 262_144
const UP = '../'

/**
 * Playlists and lists that a date range names (interstitials): fetched anew for each request, with names of ours in place
 * of all that they refer to. Throws hls_not_found when the source does not give them.
 */
export async function serveDocument(
  request: HlsRequest,
  reference: Reference,
  session: SourceAccess | undefined,
  references: References,
  signal: AbortSignal,
): Promise<void> {
  if (session === undefined) throw notThere()
  const { span, candidateId, url } = reference
  const sealer = new Sealer({ references, span, candidateId })
  if (reference.kind === 'playlist') {
    const answer = await fetchPlaylist(session, url, signal)
    if (answer.kind === 'failed') throw notThere()
    const { playlist, finalUrl } = answer.loaded
    answerWith(request, withCarried(playlistText(sealer.whole(playlist, finalUrl), UP), request.carried), PLAYLIST_TYPE)
    return
  }
  const answer = await session.fetch(url, { bytesMax: ASSETS_BYTES_MAX, signal })
  if (answer.kind === 'failed') throw notThere()
  const { body, finalUrl } = answer.resource
  answerWith(
    request,
    JSON.stringify(renamed(body.toString('utf8'), sealer, finalUrl, request.carried)),
    'application/json',
  )
}

export const PLAYLIST_TYPE = 'application/vnd.apple.mpegurl'

/** Answers with a text that is not to be kept. */
export function answerWith({ request, response }: HlsRequest, text: string, contentType: string): void {
  const body = Buffer.from(text)
  response.writeHead(200, { 'content-type': contentType, 'content-length': body.length, 'cache-control': 'no-cache' })
  response.end(request.method === 'HEAD' ? '' : body)
}

function renamed(
  text: string,
  sealer: Sealer,
  base: string,
  carried: Readonly<Record<string, string>>,
): { readonly ASSETS: readonly object[] } {
  const query = new URLSearchParams(carried).toString()
  const list = parsed(text)
  const assets =
    typeof list === 'object' && list !== null && 'ASSETS' in list && Array.isArray(list.ASSETS) ? list.ASSETS : []
  return {
    ASSETS: assets.flatMap((asset: unknown) => {
      if (typeof asset !== 'object' || asset === null || !('URI' in asset) || typeof asset.URI !== 'string') return []
      const name = `${UP}${sealer.name('playlist', asset.URI, base)}${query === '' ? '' : `?${query}`}`
      const duration = 'DURATION' in asset && typeof asset.DURATION === 'number' ? { DURATION: asset.DURATION } : {}
      return [{ URI: name, ...duration }]
    }),
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function notThere(): HoldfastError {
  return new HoldfastError('hls_not_found', 'The source does not have that')
}
