import { attributeNumber, attributeText, decimal, isYes, withoutAttributes } from './attribute-list.ts'
import type { AttributeList } from './attribute-list.ts'
import type { TagLine } from './playlist-text.ts'
import { PlaylistError } from './playlist.ts'
import type { ByteRange, Key, Part, PreloadHint, RenditionReport, ServerControl, Start } from './playlist.ts'

/** Values of single tags. What a tag cannot do without is an error, anything else is left out when it cannot be read. */

/** KEYFORMAT when the text names none (§4.3.2.4). */
export const IDENTITY = 'identity'

/** A byte range as the text has it: without an offset it goes on where the one before it ended. */
export interface ByteRangeText {
  readonly length: number
  readonly offset: number | undefined
}

/** No segment lasts longer than a day. */
export const DURATION_S_MAX = 86_400
/** Half of what can be counted: whatever goes on from there has as many numbers left. */
export const WHOLE_NUMBER_MAX = 2 ** 52

/** A decimal-integer that may not be wrong. @throws PlaylistError when it is not one or is above WHOLE_NUMBER_MAX. */
export function wholeNumber({ name, value, number }: TagLine): number {
  const found = /^\d{1,16}$/.test(value) ? Number(value) : NaN
  if (!(found <= WHOLE_NUMBER_MAX)) throw new PlaylistError(number, `${name} is not a number from 0 to 2^52`)
  return found
}

/** `<length>[@<offset>]` (§4.3.2.2). @throws PlaylistError */
export function byteRangeText(text: string, number: number): ByteRangeText {
  const match = /^\s*(\d{1,16})\s*(?:@\s*(\d{1,16}))?\s*$/.exec(text)
  const length = Number(match?.[1] ?? NaN)
  const offset = match?.[2] === undefined ? undefined : Number(match[2])
  if (!Number.isSafeInteger(length + (offset ?? 0))) {
    throw new PlaylistError(number, 'a byte range that is not <length>[@<offset>]')
  }
  return { length, offset }
}

/** EXT-X-KEY and EXT-X-SESSION-KEY; undefined for METHOD=NONE. @throws PlaylistError without METHOD. */
export function keyOf(attributes: AttributeList, number: number): Key | undefined {
  const method = attributeText(attributes, 'METHOD')
  if (method === undefined || !/^[\w-]+$/.test(method)) {
    throw new PlaylistError(number, 'a key without METHOD, or with one that is not a name')
  }
  if (method === 'NONE') return undefined
  const iv = attributeText(attributes, 'IV')
  if (iv !== undefined && !/^0[xX][0-9a-fA-F]{1,32}$/.test(iv)) {
    throw new PlaylistError(number, 'an IV that is not a hexadecimal number of 128 bits')
  }
  return {
    method,
    uri: attributeText(attributes, 'URI'),
    iv,
    keyFormat: attributeText(attributes, 'KEYFORMAT') ?? IDENTITY,
    keyFormatVersions: attributeText(attributes, 'KEYFORMATVERSIONS'),
    otherAttributes: withoutAttributes(attributes, ['METHOD', 'URI', 'IV', 'KEYFORMAT', 'KEYFORMATVERSIONS']),
  }
}

/** EXT-X-PART; its byte range is resolved by the caller. @throws PlaylistError without URI or DURATION. */
export function partOf(attributes: AttributeList, number: number): Omit<Part, 'byteRange'> {
  const uri = attributeText(attributes, 'URI')
  const durationText = attributeText(attributes, 'DURATION')
  const durationS = decimal(durationText)
  if (uri === undefined || durationText === undefined || durationS === undefined || durationS < 0) {
    throw new PlaylistError(number, 'a part without URI or DURATION')
  }
  return {
    uri,
    durationS,
    durationText,
    isIndependent: isYes(attributes, 'INDEPENDENT'),
    isGap: isYes(attributes, 'GAP'),
    otherAttributes: withoutAttributes(attributes, ['URI', 'DURATION', 'INDEPENDENT', 'BYTERANGE', 'GAP']),
  }
}

