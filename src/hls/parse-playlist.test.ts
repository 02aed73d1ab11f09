import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attributeText } from './attribute-list.ts'
import { MASTER, MEDIA } from './corpus.fixture.ts'
import { parseMediaPlaylist, parsePlaylist } from './parse-playlist.ts'
import type { MediaPlaylist } from './playlist.ts'
import { endSequence } from './timeline.ts'
import { writePlaylist } from './write-playlist.ts'

const HEAD = '#EXTM3U\n#EXT-X-TARGETDURATION:4\n'

function media(text: string): MediaPlaylist {
  return parseMediaPlaylist(text)
}

test('ends of lines, a byte order mark, empty lines, spaces and comments do not matter', () => {
  const plain = media(MEDIA['scte35'] ?? '')
  const text = MEDIA['scte35'] ?? ''
  for (const other of [
    `\uFEFF${text}`,
    text.replaceAll('\n', '\r\n'),
    text.replaceAll('\n', '\r'),
    text.replaceAll('\n', ' \n\n'),
    text.replaceAll('\n', '\n# a comment\n'),
    `\n${text}`,
  ]) {
    assert.deepEqual(media(other), plain)
  }
})

test('a missing target duration is the largest of the segments, and a fractional one is rounded up', () => {
  assert.equal(media('#EXTM3U\n#EXTINF:3.6,\na.ts\n#EXTINF:2,\nb.ts\n').targetDurationS, 4)
  assert.equal(media('#EXTM3U\n#EXT-X-TARGETDURATION:9.2\n').targetDurationS, 10)
  assert.equal(media('#EXTM3U\n#EXT-X-TARGETDURATION:0\n#EXTINF:0.2,\na.ts\n').targetDurationS, 1)
})

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ['a web page', '<!doctype html><html></html>', /line 1: a playlist begins with #EXTM3U/],
  ['an empty text', '', /empty/],
  ['a list of channels', '#EXTM3U\n#EXTINF:-1 tvg-id="x",One\nhttp://a/b\n', /line 2: EXTINF without a duration/],
  ['a list of addresses', '#EXTM3U\nhttp://a/b.ts\n', /neither/],
  ['a first line that only begins like one', '#EXTM3U8\n#EXT-X-TARGETDURATION:4\n', /begins with #EXTM3U/],
  ['tags of both kinds', `${HEAD}#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n`, /line 3: tags of a master and of a media/],
  ['a segment without duration', `${HEAD}a.ts\n`, /line 3: a URI without EXTINF/],
  ['a duration that is no number', `${HEAD}#EXTINF:abc,\na.ts\n`, /line 3: EXTINF/],
  ['a media sequence that is no number', `${HEAD}#EXT-X-MEDIA-SEQUENCE:x\n`, /line 3: EXT-X-MEDIA-SEQUENCE/],
  ['a media sequence above 2^52', `${HEAD}#EXT-X-MEDIA-SEQUENCE:4503599627370497\n`, /2\^52/],
  ['a segment of more than a day', `${HEAD}#EXTINF:86401,\na.ts\n`, /line 3: EXTINF/],
  [
    'more variants than any channel has',
    `#EXTM3U\n${'#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n'.repeat(1_001)}`,
    /more than 1000/,
  ],
  ['a key without method', `${HEAD}#EXT-X-KEY:URI="k"\n`, /line 3: a key without METHOD/],
  ['a method with a second attribute in it', `${HEAD}#EXT-X-KEY:METHOD="AES-128,URI=x"\n`, /METHOD/],
  ['an IV that is no number', `${HEAD}#EXT-X-KEY:METHOD=AES-128,URI="k",IV=12\n`, /IV/],
  ['a map without address', `${HEAD}#EXT-X-MAP:BYTERANGE="1@0"\n`, /EXT-X-MAP without URI/],
  ['a byte range that begins nowhere', `${HEAD}#EXTINF:1,\n#EXT-X-BYTERANGE:10\na.ts\n`, /without an offset/],
  ['a part without duration', `${HEAD}#EXT-X-PART:URI="a"\n`, /a part without/],
  ['a variable that is not defined', `${HEAD}#EXTINF:1,\n{$a}.ts\n`, /variable a is not defined/],
  ['a variable defined twice', `${HEAD}${'#EXT-X-DEFINE:NAME="a",VALUE="1"\n'.repeat(2)}`, /defined twice/],
  ['an import of nothing', `${HEAD}#EXT-X-DEFINE:IMPORT="a"\n`, /does not define a/],
  ['a query parameter that is not there', `${HEAD}#EXT-X-DEFINE:QUERYPARAM="a"\n`, /no query parameter a/],
  ['a master playlist with nothing to play', '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO\n', /without variants/],
  ['a variant that is not announced', '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\nb\n', /line 4: a URI without/],
]
for (const [title, text, message] of REFUSED) {
  test(`refuses ${title}`, () => {
    assert.throws(() => parsePlaylist(text), { name: 'PlaylistError', message })
  })
}

test('a byte range without an offset goes on where the one before it ended', () => {
  const { segments } = media(MEDIA['byteRanges'] ?? '')
  assert.deepEqual(
    segments.map(({ byteRange }) => byteRange),
    [
      { length: 1_508_000, offset: 719 },
      { length: 1_510_244, offset: 1_508_719 },
      { length: 1_244_400, offset: 3_018_963 },
    ],
  )
})

test('keys hold until the next of their format, and METHOD=NONE ends them all', () => {
  const { segments } = media(`${HEAD}#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://1",KEYFORMAT="f"
#EXT-X-KEY:METHOD=SAMPLE-AES,URI="https://k/1"
#EXTINF:1,
a.ts
#EXT-X-KEY:METHOD=SAMPLE-AES,URI="https://k/2"
#EXTINF:1,
b.ts
#EXT-X-KEY:METHOD=NONE
#EXTINF:1,
c.ts
`)
  assert.deepEqual(
    segments.map(({ keys }) => keys.map(({ uri }) => uri)),
    [['skd://1', 'https://k/1'], ['skd://1', 'https://k/2'], []],
  )
})

test('a map is under the keys that stood before it, not under those of its segment', () => {
  const text = `${HEAD}#EXT-X-MAP:URI="init.mp4"\n#EXT-X-KEY:METHOD=AES-128,URI="k"\n#EXTINF:1,\na.m4s\n`
  const [segment] = media(writePlaylist(media(text))).segments
  assert.deepEqual(segment?.map?.keys, [])
  assert.equal(segment.keys[0]?.uri, 'k')
})

test('a key that ends is ended in what is written', () => {
  const { segments, ...rest } = media(MEDIA['aes128'] ?? '')
  const written = writePlaylist({ ...rest, segments: segments.slice(2) })
  assert.match(
    written,
    /#EXT-X-KEY:METHOD=AES-128.*\n#EXTINF:15\.0,\nup\/fileSequence53-A\.ts\n#EXT-X-KEY:METHOD=NONE\n/,
  )
})

test('what stands after the last segment is the beginning of the next', () => {
  const { trailing, segments } = media(MEDIA['lowLatency'] ?? '')
  assert.deepEqual(
    trailing?.parts.map(({ uri }) => uri),
    ['up/270.0.mp4', 'up/270.1.mp4'],
  )
  assert.equal(trailing.map?.uri, 'up/init.mp4')
  assert.equal(segments.at(-1)?.parts.length, 4)
  assert.equal(media(MEDIA['live'] ?? '').trailing, undefined)
})

test('an unknown tag stays where it stood: with the playlist or with its segment', () => {
  const { otherTags, segments } = media(
    '#EXTM3U\n#EXT-X-NEW:1\n#EXT-X-TARGETDURATION:4\n#EXT-X-CUE-OUT:30\n#EXTINF:1,\na.ts\n#EXT-X-CUE-IN\n#EXTINF:1,\nb.ts\n',
  )
  assert.deepEqual(otherTags, ['#EXT-X-NEW:1'])
  assert.deepEqual(
    segments.map((each) => each.otherTags),
    [['#EXT-X-CUE-OUT:30'], ['#EXT-X-CUE-IN']],
  )
})

test('durations and dates are written as they stood', () => {
  const text = `${HEAD}#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00+0100\n#EXTINF:3.00300,t\na.ts\n`
  const written = writePlaylist(media(text))
  assert.match(written, /#EXTINF:3\.00300,t\n/)
  assert.match(written, /#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00\+0100\n/)
})

test('attributes that are not known stay with their tag', () => {
  const [segment] = media(MEDIA['widevine'] ?? '').segments
  assert.equal(attributeText(segment?.keys[0]?.otherAttributes ?? [], 'KEYID'), '0x800AACAA522958AE888062B5695DB6BF')
})

test('variables come from the playlist, from its address and from the master playlist', () => {
  const text = `${HEAD}#EXT-X-DEFINE:NAME="a",VALUE="one"
#EXT-X-DEFINE:IMPORT="b"
#EXT-X-DEFINE:QUERYPARAM="c"
#EXT-X-KEY:METHOD=AES-128,URI="{$a}/{$b}"
#EXTINF:1,{$a}
{$a}-{$b}-{$c}.ts
`
  const imported = [{ kind: 'name', name: 'b', value: 'two' }] as const
  const [segment] = parseMediaPlaylist(text, { imported, url: 'http://up.example/i.m3u8?c=three' }).segments
  assert.equal(segment?.uri, 'one-two-three.ts')
  assert.equal(segment.keys[0]?.uri, 'one/two')
  assert.equal(segment.title, '{$a}')
})

test('a playlist whose end is missing is read up to there', () => {
  assert.equal(media(`${HEAD}#EXTINF:1,\na.ts\n#EXTINF:1,\n`).segments.length, 1)
})

const FULL = `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:1
#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=6,CAN-SKIP-DATERANGES=YES
#EXT-X-MEDIA-SEQUENCE:10
#EXT-X-DATERANGE:ID="old",START-DATE="2026-01-01T00:00:00Z"
#EXT-X-DATERANGE:ID="kept",START-DATE="2026-01-01T00:00:01Z"
#EXT-X-KEY:METHOD=AES-128,URI="k"
#EXT-X-MAP:URI="init.mp4"
${Array.from({ length: 10 }, (_, index) => `#EXTINF:1,\n${10 + index}.m4s`).join('\n')}
`
const DELTA = `#EXTM3U
#EXT-X-VERSION:10
#EXT-X-TARGETDURATION:1
#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=6,CAN-SKIP-DATERANGES=YES
#EXT-X-MEDIA-SEQUENCE:11
#EXT-X-SKIP:SKIPPED-SEGMENTS=7,RECENTLY-REMOVED-DATERANGES="old"
#EXT-X-DATERANGE:ID="new",START-DATE="2026-01-01T00:00:02Z"
#EXTINF:1,
18.m4s
#EXTINF:1,
19.m4s
#EXTINF:1,
20.m4s
`

test('a delta update is completed from the playlist before it', () => {
  const playlist = parseMediaPlaylist(DELTA, { previous: media(FULL) })
  assert.equal(playlist.skip, undefined)
  assert.deepEqual(
    playlist.segments.map(({ uri, keys, map }) => [uri, keys[0]?.uri, map?.uri]),
    Array.from({ length: 10 }, (_, index) => [`${11 + index}.m4s`, 'k', 'init.mp4']),
  )
  assert.deepEqual(
    playlist.dateRanges.map(({ attributes }) => attributeText(attributes, 'ID')),
    ['kept', 'new'],
  )
})

test('a delta update alone says what it skips, and one of an unknown playlist is refused', () => {
  const alone = media(DELTA)
  assert.deepEqual(alone.skip, { segments: 7, recentlyRemovedDateRanges: ['old'] })
  assert.equal(endSequence(alone), 21)
  const previous = media(FULL.replace('SEQUENCE:10', 'SEQUENCE:300'))
  assert.throws(() => parseMediaPlaylist(DELTA, { previous }), /delta update of a playlist that is not known/)
})

test('a master playlist where segments are wanted is an error', () => {
  assert.throws(() => parseMediaPlaylist(MASTER['variants'] ?? ''), /a master playlist stands where/)
})
