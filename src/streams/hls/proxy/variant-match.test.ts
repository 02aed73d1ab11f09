import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parsePlaylist } from '../../../hls/parse-playlist.ts'
import type { MasterPlaylist } from '../../../hls/playlist.ts'
import { outputMaster } from './output-master.ts'
import { matchSlot } from './variant-match.ts'

function master(...lines: readonly string[]): MasterPlaylist {
  const playlist = parsePlaylist(['#EXTM3U', ...lines].join('\n'))
  assert.ok(playlist.kind === 'master')
  return playlist
}

const variant = (attributes: string, uri: string) => `#EXT-X-STREAM-INF:${attributes}\n${uri}`
const rendition = (type: string, language: string, name: string, uri: string, more = '') =>
  `#EXT-X-MEDIA:TYPE=${type},GROUP-ID="g-${type}",LANGUAGE="${language}",NAME="${name}",URI="${uri}"${more}`
const output = (playlist: MasterPlaylist) =>
  outputMaster(
    playlist,
    () => 'k/name.key',
    () => 'd/name.bin',
  )

const LADDER = [
  variant('BANDWIDTH=800000,RESOLUTION=640x360,CODECS="avc1.4d401e,mp4a.40.2"', 'low'),
  variant('BANDWIDTH=2500000,RESOLUTION=1280x720,CODECS="avc1.4d401f,mp4a.40.2"', 'mid'),
  variant('BANDWIDTH=6000000,RESOLUTION=1920x1080,CODECS="avc1.640028,mp4a.40.2"', 'high'),
]

describe('a variant is fed from', () => {
  const ours = output(master(...LADDER))
  const matches = (...lines: readonly string[]) => [0, 1, 2].map((slot) => matchSlot(ours, slot, master(...lines)))

  test('the one with the same picture, in whatever order they stand and whatever their bandwidths', () => {
    const found = matches(
      variant('BANDWIDTH=9000000,RESOLUTION=1920x1080,CODECS="avc1.640028,mp4a.40.2"', 'a'),
      variant('BANDWIDTH=500000,RESOLUTION=640x360,CODECS="avc1.4d401e,mp4a.40.2"', 'b'),
      variant('BANDWIDTH=3500000,RESOLUTION=1280x720,CODECS="avc1.4d401f,mp4a.40.2"', 'c'),
    )
    assert.deepEqual(found, ['b', 'c', 'a'])
  })

  test('the one of the same rank where pictures are not told', () => {
    const found = matches(
      variant('BANDWIDTH=900000', 'b'),
      variant('BANDWIDTH=2600000', 'c'),
      variant('BANDWIDTH=5000000', 'a'),
    )
    assert.deepEqual(found, ['b', 'c', 'a'])
  })

  test('the same codec before a better picture', () => {
    const found = matches(
      variant('BANDWIDTH=3000000,RESOLUTION=1920x1080,CODECS="hvc1.1.6.L120.90,mp4a.40.2"', 'hevc'),
      variant('BANDWIDTH=2500000,RESOLUTION=1280x720,CODECS="avc1.4d401f,mp4a.40.2"', 'avc'),
    )
    assert.deepEqual(found, ['avc', 'avc', 'avc'])
  })

  test('the only one there is', () => {
    assert.deepEqual(matches(variant('BANDWIDTH=1', 'only')), ['only', 'only', 'only'])
  })

  test('one that brings its sound along, where players expect it so', () => {
    const found = matches(
      rendition('AUDIO', 'en', 'English', 'sound'),
      variant('BANDWIDTH=2500000,RESOLUTION=1280x720,CODECS="avc1.4d401f,mp4a.40.2",AUDIO="g-AUDIO"', 'silent'),
      variant('BANDWIDTH=700000,RESOLUTION=640x360,CODECS="avc1.4d401f,mp4a.40.2"', 'muxed'),
    )
    assert.deepEqual(found, ['muxed', 'muxed', 'muxed'])
  })
})

