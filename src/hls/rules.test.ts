import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MASTER, MEDIA } from './corpus.fixture.ts'
import { checkMasterPlaylist } from './master-rules.ts'
import { newMediaPlaylist, newPart, newProgramDateTime, newSegment } from './new-playlist.ts'
import { parsePlaylist } from './parse-playlist.ts'
import type { MediaPlaylist, MediaSegment } from './playlist.ts'
import { checkRenditions } from './rendition-rules.ts'
import { PlaylistRules } from './rules.ts'
import { describeViolations } from './violation.ts'
import type { Violation } from './violation.ts'
import { writePlaylist } from './write-playlist.ts'

const START_MS = Date.UTC(2026, 0, 1)
const KEY = {
  method: 'AES-128',
  uri: 'k' as string | undefined,
  iv: undefined,
  keyFormat: 'identity',
  keyFormatVersions: undefined,
  otherAttributes: [],
}
const MAP = { uri: 'init.mp4', byteRange: undefined, keys: [], otherAttributes: [] }

/** Segment n of a good stream: 4 s, named by its number, with its date. */
function segment(n: number, changes: Partial<MediaSegment> = {}): MediaSegment {
  return newSegment({
    uri: `${n}.ts`,
    durationS: 4,
    programDateTime: newProgramDateTime(START_MS + n * 4000),
    ...changes,
  })
}

/** Segments `from` to `to` of a good stream, some of them changed. */
function window(
  from: number,
  to: number,
  changes: Readonly<Record<number, Partial<MediaSegment>>> = {},
  header: Partial<MediaPlaylist> = {},
): MediaPlaylist {
  const segments = Array.from({ length: to - from + 1 }, (_, index) => segment(from + index, changes[from + index]))
  return newMediaPlaylist({ version: 9, targetDurationS: 4, mediaSequence: from, segments, ...header })
}

function judge(playlists: readonly MediaPlaylist[], stepMs = 4000, isTimely = false): readonly Violation[] {
  const rules = new PlaylistRules({ isTimely })
  return playlists.flatMap((playlist, index) => {
    const parsed = rules.pushText(writePlaylist(playlist), index * stepMs)
    const direct = new PlaylistRules({ isTimely })
    for (const [at, each] of playlists.slice(0, index).entries()) direct.push(each, at * stepMs)
    assert.deepEqual(direct.push(playlist, index * stepMs), parsed)
    return parsed
  })
}

test('a good stream that slides, with a discontinuity that comes and goes, breaks no rule', () => {
  const mark = { 6: { isDiscontinuity: true } }
  const playlists = Array.from({ length: 12 }, (_, n) =>
    window(n, n + 4, mark, { discontinuitySequence: n > 6 ? 1 : 0 }),
  )
  assert.equal(describeViolations(judge(playlists, 4000, true)), '')
})

test('a discontinuity tag may go before its segment does, when the number takes it over', () => {
  const first = window(5, 9, { 6: { isDiscontinuity: true } })
  assert.equal(describeViolations(judge([first, window(6, 10, {}, { discontinuitySequence: 1 })])), '')
})

const lowLatency = {
  partTargetS: 1,
  serverControl: {
    canBlockReload: true,
    canSkipUntilS: 24,
    canSkipDateRanges: false,
    holdBackS: 12,
    partHoldBackS: 3,
    otherAttributes: [],
  },
}
const control = lowLatency.serverControl
function parts(n: number, durations: readonly number[]): { readonly parts: MediaSegment['parts'] } {
  return { parts: durations.map((durationS, index) => newPart({ uri: `${n}.${index}.ts`, durationS })) }
}
function trailing(n: number, count: number) {
  const { uri: _uri, durationS: _s, durationText: _t, title: _title, byteRange: _b, isGap: _g, ...head } = segment(n)
  return {
    ...head,
    ...parts(
      n,
      Array.from({ length: count }, () => 1),
    ),
  }
}

