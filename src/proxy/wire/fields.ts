import type { RefusalReason } from './refusal.ts'

/** Header or trailer fields in the order of the message: name, value, name, value. Names as they were sent. */
export type Fields = readonly string[]

export const NO_FIELDS: Fields = []

const COLON = 0x3a
const SPACE = 0x20
const TAB = 0x09
const CR = 0x0d

/**
 * Of Transfer-Encoding. Parsers disagree on whether a tab behind "chunked" is a blank (RFC 9110) or a part of the coding
 * (llhttp), so it stays in the value, which makes that invalid.
 */
const CODING_NAME_LENGTH = 17

/** tchar of RFC 9110 section 5.6.2, by character code. */
const tokenCharacters = new Uint8Array(256)
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  tokenCharacters[character.charCodeAt(0)] = 1
}

/** Whether `text` from `from` to `to` is a token (RFC 9110 section 5.6.2). */
export function isToken(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) {
    if (tokenCharacters[text.charCodeAt(at)] !== 1) return false
  }
  return to > from
}

/**
 * Reads the field lines of `text` from `from` to its end into `into`, alternating names and values without the blanks
 * around them. Lines are separated by CR LF and `text` holds no other control characters: that has been checked before.
 * Gives the reason when a line is refused.
 */
export function readFieldLines(
  text: string,
  from: number,
  fieldsMax: number,
  into: string[],
): RefusalReason | undefined {
  for (let at = from, count = 0; at < text.length; count += 1) {
    if (count === fieldsMax) return 'too_many_fields'
    const first = text.charCodeAt(at)
    if (first === SPACE || first === TAB) return 'folded_field'
    let colon = at
    while (tokenCharacters[text.charCodeAt(colon)] === 1) colon += 1
    const stop = text.charCodeAt(colon)
    if (stop !== COLON || colon === at) return nameFault(text, colon)
    let end = text.indexOf('\r\n', colon)
    if (end < 0) end = text.length
    into.push(text.slice(at, colon), trimmed(text, colon + 1, end, colon - at === CODING_NAME_LENGTH))
    at = end + 2
  }
  return undefined
}

function nameFault(text: string, at: number): RefusalReason {
  let next = at
  while (text.charCodeAt(next) === SPACE || text.charCodeAt(next) === TAB) next += 1
  return next > at && text.charCodeAt(next) === COLON ? 'space_before_colon' : 'invalid_field_name'
}

function trimmed(text: string, from: number, to: number, keepsTabs: boolean): string {
  let begin = from
  let end = to
  while (begin < end && isBlank(text.charCodeAt(begin))) begin += 1
  for (; end > begin; end -= 1) {
    const last = text.charCodeAt(end - 1)
    if (last !== SPACE && (last !== TAB || keepsTabs)) break
  }
  return text.slice(begin, end)
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}

/** C0 controls without HTAB, CR and LF, and DEL; then CR and LF that do not stand together. */
// oxlint-disable-next-line no-control-regex -- finding control characters is what it is for
const faults = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/

/** Where `text` first has a character that no head may contain, or -1. */
export function findControl(text: string): number {
  return text.search(faults)
}

export function controlReason(text: string, at: number): RefusalReason {
  const code = text.charCodeAt(at)
  return code === CR || code === 0x0a ? 'bare_line_break' : 'control_character'
}

/** The first value of the field `lowerName` (lower case), or undefined. */
export function fieldValue(fields: Fields, lowerName: string): string | undefined {
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] ?? ''
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) return fields[index + 1]
  }
  return undefined
}

/** Every value of the field `lowerName` joined by ", " as RFC 9110 section 5.3 allows, or undefined without one. */
export function fieldList(fields: Fields, lowerName: string): string | undefined {
  let joined: string | undefined
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] ?? ''
    if (name.length !== lowerName.length || name.toLowerCase() !== lowerName) continue
    const value = fields[index + 1] ?? ''
    joined = joined === undefined ? value : `${joined}, ${value}`
  }
  return joined
}
