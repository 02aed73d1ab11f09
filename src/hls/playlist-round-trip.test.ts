import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePlaylist } from './parse-playlist.ts'
import { writePlaylist } from './write-playlist.ts'

const LIVE = `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:4
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5,CAN-SKIP-UNTIL=24.0
#EXT-X-PART-INF:PART-TARGET=0.5
#EXT-X-MEDIA-SEQUENCE:100
#EXT-X-KEY:METHOD=AES-128,URI="https://k/1",IV=0x00000000000000000000000000000001
#EXT-X-MAP:URI="init.mp4",BYTERANGE="100@0"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z
#EXT-X-CUE-OUT:30
#EXTINF:4.00000,hello
s100.m4s
#EXT-X-DISCONTINUITY
#EXT-X-PART:DURATION=0.5,URI="s101.m4s",BYTERANGE="10@0",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.5,URI="s101.m4s",BYTERANGE="10"
#EXTINF:1,
s101.m4s
#EXT-X-PART:DURATION=0.5,URI="s102.0.m4s"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="s102.1.m4s"
#EXT-X-RENDITION-REPORT:URI="../a.m3u8",LAST-MSN=101,LAST-PART=1
`

test('a playlist is the same after it is written and read again', () => {
  const first = parsePlaylist(LIVE)
  const text = writePlaylist(first)
  assert.deepEqual(parsePlaylist(text), first)
  assert.equal(writePlaylist(parsePlaylist(text)), text)
})
