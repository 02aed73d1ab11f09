import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMediaPlaylist } from '../../../hls/parse-playlist.ts'
import { progressOf } from './playlist-progress.ts'

interface Shape {
  readonly first: number
  readonly uris: readonly string[]
  readonly tail?: readonly string[]
}

function playlist({ first, uris, tail = [] }: Shape) {
  const segments = uris.map((uri) => `#EXTINF:6,\n${uri}`)
  const lines = ['#EXTM3U', '#EXT-X-TARGETDURATION:6', `#EXT-X-MEDIA-SEQUENCE:${first}`, ...segments, ...tail]
  return parseMediaPlaylist(lines.join('\n'))
}

const names = (from: number, to: number, prefix = 's') =>
  Array.from({ length: to - from }, (_, index) => `${prefix}${from + index}.ts`)

const BEFORE = playlist({ first: 10, uris: names(10, 16) })

const cases: readonly [string, Shape, object][] = [
  ['one more segment', { first: 11, uris: names(11, 17) }, { kind: 'advanced', addedS: 6 }],
  ['a burst of three', { first: 13, uris: names(13, 19) }, { kind: 'advanced', addedS: 18 }],
  ['nothing new', { first: 10, uris: names(10, 16) }, { kind: 'same' }],
  ['the window is shorter', { first: 12, uris: names(12, 16) }, { kind: 'same' }],
  ['an older version', { first: 9, uris: names(9, 15) }, { kind: 'stale' }],
  [
    'an older version with other tokens',
    { first: 9, uris: names(9, 15).map((uri) => `${uri}?t=2`) },
    { kind: 'stale' },
  ],
  ['a numbering that began anew', { first: 0, uris: names(0, 3, 'new') }, { kind: 'reset' }],
  ['lower numbers with other names', { first: 9, uris: names(9, 15, 'new') }, { kind: 'reset' }],
  ['an empty playlist', { first: 0, uris: [] }, { kind: 'stale' }],
  ['the end', { first: 10, uris: names(10, 16), tail: ['#EXT-X-ENDLIST'] }, { kind: 'advanced', addedS: 0 }],
  [
    'a part of what comes next',
    { first: 10, uris: names(10, 16), tail: ['#EXT-X-PART:DURATION=1,URI="p.ts"'] },
    { kind: 'advanced', addedS: 0 },
  ],
]

for (const [name, shape, expected] of cases) {
  test(`${name} is ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(progressOf(BEFORE, playlist(shape)), expected)
  })
}

test('an origin that loops its programme is not taken for one that went on', () => {
  assert.deepEqual(progressOf(playlist({ first: 5, uris: names(0, 3) }), playlist({ first: 0, uris: names(7, 16) })), {
    kind: 'reset',
  })
})