const SERVER_CONTROL = ['CAN-BLOCK-RELOAD', 'CAN-SKIP-UNTIL', 'CAN-SKIP-DATERANGES', 'HOLD-BACK', 'PART-HOLD-BACK']

/** EXT-X-SERVER-CONTROL. */
export function serverControlOf(attributes: AttributeList): ServerControl {
  return {
    canBlockReload: isYes(attributes, 'CAN-BLOCK-RELOAD'),
    canSkipUntilS: attributeNumber(attributes, 'CAN-SKIP-UNTIL'),
    canSkipDateRanges: isYes(attributes, 'CAN-SKIP-DATERANGES'),
    holdBackS: attributeNumber(attributes, 'HOLD-BACK'),
    partHoldBackS: attributeNumber(attributes, 'PART-HOLD-BACK'),
    otherAttributes: withoutAttributes(attributes, SERVER_CONTROL),
  }
}

/** EXT-X-START; undefined when it has no TIME-OFFSET. */
export function startOf(attributes: AttributeList): Start | undefined {
  const timeOffsetS = attributeNumber(attributes, 'TIME-OFFSET')
  return timeOffsetS === undefined ? undefined : { timeOffsetS, isPrecise: isYes(attributes, 'PRECISE') }
}

/** EXT-X-PRELOAD-HINT; undefined when it hints at nothing that could be loaded. */
export function preloadHintOf(attributes: AttributeList): PreloadHint | undefined {
  const type = attributeText(attributes, 'TYPE')
  const uri = attributeText(attributes, 'URI')
  if ((type !== 'PART' && type !== 'MAP') || uri === undefined) return undefined
  return {
    type,
    uri,
    byteRangeStart: wholeAttribute(attributes, 'BYTERANGE-START') ?? 0,
    byteRangeLength: wholeAttribute(attributes, 'BYTERANGE-LENGTH'),
    otherAttributes: withoutAttributes(attributes, ['TYPE', 'URI', 'BYTERANGE-START', 'BYTERANGE-LENGTH']),
  }
}

/** EXT-X-RENDITION-REPORT; undefined without URI. */
export function renditionReportOf(attributes: AttributeList): RenditionReport | undefined {
  const uri = attributeText(attributes, 'URI')
  if (uri === undefined) return undefined
  return {
    uri,
    lastMediaSequence: wholeAttribute(attributes, 'LAST-MSN'),
    lastPart: wholeAttribute(attributes, 'LAST-PART'),
    otherAttributes: withoutAttributes(attributes, ['URI', 'LAST-MSN', 'LAST-PART']),
  }
}

/** A byte range with its offset told; `before` is where the sub-range before it ended, if it was of the same resource. */
export function resolveByteRange(range: ByteRangeText, before: number | undefined, number: number): ByteRange {
  const offset = range.offset ?? before
  if (offset === undefined) throw new PlaylistError(number, 'a byte range without an offset and with none before it')
  return { length: range.length, offset }
}

/** EXTINF's duration and title: `9.009,title`. @throws PlaylistError when there is no duration of 0 or more. */
export function durationOf({ value, number }: TagLine): {
  readonly durationS: number
  readonly durationText: string
  readonly title: string
} {
  const comma = value.indexOf(',')
  const durationText = (comma === -1 ? value : value.slice(0, comma)).trim()
  const durationS = decimal(durationText)
  if (durationS === undefined || durationS < 0) throw new PlaylistError(number, 'EXTINF without a duration')
  if (durationS > DURATION_S_MAX) throw new PlaylistError(number, 'EXTINF with a duration of more than a day')
  return { durationS, durationText, title: comma === -1 ? '' : value.slice(comma + 1).trim() }
}

function wholeAttribute(attributes: AttributeList, name: string): number | undefined {
  const value = attributeNumber(attributes, name)
  return value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}