test('a good stream with parts breaks no rule', () => {
  const whole = { 5: parts(5, [1, 1, 1, 1]), 6: parts(6, [1, 1, 1, 1]) }
  const playlists = [
    window(1, 5, whole, { ...lowLatency, trailing: trailing(6, 1) }),
    window(1, 5, whole, { ...lowLatency, trailing: trailing(6, 2) }),
    window(2, 6, whole, lowLatency),
    window(3, 7, { 6: whole[6] }, lowLatency),
  ]
  assert.equal(describeViolations(judge(playlists, 1000)), '')
})

/** What is wrong, the versions published, and the rules that must be named, each with where. */
const BROKEN: readonly (readonly [string, readonly MediaPlaylist[], readonly string[]])[] = [
  ['the media sequence goes back', [window(5, 9), window(4, 8)], ['media-sequence header']],
  ['a number names another segment', [window(5, 9), window(5, 9, { 7: { uri: 'x.ts' } })], ['same-segment segment 7']],
  [
    'a duration changes',
    [window(5, 9), window(5, 9, { 9: { durationS: 3.9, durationText: '3.9' } })],
    ['same-segment segment 9'],
  ],
  ['a key appears', [window(5, 9), window(5, 9, { 9: { keys: [KEY] } })], ['same-segment segment 9']],
  [
    'the sequence counts more than was removed',
    [window(5, 9), { ...window(6, 10), mediaSequence: 7 }],
    ['same-segment segment 7', 'date-time segment 7', 'uri-unique segment 7'],
  ],
  ['the target duration changes', [window(5, 9), window(5, 9, {}, { targetDurationS: 5 })], ['header-constant header']],
  ['the version changes', [window(5, 9), window(5, 9, {}, { version: 10 })], ['header-constant header']],
  [
    'a segment is longer than the target duration',
    [window(5, 9, { 9: { durationS: 4.5, durationText: '4.5' } })],
    ['target-duration segment 9'],
  ],
  [
    'a discontinuity slides out and is not counted',
    [window(6, 10, { 6: { isDiscontinuity: true } }), window(7, 11)],
    ['discontinuity-sequence segment 7'],
  ],
  [
    'a discontinuity is counted that was not there',
    [window(6, 10), window(7, 11, {}, { discontinuitySequence: 1 })],
    ['discontinuity-sequence segment 7'],
  ],
  [
    'the discontinuity sequence goes back',
    [window(6, 10, {}, { discontinuitySequence: 2 }), window(20, 24, {}, { discontinuitySequence: 1 })],
    ['discontinuity-sequence header', 'removed-in-order header'],
  ],
  [
    'a discontinuity is put in later',
    [window(6, 10), window(6, 10, { 8: { isDiscontinuity: true } })],
    ['discontinuity-sequence segment 8'],
  ],
  ['the playlist ends and goes on', [window(6, 10, {}, { hasEndList: true }), window(6, 10)], ['end-list header']],
  [
    'segments come after the end',
    [window(6, 10, {}, { hasEndList: true }), window(6, 11, {}, { hasEndList: true })],
    ['end-list header'],
  ],
  [
    'an event loses segments',
    [window(0, 5, {}, { playlistType: 'EVENT' }), window(1, 6, {}, { playlistType: 'EVENT' })],
    ['playlist-type header'],
  ],
  ['an event is one no longer', [window(0, 5, {}, { playlistType: 'EVENT' }), window(0, 5)], ['playlist-type header']],
  ['too little is kept', [window(5, 9), window(8, 9)], ['three-target-durations header']],
  ['the newest segment is taken back', [window(5, 9), window(5, 8)], ['removed-in-order header']],
  ['segments are gone before they were there', [window(5, 9), window(12, 16)], ['removed-in-order header']],
  [
    'a date does not follow from the durations',
    [window(5, 9, { 8: { programDateTime: newProgramDateTime(START_MS + 34_000) } })],
    ['date-time segment 8', 'date-time segment 9'],
  ],
  [
    'dates go back at a discontinuity',
    [window(5, 8, { 8: { isDiscontinuity: true, programDateTime: newProgramDateTime(START_MS) } })],
    ['date-time-order segment 8'],
  ],
  [
    'a segment moves in time',
    [
      window(5, 9),
      window(
        5,
        9,
        Object.fromEntries(
          [5, 6, 7, 8, 9].map((n) => [n, { programDateTime: newProgramDateTime(START_MS + 60_000 + n * 4000) }]),
        ),
      ),
    ],
    ['date-time segment 5'],
  ],
  ['an address stands for two segments', [window(5, 9, { 9: { uri: '5.ts' } })], ['uri-unique segment 9']],
  ['an address comes back later', [window(5, 9), window(8, 12, { 12: { uri: '5.ts' } })], ['uri-unique segment 12']],
  ['the format changes without a discontinuity', [window(5, 9, { 9: { map: MAP } })], ['discontinuity segment 9']],
  [
    'a key has no address',
    [window(5, 9, Object.fromEntries([5, 6, 7, 8, 9].map((n) => [n, { keys: [{ ...KEY, uri: undefined }] }])))],
    [5, 6, 7, 8, 9].map((n) => `key-uri segment ${n}`),
  ],
  [
    'fractions in version 2',
    [window(5, 9, { 9: { durationS: 3.5, durationText: '3.5' } }, { version: 2 })],
    ['version header'],
  ],
  [
    'byte ranges in version 3',
    [window(5, 9, { 9: { byteRange: { length: 1, offset: 0 } } }, { version: 3 })],
    ['version header'],
  ],
  ['a map in version 5', [window(5, 5, { 5: { map: MAP } }, { version: 5 })], ['version header']],
  ['an IV in version 1', [window(5, 5, { 5: { keys: [{ ...KEY, iv: '0x01' }] } }, { version: 1 })], ['version header']],
  ['parts that do not add up', [window(5, 9, { 9: parts(9, [1, 1, 1]) }, lowLatency)], ['parts-duration segment 9']],
  [
    'a part above the part target',
    [window(5, 9, { 9: parts(9, [1, 1, 2]) }, lowLatency)],
    ['part-target part 2 of segment 9'],
  ],
  [
    'a short part that is not the last',
    [window(5, 9, { 9: parts(9, [1, 0.5, 1, 1, 0.5]) }, lowLatency)],
    ['part-target part 1 of segment 9'],
  ],
  ['parts without a part target', [window(5, 9, { 9: parts(9, [1, 1, 1, 1]) })], ['part-target segment 9']],
  [
    'a part that becomes another',
    [
      window(1, 5, {}, { ...lowLatency, trailing: trailing(6, 1) }),
      window(1, 5, {}, { ...lowLatency, trailing: { ...trailing(6, 1), ...parts(7, [1, 1]) } }),
    ],
    ['same-part segment 6'],
  ],
  [
    'parts that are taken back',
    [
      window(1, 5, {}, { ...lowLatency, trailing: trailing(6, 2) }),
      window(1, 5, {}, { ...lowLatency, trailing: trailing(6, 1) }),
    ],
    ['parts-kept segment 6'],
  ],
  [
    'a hold-back under three target durations',
    [window(5, 9, {}, { serverControl: { ...control, holdBackS: 11 } })],
    ['server-control header'],
  ],
  [
    'a skip limit under six target durations',
    [window(5, 9, {}, { serverControl: { ...control, canSkipUntilS: 23 } })],
    ['server-control header'],
  ],
  [
    'a part hold-back under two part targets',
    [window(5, 9, {}, { partTargetS: 2, serverControl: control })],
    ['server-control header'],
  ],
  [
    'part targets without blocking reload',
    [window(5, 9, {}, { partTargetS: 1, serverControl: { ...control, canBlockReload: false } })],
    ['server-control header'],
  ],
  [
    'part targets without server control',
    [window(5, 9, {}, { partTargetS: 1 })],
    ['server-control header', 'server-control header'],
  ],
]
for (const [title, playlists, expected] of BROKEN) {
  test(`notices when ${title}`, () => {
    const found = judge(playlists, 1000)
    assert.deepEqual(
      found.map(({ rule, where }) => `${rule} ${where}`),
      expected,
      describeViolations(found),
    )
  })
}

