import assert from 'node:assert/strict'
import { test } from 'node:test'
import { playlistEdge, PlaylistProgress } from './playlist-progress.ts'
import type { PlaylistEdge } from './playlist-progress.ts'

function playlist(sequence: number, more = ''): string {
  return `#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:${sequence}\n#EXTINF:4,\n${sequence}.ts\n${more}`
}

function edge(text: string): PlaylistEdge {
  const found = playlistEdge(text)
  assert.ok(found !== undefined, text)
  return found
}

test('the edge of a playlist is its sequence, its number of segments and its last segment', () => {
  assert.deepEqual(edge(playlist(7)), { targetDurationMs: 4_000, mark: '7/1/7.ts', isEnded: false })
  assert.deepEqual(edge(playlist(7).replaceAll('\n', '\r\n')), edge(playlist(7)))
  assert.notEqual(edge(playlist(7, '#EXTINF:4,\n8.ts\n')).mark, edge(playlist(7)).mark)
  assert.notEqual(edge(playlist(7, '#EXT-X-PART:DURATION=1,URI="8.1.ts"\n')).mark, edge(playlist(7)).mark)
  assert.equal(edge(playlist(7, '#EXT-X-ENDLIST\n')).isEnded, true)
})

test('a web page, a master playlist and a playlist without target duration are no media playlists', () => {
  assert.equal(playlistEdge('<html>#EXTM3U</html>'), undefined)
  assert.equal(playlistEdge('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n'), undefined)
  assert.equal(playlistEdge('#EXTM3U\n#EXT-X-TARGETDURATION:0\n'), undefined)
  assert.equal(playlistEdge(''), undefined)
})

test('a playlist that does not change for N target durations is frozen, not before', () => {
  const progress = new PlaylistProgress(3)
  assert.deepEqual(progress.see(edge(playlist(1)), 1_000), { kind: 'advancing' })
  assert.deepEqual(progress.see(edge(playlist(1)), 12_999), { kind: 'waiting', stillMs: 11_999 })
  assert.deepEqual(progress.see(edge(playlist(1)), 13_000), { kind: 'frozen', stillMs: 12_000 })
  assert.deepEqual(progress.see(edge(playlist(2)), 14_000), { kind: 'advancing' })
  assert.deepEqual(progress.see(edge(playlist(2)), 15_000), { kind: 'waiting', stillMs: 1_000 })
})

test('a sequence that goes back is a change too: the channel was started anew', () => {
  const progress = new PlaylistProgress(1)
  progress.see(edge(playlist(9)), 0)
  assert.equal(progress.see(edge(playlist(0)), 5_000).kind, 'advancing')
})

test('a playlist that has ended is neither frozen nor alive', () => {
  const progress = new PlaylistProgress(1)
  const ended = edge(playlist(1, '#EXT-X-ENDLIST\n'))
  assert.deepEqual(progress.see(ended, 0), { kind: 'ended' })
  assert.deepEqual(progress.see(edge(playlist(1)), 99_000), { kind: 'advancing' })
})
