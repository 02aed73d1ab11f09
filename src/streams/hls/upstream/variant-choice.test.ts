import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePlaylist } from '../../../hls/parse-playlist.ts'
import { chooseVariant } from './variant-choice.ts'

function choice(lines: readonly string[], bandwidthMax?: number) {
  const playlist = parsePlaylist(['#EXTM3U', ...lines].join('\n'))
  assert.ok(playlist.kind === 'master')
  const found = chooseVariant(playlist, bandwidthMax)
  return [found?.variant.uri, found?.audio?.uri]
}

const variant = (bandwidth: number, uri: string, rest = '') => [`#EXT-X-STREAM-INF:BANDWIDTH=${bandwidth}${rest}`, uri]
const sound = (name: string, rest: string) => `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="${name}"${rest}`

test('the best variant within the limit, and of equals the first', () => {
  const lines = [
    ...variant(1_000, 'low'),
    ...variant(5_000, 'high'),
    ...variant(5_000, 'backup'),
    ...variant(2_000, 'mid'),
  ]
  assert.deepEqual(choice(lines), ['high', undefined])
  assert.deepEqual(choice(lines, 2_500), ['mid', undefined])
  assert.deepEqual(choice(lines, 10), ['low', undefined])
})

test('the default sound of its group, unless that is in its own segments', () => {
  const video = variant(1_000, 'v', ',AUDIO="a"')
  const other = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="b",NAME="x",DEFAULT=YES,URI="b.m3u8"'
  assert.deepEqual(choice([sound('fr', ',URI="fr"'), sound('en', ',DEFAULT=YES,URI="en"'), other, ...video]), [
    'v',
    'en',
  ])
  assert.deepEqual(choice([sound('fr', ',URI="fr"'), ...video]), ['v', 'fr'])
  assert.deepEqual(choice([sound('en', ',DEFAULT=YES'), sound('fr', ',URI="fr"'), ...video]), ['v', undefined])
  assert.deepEqual(choice([sound('en', ',DEFAULT=YES,URI="v"'), ...video]), ['v', undefined])
})
