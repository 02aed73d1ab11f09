import type { Clock } from '../../lib/clock.ts'
import { fetchOnce, withinTime } from './health-check.ts'
import type { Check, CheckTarget } from './health-check.ts'
import { playlistEdge, PlaylistProgress } from './playlist-progress.ts'

export interface PlaylistRule {
  /** Of the playlist, behind the endpoint's own path. */
  readonly path: string
  readonly targetDurations: number
  readonly timeoutMs: number
}

const PLAYLIST_BYTES_MAX = 1_048_576

/**
 * A look at a live playlist: bad when it answers and does not get on, which no status tells. An endpoint that does not
 * answer at all, or with something else, is bad too. The check remembers what it saw: one for each endpoint.
 */
export function createPlaylistCheck(target: CheckTarget, rule: PlaylistRule, clock: Clock): Check {
  const progress = new PlaylistProgress(rule.targetDurations)
  const question = { path: rule.path, method: 'GET', bodyBytesMax: PLAYLIST_BYTES_MAX }
  return async (signal) =>
    withinTime(clock, rule.timeoutMs, signal, async (ended) => {
      const { status, body } = await fetchOnce(target, question, ended)
      if (status !== 200) return { kind: 'bad', reason: 'http_status', status }
      const edge = playlistEdge(body.toString('utf8'))
      if (edge === undefined) return { kind: 'bad', reason: 'not_a_media_playlist', status }
      const verdict = progress.see(edge, clock.nowMs())
      // A live channel whose playlist says that it has ended no longer plays.
      if (verdict.kind === 'ended') return { kind: 'bad', reason: 'playlist_ended', status }
      if (verdict.kind !== 'frozen') return { kind: 'good' }
      return { kind: 'bad', reason: 'playlist_frozen', status, isCertain: true }
    })
}