describe('a rendition is fed from', () => {
  const ours = output(
    master(
      rendition('AUDIO', 'en', 'English', 'en'),
      rendition('AUDIO', 'de', 'Deutsch', 'de'),
      rendition('SUBTITLES', 'de', 'Deutsch', 'subs'),
      variant('BANDWIDTH=800000,AUDIO="g-AUDIO",SUBTITLES="g-SUBTITLES"', 'v'),
    ),
  )
  const [sound, german, subtitles] = [1, 2, 3]

  test('the one of the same language, before the one of the same name', () => {
    const theirs = master(
      rendition('AUDIO', 'fr', 'English', 'fr'),
      rendition('AUDIO', 'de', 'German', 'de2'),
      rendition('AUDIO', 'en', 'Original', 'en2'),
      variant('BANDWIDTH=800000,AUDIO="g-AUDIO"', 'v2'),
    )
    assert.equal(matchSlot(ours, sound, theirs), 'en2')
    assert.equal(matchSlot(ours, german, theirs), 'de2')
  })

  test('the default one when there is no other of its language, but never subtitles of another', () => {
    const theirs = master(
      rendition('AUDIO', 'fr', 'Français', 'fr'),
      rendition('AUDIO', 'it', 'Italiano', 'it', ',DEFAULT=YES'),
      rendition('SUBTITLES', 'fr', 'Français', 'sub-fr'),
      variant('BANDWIDTH=800000,AUDIO="g-AUDIO",SUBTITLES="g-SUBTITLES"', 'v2'),
    )
    assert.equal(matchSlot(ours, sound, theirs), 'it')
    assert.equal(matchSlot(ours, subtitles, theirs), undefined)
  })

  test('the variant itself where the sound is in it', () => {
    const theirs = master(variant('BANDWIDTH=800000', 'muxed'))
    assert.equal(matchSlot(ours, sound, theirs), 'muxed')
    assert.equal(matchSlot(ours, subtitles, theirs), undefined)
  })
})

test('the one playlist of a stream without variants is fed from the best that has its sound with it', () => {
  const theirs = master(
    rendition('AUDIO', 'en', 'English', 'sound'),
    variant('BANDWIDTH=9000000,AUDIO="g-AUDIO"', 'silent'),
    variant('BANDWIDTH=500000', 'low'),
    variant('BANDWIDTH=800000', 'muxed'),
  )
  assert.equal(matchSlot(undefined, 0, theirs), 'muxed')
})

test("the output's master playlist has a slot for each playlist, once, and nothing that leads past us", () => {
  const { slots, playlist } = output(
    master(
      '#EXT-X-CONTENT-STEERING:SERVER-URI="https://steering.example/x",PATHWAY-ID="a"',
      '#EXT-X-SESSION-KEY:METHOD=AES-128,URI="https://keys.example/k"',
      '#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="skd://asset",KEYFORMAT="com.apple.streamingkeydelivery"',
      '#EXT-X-SESSION-DATA:DATA-ID="x",URI="https://data.example/d.json"',
      '#EXT-X-VENDOR:URI="https://vendor.example/"',
      rendition('AUDIO', 'en', 'English', 'https://origin.example/sound'),
      '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="CC",INSTREAM-ID="CC1"',
      variant('BANDWIDTH=1,AUDIO="g-AUDIO",PATHWAY-ID="a"', 'https://origin.example/v'),
      variant('BANDWIDTH=2,AUDIO="g-OTHER",PATHWAY-ID="a"', 'https://origin.example/v'),
      '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="https://origin.example/i"',
    ),
  )
  assert.deepEqual(
    slots.map(({ kind }) => kind),
    ['variant', 'rendition', 'trick_play'],
  )
  assert.deepEqual(
    playlist.variants.map(({ uri }) => uri),
    ['0', '0'],
  )
  assert.deepEqual(
    playlist.renditions.map(({ uri }) => uri),
    ['1', undefined],
  )
  assert.equal(playlist.trickPlayVariants[0]?.uri, '2')
  assert.deepEqual(
    playlist.sessionKeys.map(({ uri }) => uri),
    ['k/name.key', 'skd://asset'],
  )
  assert.doesNotMatch(JSON.stringify(playlist), /\.example|PATHWAY/)
})