test('says that a live playlist stands still, when it is asked to look at time', () => {
  assert.deepEqual(judge([window(5, 9), window(5, 9)], 6000, true), [])
  assert.deepEqual(
    judge([window(5, 9), window(5, 9)], 6001, true).map(({ rule }) => rule),
    ['timely'],
  )
  assert.deepEqual(judge([window(5, 9), window(5, 9)], 60_000), [])
})

test('an address whose query changes is the same when it is told what names it', () => {
  const rules = new PlaylistRules({ identityOf: (uri) => uri.replace(/\?.*/, '') })
  assert.deepEqual(rules.push(window(5, 9, { 9: { uri: '9.ts?a' } }), 0), [])
  assert.deepEqual(rules.push(window(5, 9, { 9: { uri: '9.ts?b' } }), 1000), [])
})

const TEXTS: readonly (readonly [string, string, string])[] = [
  ['a text that is no playlist', 'hello', 'syntax'],
  ['a missing target duration', '#EXTM3U\n#EXTINF:1,\na.ts\n', 'target-duration'],
  ['a fractional target duration', '#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4.5\n', 'target-duration'],
  ['a tag that stands twice', '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-TARGETDURATION:4\n', 'once'],
  ['a sequence after a segment', '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:1,\na\n#EXT-X-MEDIA-SEQUENCE:0\n', 'order'],
  ['EXTINF without its comma', '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:1\na\n', 'extinf'],
  ['a byte order mark', '\uFEFF#EXTM3U\n#EXT-X-TARGETDURATION:4\n', 'encoding'],
  ['a control character', '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:1,a\u0007\na\n', 'encoding'],
  [
    'date ranges without a date',
    '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-DATERANGE:ID="a",START-DATE="2026-01-01T00:00:00Z"\n',
    'date-range',
  ],
  [
    'a delta update of nothing',
    '#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:4\n#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n',
    'delta-update',
  ],
]
for (const [title, text, rule] of TEXTS) {
  test(`notices ${title}`, () => {
    assert.deepEqual(
      new PlaylistRules().pushText(text, 0).map((each) => each.rule),
      [rule],
    )
  })
}

