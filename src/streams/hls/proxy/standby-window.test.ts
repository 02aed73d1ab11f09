import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMediaPlaylist } from '../../../hls/parse-playlist.ts'
import type { Tail } from './span.ts'
import { standbyWindow } from './standby-window.ts'

const TAIL: Tail = { endMs: undefined, hasTrueDates: false, owedS: 2, targetDurationS: 2, isImpatient: true }
const START_MS = Date.parse('2026-01-01T00:00:00Z')

function window(lines: readonly string[], tail: Partial<Tail> = {}) {
  const playlist = parseMediaPlaylist(['#EXTM3U', '#EXT-X-TARGETDURATION:2', ...lines].join('\n'))
  return standbyWindow({ playlist, finalUrl: 'http://b.test/live/v0.m3u8', atMs: 0 }, { ...TAIL, ...tail })
}

const segments = (count: number, durationS = 2) =>
  Array.from({ length: count }, (_, index) => `#EXTINF:${durationS},\n${index}.ts`)
const names = (resources: ReturnType<typeof window>) =>
  resources.map(({ kind, url }) => `${kind} ${url.replace('http://b.test/live/', '')}`)

test('as many of the newest as a join publishes at once, the newest first', () => {
  assert.deepEqual(names(window(segments(10))), ['segment 9.ts', 'segment 8.ts', 'segment 7.ts'])
  assert.equal(window(segments(2)).length, 2)
  assert.equal(window([]).length, 0)
})

test('never more than twelve, however short they are', () => {
  assert.equal(window(segments(100, 0.1)).length, 12)
})

test('a hundred thousand segments of no length are looked through once', { timeout: 20_000 }, () => {
  assert.equal(window(segments(100_000, 0)).length, 12)
})

test('where both date their segments, all from where players are', () => {
  const dated = ['#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z', ...segments(10)]
  const behind = window(dated, { hasTrueDates: true, endMs: START_MS + 8_000 })
  assert.equal(names(behind).at(-1), 'segment 4.ts')
  const level = window(dated, { hasTrueDates: true, endMs: START_MS + 18_000 })
  assert.equal(names(level).at(-1), 'segment 7.ts')
})

test('sections and keys come with the segments that need them; gaps and addresses that only players can ask for do not', () => {
  const lines = [
    '#EXT-X-MAP:URI="init.mp4",BYTERANGE="100@0"',
    '#EXT-X-KEY:METHOD=AES-128,URI="1.key"',
    ...['#EXTINF:2,', 'a.m4s'],
    '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://key",KEYFORMAT="com.apple.streamingkeydelivery"',
    ...['#EXTINF:2,', '#EXT-X-GAP', 'b.m4s'],
    ...['#EXTINF:2,', 'c.m4s'],
  ]
  const found = window(lines)
  // Keys of two formats are in effect at once: players choose (RFC 8216 §4.3.2.4).
  assert.deepEqual(names(found), [
    ...['key 1.key', 'map init.mp4', 'segment c.m4s'],
    ...['key 1.key', 'map init.mp4', 'segment a.m4s'],
  ])
  assert.deepEqual(found[1]?.byteRange, { offset: 0, length: 100 })
  assert.ok(found.every(({ isClear }) => !isClear))
})
