import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AUDIO_PID, createMux } from '../../mpegts/testing.ts'
import { createFramer } from './framing.ts'
import { sniff } from './sniff.ts'

const mux = createMux()
const TS = Buffer.concat([
  mux.tables(),
  ...Array.from({ length: 20 }, () => mux.pes(AUDIO_PID, Buffer.alloc(150, 0x12))),
])
const MP3_FRAME = Buffer.concat([Buffer.from('fffb9064', 'hex'), Buffer.alloc(413, 0)])
const MP3 = Buffer.concat([MP3_FRAME, MP3_FRAME, MP3_FRAME, MP3_FRAME, MP3_FRAME])
const ADTS = Buffer.concat(
  Array.from({ length: 6 }, () => Buffer.concat([Buffer.from('fff14c801900fc', 'hex'), Buffer.alloc(193, 9)])),
)
const ID3 = Buffer.concat([Buffer.from('49443304000000001000', 'hex'), Buffer.alloc(2_048, 0)])
const M2TS = Buffer.concat(
  Array.from({ length: 8 }, (_, index) =>
    Buffer.concat([Buffer.from([0, 0, 1, index]), TS.subarray(index * 188, index * 188 + 188)]),
  ),
)

const MEDIA: readonly (readonly [string, Buffer, string])[] = [
  ['MPEG-TS', TS, 'mpegts'],
  ['MPEG-TS from the middle of a packet', TS.subarray(100), 'mpegts'],
  ['MPEG-TS with 192-byte packets', M2TS, 'mpegts'],
  ['FLV', Buffer.concat([Buffer.from('464c56010500000009', 'hex'), Buffer.alloc(30)]), 'flv'],
  ['Matroska', Buffer.from('1a45dfa3a34286810142f7810142f2810442f381084282886d6174726f736b61', 'hex'), 'matroska'],
  ['MP3', MP3, 'mp3'],
  ['MP3 from the middle of a frame', MP3.subarray(100), 'mp3'],
  ['MP3 behind an ID3 tag', Buffer.concat([ID3, MP3]), 'mp3'],
  ['AAC', ADTS, 'adts'],
  ['MP4', Buffer.from('0000001c6674797069736f35', 'hex'), 'mp4'],
  ['Ogg', Buffer.from('OggS\0\0\0\0\0\0'), 'ogg'],
]

for (const [name, bytes, kind] of MEDIA) {
  test(`${name} is media, whatever the content type says`, () => {
    for (const contentType of ['', 'text/html', 'video/mp2t', 'application/octet-stream']) {
      const result = sniff(bytes, contentType)
      assert.equal(result.kind, kind)
      assert.equal(result.verdict, 'media')
      assert.equal(createFramer(result.container ?? 'opaque').container, kind)
    }
  })
}

const NOT_MEDIA: readonly (readonly [string, string, string])[] = [
  ['an HTML page', '<!DOCTYPE html><html><body>Not found</body></html>', 'html'],
  ['an HTML page behind white space and a byte order mark', '\xef\xbb\xbf\r\n  <HTML>', 'html'],
  ['JSON', '{"error":"account expired"}', 'text'],
  ['plain text', 'Stream is offline', 'text'],
  ['text that begins like a sync byte', `G${'x'.repeat(187)}G${'x'.repeat(187)}G`, 'text'],
  ['a playlist', '#EXTM3U\n#EXT-X-VERSION:3\n', 'hls-playlist'],
  ['a PNG image', '\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'image'],
  ['a JPEG image', '\xff\xd8\xff\xe0\0\x10JFIF', 'image'],
  ['a GIF image', 'GIF89a\x01\0', 'image'],
]

for (const [name, text, kind] of NOT_MEDIA) {
  test(`${name} is not media, even as video/mp2t`, () => {
    for (const contentType of ['video/mp2t', 'application/octet-stream', '']) {
      const result = sniff(Buffer.from(text, 'latin1'), contentType)
      assert.equal(result.kind, kind)
      assert.equal(result.verdict, 'not-media')
      assert.equal(result.container, undefined)
    }
  })
}

test('the evidence shows the first bytes in printable form', () => {
  const { evidence } = sniff(Buffer.from('<html>\0\x1b[31m"quoted"</html>'), '')
  assert.match(evidence, /^html, begins with "<html>\.\.\[31m/)
  assert.doesNotMatch(evidence, /[^\x20-\x7e]/)
})

test('unknown bytes are media only with a content type that says audio or video', () => {
  const unknown = Buffer.alloc(4_096, 0x01)
  assert.equal(sniff(unknown, 'video/x-ms-asf').container, 'opaque')
  assert.equal(sniff(unknown, 'audio/aacp; charset=x').container, 'opaque')
  for (const contentType of ['application/octet-stream', '', 'audio/mpegurl', 'text/video/']) {
    assert.equal(sniff(unknown, contentType).verdict, 'not-media', contentType)
  }
})

test('nothing, and few bytes that are nothing yet, are worth waiting for', () => {
  assert.equal(sniff(Buffer.alloc(0), 'video/mp2t').verdict, 'more')
  assert.equal(sniff(Buffer.alloc(100, 0x01), 'video/mp2t').verdict, 'more')
  assert.equal(sniff(ID3, '').verdict, 'more')
})

test('any bytes get an answer, and enough of them a final one', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3_000, size: 'max' }), fc.string(), (bytes, contentType) => {
      const { verdict, container } = sniff(Buffer.from(bytes), contentType)
      assert.equal(verdict === 'media', container !== undefined)
    }),
  )
})