function dateRangeRule(attributes: string): readonly string[] {
  const text = `#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n#EXT-X-DATERANGE:${attributes}\n#EXTINF:4,\na.ts\n`
  return new PlaylistRules().pushText(text, 0).map(({ message }) => message)
}

test('notices date ranges that contradict themselves', () => {
  const start = 'START-DATE="2026-01-01T00:00:10Z"'
  assert.deepEqual(dateRangeRule(`ID="a",${start},END-DATE="2026-01-01T00:00:12Z",DURATION=2`), [])
  assert.deepEqual(dateRangeRule(`ID="a",${start},END-DATE="2026-01-01T00:00:09Z"`), ['END-DATE is before START-DATE'])
  assert.deepEqual(dateRangeRule(`ID="a",${start},DURATION=-1`), ['DURATION is negative'])
  assert.deepEqual(dateRangeRule(`ID="a",${start},END-DATE="2026-01-01T00:00:12Z",DURATION=3`), [
    'DURATION does not lead to END-DATE',
  ])
  assert.deepEqual(dateRangeRule(`ID="a",${start},END-ON-NEXT=YES`), ['END-ON-NEXT without CLASS'])
  assert.deepEqual(dateRangeRule('ID="a"'), ['it has no START-DATE'])
  assert.deepEqual(dateRangeRule(`ID="a",${start}\n#EXT-X-DATERANGE:ID="a",${start},DURATION=1`), [])
  assert.deepEqual(dateRangeRule(`ID="a",${start},X-A="1"\n#EXT-X-DATERANGE:ID="a",X-A="2"`), ['X-A has two values'])
})

