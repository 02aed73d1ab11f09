import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMediaPlaylist } from '../../../hls/parse-playlist.ts'
import { UnreadableSegment } from '../upstream/unreadable-segment.ts'
import { cannotBecome, recipeOf } from './slot-format.ts'

/** What becomes of segments for players that have fragmented MP4. */

const BASE = 'http://b.test/live.m3u8'
const FORMAT = { container: 'fmp4' } as const
const LOCKED = '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://key"'

const playlistOf = (...lines: readonly string[]) =>
  parseMediaPlaylist(['#EXTM3U', '#EXT-X-TARGETDURATION:2', ...lines].join('\n'))

function recipes(playlist: ReturnType<typeof playlistOf>) {
  const target = { slot: 0, format: FORMAT, streams: 'all', hasParts: false } as const
  return playlist.segments.map((segment, sequence) =>
    recipeOf({ segment, sequence, discontinuity: 0, base: BASE }, target),
  )
}

test('what only players can decrypt cannot become anything else', () => {
  const locked = playlistOf(LOCKED, '#EXTINF:2,', '1.ts')
  assert.match(cannotBecome(FORMAT, locked, BASE) ?? '', /which only a player can decrypt/)
  assert.throws(() => recipes(locked), UnreadableSegment)
})

test('but a gap is nothing that anybody asks for', () => {
  const playlist = playlistOf('#EXTINF:2,', '1.ts', LOCKED, '#EXT-X-GAP', '#EXTINF:2,', '2.ts')
  assert.equal(cannotBecome(FORMAT, playlist, BASE), undefined)
  assert.deepEqual(
    recipes(playlist).map((recipe) => recipe?.to),
    ['fmp4', undefined],
  )
})
