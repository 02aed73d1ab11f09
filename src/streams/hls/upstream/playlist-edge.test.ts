import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMediaPlaylist } from '../../../hls/parse-playlist.ts'
import { PlaylistEdge } from './playlist-edge.ts'

const playlist = (first: number, token: string) =>
  parseMediaPlaylist(
    [
      ...['#EXTM3U', '#EXT-X-TARGETDURATION:2', `#EXT-X-MEDIA-SEQUENCE:${first}`],
      ...[0, 1, 2].flatMap((index) => ['#EXTINF:2,', `${first + index}.ts?token=${token}`]),
    ].join('\n'),
  )

test('a playlist that has nothing new since an earlier look is as old as that look', () => {
  const edge = new PlaylistEdge()
  assert.equal(edge.seen(playlist(1, 'a'), 1_000), 1_000)
  assert.equal(edge.seen(playlist(1, 'b'), 21_000), 1_000, 'a token is nothing new')
  assert.equal(edge.seen(playlist(2, 'b'), 41_000), 41_000)
  assert.equal(edge.seen(playlist(1, 'b'), 42_000), 42_000, 'an older version is told as it comes')
})
