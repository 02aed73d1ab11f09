import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import HLS from 'hls-parser'
import { attributeNumber, attributeText } from './attribute-list.ts'
import { CORPUS_URL, MASTER, MEDIA } from './corpus.fixture.ts'
import { checkMasterPlaylist } from './master-rules.ts'
import { parsePlaylist } from './parse-playlist.ts'
import type { MasterPlaylist, MediaPlaylist } from './playlist.ts'
import { checkMediaPlaylist } from './snapshot-rules.ts'
import { programDateTimesMs } from './timeline.ts'
import { describeViolations } from './violation.ts'
import { writePlaylist } from './write-playlist.ts'

/** Both packages read the same texts; what they and this parser make of them must agree. */

interface VhsManifest {
  readonly targetDuration?: number
  readonly mediaSequence?: number
  readonly discontinuitySequence?: number
  readonly endList?: boolean
  readonly playlists?: readonly { readonly uri: string; readonly attributes: Readonly<Record<string, unknown>> }[]
  readonly segments: readonly {
    readonly uri?: string
    readonly duration?: number
    readonly byterange?: { readonly length: number; readonly offset: number }
    readonly discontinuity?: boolean
    readonly key?: { readonly method: string; readonly uri: string }
    readonly map?: { readonly uri: string }
    readonly programDateTime?: number
    readonly parts?: readonly { readonly uri: string; readonly duration: number }[]
  }[]
}
interface VhsParser {
  push(text: string): void
  end(): void
  readonly manifest: VhsManifest
}
const { Parser } = createRequire(import.meta.url)('m3u8-parser') as {
  readonly Parser: new (options: { readonly uri: string }) => VhsParser
}

/** What hls-parser reads otherwise, with the reason; it is compared on what was written. */
const NOT_FOR_HLS_PARSER = new Set([
  // It leaves references to variables as they are.
  'defines',
])

function media(text: string): MediaPlaylist {
  const playlist = parsePlaylist(text, { url: CORPUS_URL })
  assert.ok(playlist.kind === 'media')
  return playlist
}

function master(text: string): MasterPlaylist {
  const playlist = parsePlaylist(text)
  assert.ok(playlist.kind === 'master')
  return playlist
}

function readByVhs(text: string): VhsManifest {
  const parser = new Parser({ uri: CORPUS_URL })
  parser.push(text)
  parser.end()
  return parser.manifest
}

function compareWithHlsParser(playlist: MediaPlaylist, text: string): void {
  const other = HLS.parse(text)
  assert.ok(!other.isMasterPlaylist)
  assert.equal(other.targetDuration, playlist.targetDurationS)
  assert.equal(other.mediaSequenceBase, playlist.mediaSequence)
  assert.equal(other.discontinuitySequenceBase, playlist.discontinuitySequence)
  assert.equal(other.endlist, playlist.hasEndList)
  assert.equal(other.playlistType, playlist.playlistType)
  assert.equal(other.partTargetDuration, playlist.partTargetS)
  const whole = other.segments.filter(({ uri }) => uri !== undefined && uri !== '')
  assert.equal(whole.length, playlist.segments.length)
  for (const [index, segment] of playlist.segments.entries()) {
    const theirs = whole[index]
    assert.equal(theirs?.uri, segment.uri)
    assert.equal(theirs.duration, segment.durationS)
    assert.equal(theirs.discontinuity ?? false, segment.isDiscontinuity)
    assert.equal(theirs.map?.uri, segment.map?.uri)
    assert.equal(theirs.gap ?? false, segment.isGap)
    assert.equal(theirs.parts.length, segment.parts.length)
    assert.equal(theirs.programDateTime?.getTime(), segment.programDateTime?.ms)
    if (segment.byteRange !== undefined) assert.equal(theirs.byterange.length, segment.byteRange.length)
  }
}

function compareWithVhs(playlist: MediaPlaylist, text: string): void {
  const other = readByVhs(text)
  assert.equal(other.targetDuration, playlist.targetDurationS)
  assert.equal(other.mediaSequence ?? 0, playlist.mediaSequence)
  assert.equal(other.discontinuitySequence, playlist.discontinuitySequence)
  assert.equal(other.endList ?? false, playlist.hasEndList)
  const whole = other.segments.filter(({ uri }) => uri !== undefined)
  assert.equal(whole.length, playlist.segments.length)
  const dates = programDateTimesMs(playlist)
  for (const [index, segment] of playlist.segments.entries()) {
    const theirs = whole[index]
    assert.equal(theirs?.uri, segment.uri)
    assert.equal(theirs.duration, segment.durationS)
    assert.deepEqual(theirs.byterange, segment.byteRange)
    assert.equal(theirs.discontinuity ?? false, segment.isDiscontinuity)
    assert.equal(theirs.map?.uri, segment.map?.uri)
    assert.deepEqual(
      theirs.parts?.map(({ uri }) => uri) ?? [],
      segment.parts.map(({ uri }) => uri),
    )
    if (theirs.key !== undefined) assert.equal(theirs.key.uri, segment.keys[0]?.uri)
    if (theirs.programDateTime !== undefined) assert.ok(Math.abs(theirs.programDateTime - (dates[index] ?? NaN)) < 1)
  }
}

for (const [name, text] of Object.entries(MEDIA)) {
  test(`media playlist ${name}: nothing is lost when it is written, and other parsers read the same in both`, () => {
    const playlist = media(text)
    const written = writePlaylist(playlist)
    const { defines: _, ...rest } = playlist
    const { defines: __, ...again } = media(written)
    assert.deepEqual(again, rest)
    assert.equal(writePlaylist(media(written)), written)
    for (const each of NOT_FOR_HLS_PARSER.has(name) ? [written] : [text, written]) compareWithHlsParser(playlist, each)
    for (const each of [text, written]) compareWithVhs(playlist, each)
  })

  test(`media playlist ${name} keeps the rules`, () => {
    const found = checkMediaPlaylist(media(text))
    assert.ok(found.length === 0, describeViolations(found))
  })
}

for (const [name, text] of Object.entries(MASTER)) {
  test(`master playlist ${name}: nothing is lost when it is written, and other parsers read the same in both`, () => {
    const playlist = master(text)
    const written = writePlaylist(playlist)
    assert.deepEqual(master(written), playlist)
    for (const each of [text, written]) {
      const { playlists = [] } = readByVhs(each)
      assert.deepEqual(
        playlists.map(({ uri, attributes }) => [uri, attributes['BANDWIDTH'], attributes['CODECS']]),
        playlist.variants.map(({ uri, attributes }) => [
          uri,
          attributeNumber(attributes, 'BANDWIDTH'),
          attributeText(attributes, 'CODECS'),
        ]),
      )
      const other = HLS.parse(each)
      assert.ok(other.isMasterPlaylist)
      assert.deepEqual(
        other.variants.filter(({ isIFrameOnly }) => isIFrameOnly !== true).map(({ uri }) => uri),
        playlist.variants.map(({ uri }) => uri),
      )
      assert.equal(other.sessionDataList.length, playlist.sessionData.length)
      assert.equal(other.sessionKeyList.length, playlist.sessionKeys.length)
    }
  })

  test(`master playlist ${name} keeps the rules`, () => {
    const found = checkMasterPlaylist(master(text))
    assert.ok(found.length === 0, describeViolations(found))
  })
}
