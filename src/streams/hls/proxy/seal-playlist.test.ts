import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMediaPlaylist, parsePlaylist } from '../../../hls/parse-playlist.ts'
import { CORPUS_URL, MASTER, MEDIA } from '../../../hls/corpus.fixture.ts'
import { playlistText, withCarried } from './playlist-text.ts'
import { References } from './reference.ts'
import { Sealer, UNNAMEABLE, withoutMapAfter } from './seal-playlist.ts'
import { upstreamSegments } from './upstream-segments.ts'

const references = new References('secret', 'stream')
const sealer = () => new Sealer({ references, span: 1, candidateId: 'a' })
const BASE = 'https://origin.example/live/index.m3u8?token=geheim'

function first(text: string, offset = 0) {
  const [segment] = upstreamSegments(parseMediaPlaylist(['#EXTM3U', '#EXT-X-TARGETDURATION:4', text].join('\n')))
  assert.ok(segment !== undefined)
  return sealer().segment(segment, BASE, offset)
}

test('nothing that leads to the origin is left in any kind of playlist, and every name leads back to it', () => {
  for (const [name, text] of Object.entries({ ...MEDIA, ...MASTER })) {
    const playlist = parsePlaylist(text, { url: CORPUS_URL })
    const sealed = withCarried(playlistText(sealer().whole(playlist, CORPUS_URL), '../'), { client_id: 'me' })
    const names = [...sealed.matchAll(/\.\.\/([a-z]\/[\w-]+\.\w+)\?client_id=me/g)].map(([, path]) => path ?? '')
    for (const path of names) {
      if (path === UNNAMEABLE) continue
      assert.match(references.open(path)?.url ?? '', /^https?:\/\//, `${path} in ${name}`)
    }
    const uris = sealed.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    assert.ok(
      uris.every((uri) => uri.startsWith('../')),
      `${name}: ${uris.find((uri) => !uri.startsWith('../'))}`,
    )
    for (const [, uri = ''] of sealed.matchAll(/[:,](?:URI|X-ASSET-URI|X-ASSET-LIST|SERVER-URI)="([^"]*)"/g)) {
      assert.ok(uri.startsWith('../') || /^(?:data|skd|urn):/.test(uri), `${name}: ${uri}`)
    }
  }
})

test('keys that are not fetched over HTTP stay as they are, and so does what DRM says beside them', () => {
  const fairplay =
    '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://asset",KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1"'
  const widevine = '#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI="data:text/plain;base64,AAAA",KEYFORMAT="urn:uuid:edef8ba9"'
  const { keys } = first([fairplay, widevine, '#EXTINF:4,', 'a.ts'].join('\n'), 100)
  assert.deepEqual(
    keys.map(({ uri, iv }) => [uri, iv]),
    [
      ['skd://asset', undefined],
      ['data:text/plain;base64,AAAA', undefined],
    ],
  )
})

test("the source's number is told as the IV where ours is another (RFC 8216 §5.2)", () => {
  const text = ['#EXT-X-MEDIA-SEQUENCE:26', '#EXT-X-KEY:METHOD=AES-128,URI="k"', '#EXTINF:4,', 'a.ts'].join('\n')
  assert.equal(first(text, 0).keys[0]?.iv, undefined)
  assert.equal(first(text, 5).keys[0]?.iv, '0x0000000000000000000000000000001a')
})

test('an address that is used again for another segment gets another name, and leads to the same place', () => {
  const playlist = parseMediaPlaylist(
    ['#EXTM3U', '#EXT-X-TARGETDURATION:4', '#EXTINF:4,', 'a.ts', '#EXTINF:4,', 'b.ts', '#EXTINF:4,', 'a.ts'].join('\n'),
  )
  const one = sealer()
  const names = upstreamSegments(playlist).map((segment) => one.segment(segment, BASE, 0).uri)
  assert.equal(new Set(names).size, 3)
  const [original, , again] = names.map((name) => new URL(references.open(name)?.url ?? ''))
  assert.equal(original?.pathname, again?.pathname)
  // Told once more, it is the same name.
  assert.deepEqual(
    upstreamSegments(playlist).map((segment) => one.segment(segment, BASE, 0).uri),
    names,
  )
})

test('what cannot be named is a gap', () => {
  const segment = first(`#EXTINF:4,\n${'x'.repeat(10_000)}.ts`)
  assert.equal(segment.uri, UNNAMEABLE)
  assert.equal(segment.isGap, true)
  assert.equal(references.open(UNNAMEABLE), undefined)
})

test('after a segment with an initialisation section, none is told as an empty one', () => {
  const fragmented = first('#EXT-X-MAP:URI="init.mp4"\n#EXTINF:4,\na.m4s')
  const plain = first('#EXTINF:4,\na.ts')
  assert.equal(withoutMapAfter(plain, undefined).map, undefined)
  assert.equal(withoutMapAfter(plain, fragmented.map).map?.uri, 'm/none.ts')
  assert.equal(withoutMapAfter(fragmented, fragmented.map), fragmented)
})