test('delta updates are judged with what they leave out', () => {
  const rules = new PlaylistRules()
  const header = { serverControl: { ...control, partHoldBackS: undefined } }
  assert.deepEqual(rules.pushText(writePlaylist(window(1, 12, {}, header)), 0), [])
  const delta = { ...window(8, 13, {}, header), mediaSequence: 2, skip: { segments: 6, recentlyRemovedDateRanges: [] } }
  assert.deepEqual(rules.pushText(writePlaylist(delta), 4000), [])
  const wrong = { ...window(8, 14, {}, header), mediaSequence: 3, skip: { segments: 4, recentlyRemovedDateRanges: [] } }
  const found = rules.pushText(writePlaylist(wrong), 8000)
  assert.ok(
    found.some(({ rule, where }) => rule === 'same-segment' && where === 'segment 7'),
    describeViolations(found),
  )
})

test('variants must have their discontinuities at the same places', () => {
  const mark = { 7: { isDiscontinuity: true } }
  const named = (name: string, playlist: MediaPlaylist) => ({ name, playlist })
  const a = named('a', window(5, 9, mark))
  const rulesOf = (other: MediaPlaylist) => checkRenditions([a, named('b', other)]).map(({ rule }) => rule)
  assert.deepEqual(rulesOf(window(5, 9, mark)), [])
  assert.deepEqual(rulesOf(window(6, 10, mark)), [])
  assert.deepEqual(rulesOf(window(8, 12, {}, { discontinuitySequence: 1 })), [])
  assert.deepEqual(rulesOf(window(5, 9)), ['rendition-discontinuity'])
  assert.deepEqual(rulesOf(window(5, 9, { 8: { isDiscontinuity: true } })), ['rendition-discontinuity'])
  assert.deepEqual(rulesOf(window(5, 9, mark, { targetDurationS: 5 })), ['rendition-target-duration'])
  const undated = (playlist: MediaPlaylist) => ({
    ...playlist,
    segments: playlist.segments.map((each) => ({ ...each, programDateTime: undefined })),
  })
  assert.deepEqual(rulesOf(undated(window(5, 9, mark))), [])
  assert.deepEqual(rulesOf(undated(window(5, 9, { 8: { isDiscontinuity: true } }))), ['rendition-discontinuity'])
})

test('notices what is wrong with a master playlist', () => {
  const rulesOf = (text: string) => {
    const master = parsePlaylist(text)
    assert.ok(master.kind === 'master')
    return checkMasterPlaylist(master).map(({ message }) => message)
  }
  const good = MASTER['renditions'] ?? ''
  assert.deepEqual(rulesOf(good), [])
  assert.deepEqual(rulesOf(good.replace('BANDWIDTH=1280000,', '')), ['it has no BANDWIDTH'])
  assert.deepEqual(rulesOf(good.replace('AUDIO="aac"', 'AUDIO="none"')), ['there is no AUDIO group none'])
  assert.deepEqual(rulesOf(good.replace('NAME="Deutsch"', 'NAME="English"')), ['its NAME stands twice in its group'])
  assert.deepEqual(rulesOf(good.replace('"Deutsch",DEFAULT=NO', '"Deutsch",DEFAULT=YES')), [
    'a second default in its group',
  ])
  assert.deepEqual(rulesOf(good.replace(',URI="up/subs.m3u8"', '')), ['subtitles without URI'])
  assert.deepEqual(rulesOf(good.replace(',INSTREAM-ID="CC1"', '')), ['closed captions without INSTREAM-ID'])
  assert.deepEqual(rulesOf((MASTER['session'] ?? '').replace(',VALUE="This is an example"', '')), [
    'not one of VALUE and URI',
  ])
})

test('every playlist of the corpus breaks no rule as it was sent', () => {
  for (const text of Object.values(MEDIA)) {
    const found = new PlaylistRules().pushText(text, 0, 'http://up.example/?token=1')
    assert.equal(describeViolations(found), '')
  }
})
