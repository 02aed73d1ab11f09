import fc from 'fast-check'
import { quoted, unquoted } from './attribute-list.ts'
import type { AttributeList } from './attribute-list.ts'
import { newMasterPlaylist, newMediaPlaylist, newPart, newProgramDateTime, newSegment } from './new-playlist.ts'
import type { Key, MasterPlaylist, MediaMap, MediaPlaylist, MediaSegment, SegmentHead } from './playlist.ts'
import { WHOLE_NUMBER_MAX } from './tag-values.ts'

/** Any playlist that a text can say, for property tests. Every address in it holds `LEAK`. */
export const LEAK = 'leak.example'

const rest = fc.string({ maxLength: 12 }).map((text) => text.replaceAll(/[\s"{#]/gu, '').replaceAll(/\p{C}/gu, ''))
const uri = fc.oneof(
  rest.map((text) => `https://${LEAK}/${text}x`),
  rest.map((text) => `//${LEAK}/${text}x`),
  rest.map((text) => `${LEAK}/${text}x`),
  rest.map((text) => `skd://${LEAK}/${text}x`),
)
const seconds = fc.integer({ min: 1, max: 20_000 }).map((ms) => ms / 1000)
const byteRange = fc.option(fc.record({ length: fc.nat(), offset: fc.nat() }), { nil: undefined })
const optionalText = fc.option(rest, { nil: undefined })
const line = fc.constantFrom(
  '#EXT-X-CUE-OUT:30',
  '#EXT-X-CUE-IN',
  '#EXTVLCOPT:http-user-agent=x',
  '#EXT-X-VENDOR:A="b,c",D=1',
)
const otherTags = fc.array(line, { maxLength: 2 })
const extra: fc.Arbitrary<AttributeList> = fc.constantFrom(
  [],
  [quoted('X-EXTRA', 'a,b=c')],
  [unquoted('X-NUMBER', 12), quoted('X-EMPTY', '')],
)

const key: fc.Arbitrary<Key> = fc.record({
  method: fc.constantFrom('AES-128', 'SAMPLE-AES', 'SAMPLE-AES-CTR'),
  uri: fc.option(uri, { nil: undefined }),
  iv: fc.constantFrom(undefined, '0x9c7db8778570d05c3177c349fd9236aa'),
  keyFormat: fc.constantFrom('identity', 'com.apple.streamingkeydelivery', 'urn:uuid:edef8ba9'),
  keyFormatVersions: fc.constantFrom(undefined, '1/2'),
  otherAttributes: extra,
})
const keys = fc.uniqueArray(key, { maxLength: 3, selector: ({ keyFormat }) => keyFormat })
const map: fc.Arbitrary<MediaMap> = fc.record({ uri, byteRange, keys, otherAttributes: extra })

const part = fc
  .record({
    uri,
    durationS: seconds,
    isIndependent: fc.boolean(),
    byteRange,
    isGap: fc.boolean(),
    otherAttributes: extra,
  })
  .map((fields) => newPart(fields))

/** A segment, and the map and bitrate that begin with it, if any: a playlist cannot say that they end. */
const segment = fc
  .record({
    uri,
    durationS: seconds,
    title: rest,
    byteRange,
    isGap: fc.boolean(),
    isDiscontinuity: fc.boolean(),
    keys,
    map: fc.option(map, { nil: undefined }),
    bitrateKbps: fc.option(fc.nat(), { nil: undefined }),
    programDateTime: fc.option(
      fc.integer({ min: 0, max: 4_000_000_000_000 }).map((ms) => newProgramDateTime(ms)),
      { nil: undefined },
    ),
    parts: fc.array(part, { maxLength: 3 }),
    otherTags,
  })
  .map((fields) => newSegment(fields))

function inEffect(segments: readonly MediaSegment[]): readonly MediaSegment[] {
  let last: MediaSegment | undefined
  return segments.map((each) => {
    last = { ...each, map: each.map ?? last?.map, bitrateKbps: each.bitrateKbps ?? last?.bitrateKbps }
    return last
  })
}

/** What stands after the last segment says nothing when it has only what is in effect anyway. */
function trailingOf(each: MediaSegment, last: MediaSegment | undefined): SegmentHead | undefined {
  const { isDiscontinuity, programDateTime, parts } = each
  if (!isDiscontinuity && programDateTime === undefined && parts.length === 0 && each.otherTags.length === 0) {
    return undefined
  }
  return {
    isDiscontinuity,
    programDateTime,
    parts,
    otherTags: each.otherTags,
    keys: each.keys,
    map: each.map ?? last?.map,
    bitrateKbps: each.bitrateKbps ?? last?.bitrateKbps,
  }
}

const serverControl = fc.record({
  canBlockReload: fc.boolean(),
  canSkipUntilS: fc.option(seconds, { nil: undefined }),
  canSkipDateRanges: fc.boolean(),
  holdBackS: fc.option(seconds, { nil: undefined }),
  partHoldBackS: fc.option(seconds, { nil: undefined }),
  otherAttributes: extra,
})
const dateRange = fc
  .record({ id: rest, asset: uri, list: fc.option(uri, { nil: undefined }) })
  .map(({ id, asset, list }) => ({
    attributes: [
      quoted('ID', id),
      quoted('X-ASSET-URI', asset),
      ...(list === undefined ? [] : [quoted('X-ASSET-LIST', list)]),
    ],
  }))

export const mediaPlaylists: fc.Arbitrary<MediaPlaylist> = fc
  .record({
    version: fc.integer({ min: 1, max: 12 }),
    isIndependentSegments: fc.boolean(),
    start: fc.option(fc.record({ timeOffsetS: seconds.map((s) => -s), isPrecise: fc.boolean() }), { nil: undefined }),
    otherTags,
    targetDurationS: fc.integer({ min: 1, max: 100 }),
    mediaSequence: fc.integer({ min: 0, max: WHOLE_NUMBER_MAX }),
    discontinuitySequence: fc.nat(),
    playlistType: fc.constantFrom(undefined, 'EVENT' as const, 'VOD' as const),
    hasEndList: fc.boolean(),
    iFramesOnly: fc.boolean(),
    serverControl: fc.option(serverControl, { nil: undefined }),
    partTargetS: fc.option(seconds, { nil: undefined }),
    skip: fc.option(
      fc.record({
        segments: fc.nat({ max: 9 }),
        recentlyRemovedDateRanges: fc.array(
          rest.map((text) => `${text}i`),
          { maxLength: 3 },
        ),
      }),
      { nil: undefined },
    ),
    segments: fc.array(segment, { maxLength: 6 }).map(inEffect),
    preloadHints: fc.array(
      fc.record({
        type: fc.constantFrom('PART' as const, 'MAP' as const),
        uri,
        byteRangeStart: fc.nat(),
        byteRangeLength: fc.option(fc.nat(), { nil: undefined }),
        otherAttributes: extra,
      }),
      { maxLength: 2 },
    ),
    renditionReports: fc.array(
      fc.record({
        uri,
        lastMediaSequence: fc.option(fc.nat(), { nil: undefined }),
        lastPart: fc.option(fc.nat(), { nil: undefined }),
        otherAttributes: extra,
      }),
      { maxLength: 2 },
    ),
    dateRanges: fc.array(dateRange, { maxLength: 2 }),
    after: segment,
  })
  .map(({ after, ...fields }) => newMediaPlaylist({ ...fields, trailing: trailingOf(after, fields.segments.at(-1)) }))

const variantAttributes = fc
  .record({ bandwidth: fc.nat(), codecs: optionalText })
  .map(({ bandwidth, codecs }) => [
    unquoted('BANDWIDTH', bandwidth),
    ...(codecs === undefined ? [] : [quoted('CODECS', `${codecs},mp4a.40.2`)]),
  ])
const renditionAttributes = rest.map((name) => [
  unquoted('TYPE', 'AUDIO'),
  quoted('GROUP-ID', 'g'),
  quoted('NAME', name),
])

export const masterPlaylists: fc.Arbitrary<MasterPlaylist> = fc
  .record({
    version: fc.integer({ min: 1, max: 12 }),
    isIndependentSegments: fc.boolean(),
    otherTags,
    variants: fc.array(fc.record({ uri, attributes: variantAttributes }), { minLength: 1, maxLength: 4 }),
    trickPlayVariants: fc.array(
      fc.record({
        tag: fc.constantFrom('EXT-X-I-FRAME-STREAM-INF' as const, 'EXT-X-IMAGE-STREAM-INF' as const),
        uri,
        attributes: variantAttributes,
      }),
      { maxLength: 2 },
    ),
    renditions: fc.array(fc.record({ uri: fc.option(uri, { nil: undefined }), attributes: renditionAttributes }), {
      maxLength: 3,
    }),
    sessionKeys: fc.array(key, { maxLength: 2 }),
    sessionData: fc.array(
      fc.record({
        uri: fc.option(uri, { nil: undefined }),
        attributes: rest.map((id) => [quoted('DATA-ID', id)]),
      }),
      { maxLength: 2 },
    ),
    contentSteering: fc.option(fc.record({ serverUri: uri, attributes: fc.constant([quoted('PATHWAY-ID', 'A')]) }), {
      nil: undefined,
    }),
  })
  .map((fields) => newMasterPlaylist(fields))
