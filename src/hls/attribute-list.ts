/** Attribute lists, RFC 8216 §4.2. */
export interface Attribute {
  readonly name: string
  /** Without its quotes. */
  readonly value: string
  readonly isQuoted: boolean
}

/** In the order in which they stood; a name stands once. */
export type AttributeList = readonly Attribute[]

/** Attributes that are quoted-strings in every tag: they are written with quotes also where a server forgot them. */
const QUOTED = new Set([
  'ALLOWED-CPC',
  'ASSOC-LANGUAGE',
  'AUDIO',
  'BYTERANGE',
  'CHANNELS',
  'CHARACTERISTICS',
  'CLASS',
  'CODECS',
  'DATA-ID',
  'END-DATE',
  'GROUP-ID',
  'ID',
  'IMPORT',
  'INSTREAM-ID',
  'KEYFORMAT',
  'KEYFORMATVERSIONS',
  'LANGUAGE',
  'NAME',
  'PATHWAY-ID',
  'RECENTLY-REMOVED-DATERANGES',
  'QUERYPARAM',
  'SERVER-URI',
  'STABLE-RENDITION-ID',
  'STABLE-VARIANT-ID',
  'START-DATE',
  'SUBTITLES',
  'SUPPLEMENTAL-CODECS',
  'URI',
  'VIDEO',
  'X-ASSET-LIST',
  'X-ASSET-URI',
])

/**
 * Reads an attribute list. Lenient with spaces, missing quotes and lower-case names; of a name that stands twice the
 * last counts, as in the players. What has no `=` continues an unquoted value before it (`CODECS=avc1.4d401f,mp4a.40.2`).
 */
export function parseAttributeList(text: string): AttributeList {
  const found = new Map<string, Attribute>()
  let last: Attribute | undefined
  let equals = -1
  for (let at = 0; at < text.length;) {
    const comma = endOfPiece(text, at, ',')
    if (equals < at) equals = endOfPiece(text, at, '=')
    if (equals >= comma) {
      last = continueValue(found, last, text.slice(at, comma))
      at = comma + 1
      continue
    }
    const name = text.slice(at, equals).trim().toUpperCase()
    const valueAt = skipSpaces(text, equals + 1)
    const isQuoted = text[valueAt] === '"'
    const closing = isQuoted ? text.indexOf('"', valueAt + 1) : -1
    const quotedEnd = closing === -1 ? text.length : closing
    const end = isQuoted ? endOfPiece(text, quotedEnd + 1, ',') : endOfPiece(text, valueAt, ',')
    const value = isQuoted ? text.slice(valueAt + 1, quotedEnd) : text.slice(valueAt, end).trim()
    last = name === '' ? undefined : attribute(name, value, isQuoted)
    if (last !== undefined) {
      found.delete(name)
      found.set(name, last)
    }
    at = end + 1
  }
  return [...found.values()]
}

/** `A=1,B="x"`, as it is written after a tag's colon. */
export function writeAttributeList(attributes: AttributeList): string {
  return attributes.map(({ name, value, isQuoted }) => `${name}=${isQuoted ? quote(value) : bare(value)}`).join(',')
}

/** An attribute whose value is a quoted-string. */
export function quoted(name: string, value: string): Attribute {
  return { name, value, isQuoted: true }
}

/** An attribute whose value is a number, an enumerated string, a resolution or hexadecimal. */
export function unquoted(name: string, value: string | number): Attribute {
  return { name, value: String(value), isQuoted: false }
}

/** The value of an attribute without quotes; undefined when it does not stand there. */
export function attributeText(attributes: AttributeList, name: string): string | undefined {
  return attributes.find((each) => each.name === name)?.value
}

/** A decimal-integer or decimal-floating-point value; undefined when it is missing or not a finite number. */
export function attributeNumber(attributes: AttributeList, name: string): number | undefined {
  return decimal(attributeText(attributes, name))
}

/** Whether an enumerated value is YES. */
export function isYes(attributes: AttributeList, name: string): boolean {
  return attributeText(attributes, name)?.toUpperCase() === 'YES'
}

/** The list without some names. */
export function withoutAttributes(attributes: AttributeList, names: readonly string[]): AttributeList {
  return attributes.filter(({ name }) => !names.includes(name))
}

/** The list with a quoted-string changed, or added at its end. */
export function withQuoted(attributes: AttributeList, name: string, value: string): AttributeList {
  if (attributeText(attributes, name) === undefined) return [...attributes, quoted(name, value)]
  return attributes.map((each) => (each.name === name ? quoted(name, value) : each))
}

/** A number in decimal notation, which is all that playlists have: no exponent, no hexadecimal. */
export function decimal(text: string | undefined): number | undefined {
  if (text === undefined || !/^\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)\s*$/.test(text)) return undefined
  const value = Number(text)
  return Number.isFinite(value) ? value : undefined
}

function attribute(name: string, value: string, isQuoted: boolean): Attribute {
  const isForgotten = !isQuoted && QUOTED.has(name) && value !== 'NONE'
  return { name, value: isForgotten ? value.replaceAll('"', '') : value, isQuoted: isQuoted || isForgotten }
}

function continueValue(
  found: Map<string, Attribute>,
  last: Attribute | undefined,
  piece: string,
): Attribute | undefined {
  if (last === undefined || piece.trim() === '' || !QUOTED.has(last.name)) return last
  const longer = { ...last, value: `${last.value},${piece.trim().replaceAll('"', '')}` }
  found.set(longer.name, longer)
  return longer
}

function endOfPiece(text: string, from: number, separator: string): number {
  const at = text.indexOf(separator, from)
  return at === -1 ? text.length : at
}

function skipSpaces(text: string, from: number): number {
  let at = from
  while (text[at] === ' ' || text[at] === '\t') at++
  return at
}

/** A quoted-string may hold neither quotes nor ends of lines (§4.2). */
function quote(value: string): string {
  return `"${value.replaceAll('"', '%22').replaceAll(/[\r\n]/g, '')}"`
}

function bare(value: string): string {
  return value.replaceAll(/[\r\n]/g, '')
}
