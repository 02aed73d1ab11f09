import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CORPUS_URL, MASTER, MEDIA } from './corpus.fixture.ts'
import { parsePlaylist } from './parse-playlist.ts'
import { rewriteUris, withoutAddress } from './rewrite.ts'
import type { UriContext, UriKind } from './rewrite.ts'
import { isFetchable, resolveUri } from './uri.ts'
import { writePlaylist } from './write-playlist.ts'

interface Asked {
  readonly uri: string
  readonly kind: UriKind
  readonly context: UriContext
}

function asked(text: string): readonly Asked[] {
  const all: Asked[] = []
  rewriteUris(parsePlaylist(text, { url: CORPUS_URL }), (uri, kind, context) => {
    all.push({ uri, kind, context })
    return uri
  })
  return all
}

test('a rewriter that changes nothing changes nothing', () => {
  for (const text of [...Object.values(MEDIA), ...Object.values(MASTER)]) {
    const playlist = parsePlaylist(text, { url: CORPUS_URL })
    assert.equal(writePlaylist(rewriteUris(playlist, (uri) => uri)), writePlaylist(playlist))
  }
})

test('says of every address what it leads to', () => {
  const kinds = new Set([...Object.values(MEDIA), ...Object.values(MASTER)].flatMap(asked).map(({ kind }) => kind))
  const all: readonly UriKind[] = [
    'asset',
    'key',
    'map',
    'part',
    'preload-part',
    'rendition',
    'rendition-report',
    'segment',
    'session-data',
    'session-key',
    'steering',
    'trick-play',
    'variant',
  ]
  assert.deepEqual([...kinds].toSorted(), all)
})

test('tells the keys that only the player can use from those that are fetched', () => {
  const keysOf = (text: string) =>
    asked(text).flatMap(({ kind, context }) => (kind === 'key' ? [context.isFetchable] : []))
  assert.deepEqual(keysOf(MEDIA['fairPlay'] ?? ''), [false])
  assert.deepEqual(keysOf(MEDIA['widevine'] ?? ''), [false, false])
  assert.deepEqual(keysOf(MEDIA['aes128'] ?? ''), [true, true])
})

test('a key or map that holds for many segments is asked for once', () => {
  const maps = asked(MEDIA['byteRanges'] ?? '').filter(({ kind }) => kind === 'map')
  assert.deepEqual(
    maps.map(({ uri, context }) => [uri, context.byteRange, context.mediaSequence]),
    [['up/main.mp4', { length: 719, offset: 0 }, 1]],
  )
})

test('segments come with their number, byte range and keys', () => {
  const segments = asked(MEDIA['byteRanges'] ?? '').filter(({ kind }) => kind === 'segment')
  assert.deepEqual(
    segments.map(({ context }) => [context.mediaSequence, context.byteRange?.offset]),
    [
      [1, 719],
      [2, 1_508_719],
      [3, 3_018_963],
    ],
  )
  const [first] = asked(MEDIA['aes128'] ?? '')
  assert.equal(first?.context.keys[0]?.uri, 'https://up.example/key.php?r=52')
})

const UNKNOWN = `#EXTM3U
#EXT-X-TARGETDURATION:2
#EXTINF:2,
a.ts
#EXT-X-PREFETCH:https://up.example/b.ts
#EXT-X-VENDOR:URI="b.ts"
#EXT-X-CUE-IN
#EXTINF:2,
b.ts
`

test('unknown tags stay word for word, or without those that hold an address', () => {
  const playlist = parsePlaylist(UNKNOWN)
  assert.ok(writePlaylist(rewriteUris(playlist, () => 'x')).includes('#EXT-X-PREFETCH:https://up.example/b.ts\n'))
  const text = writePlaylist(rewriteUris(playlist, () => 'x', { otherTag: withoutAddress }))
  assert.doesNotMatch(text, /PREFETCH|VENDOR/)
  assert.match(text, /#EXT-X-CUE-IN\n#EXTINF/)
})

test('variables are gone from what is written: their values may be addresses', () => {
  const playlist = parsePlaylist(MEDIA['defines'] ?? '', { url: CORPUS_URL })
  assert.equal(playlist.kind === 'media' && playlist.segments[0]?.uri, 'https://up.example/1.m4s?t=secret')
  assert.doesNotMatch(writePlaylist(rewriteUris(playlist, () => 'x')), /DEFINE|up\.example|secret/)
})

test('only http and https addresses can be fetched, however they are spelt', () => {
  const base = 'https://up.example/live/index.m3u8?token=1'
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['a.ts', 'https://up.example/live/a.ts'],
    ['/a.ts?x=1', 'https://up.example/a.ts?x=1'],
    ['../a b.ts', 'https://up.example/a%20b.ts'],
    ['?n=2', 'https://up.example/live/index.m3u8?n=2'],
    ['//other.example/a.ts', 'https://other.example/a.ts'],
    ['HTTP://other.example/a.ts', 'http://other.example/a.ts'],
    ['ht\ttp://other.example/a.ts', 'http://other.example/a.ts'],
    ['12:30.ts', 'https://up.example/live/12:30.ts'],
    ['data:text/plain,x', undefined],
    ['skd://key', undefined],
    ['urn:uuid:1', undefined],
    ['file:///etc/passwd', undefined],
    ['ftp://other.example/a.ts', undefined],
    ['java\tscript:alert(1)', undefined],
    ['http://', undefined],
    ['//', undefined],
  ]
  for (const [uri, expected] of cases) {
    assert.equal(resolveUri(uri, base), expected, uri)
    assert.equal(isFetchable(uri), expected !== undefined, uri)
  }
})
