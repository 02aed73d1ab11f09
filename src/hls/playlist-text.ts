import { PlaylistError } from './playlist.ts'

/** Characters of a playlist: a day of four-second segments, each dated and with a long address, is 2.4 Mi. */
export const PLAYLIST_CHARS_MAX = 4 * 1024 * 1024

/** A line of a playlist that means something (§4.1): a tag or a URI. Comments and empty lines are left out. */
export type Line =
  | {
      readonly kind: 'tag'
      readonly number: number
      /** Without the `#`: EXT-X-KEY. */
      readonly name: string
      /** What stands after the colon; empty when there is none. */
      readonly value: string
      /** The whole line. */
      readonly text: string
    }
  | { readonly kind: 'uri'; readonly number: number; readonly uri: string }

export type TagLine = Extract<Line, { kind: 'tag' }>

/** What no playlist may hold (§4.1) but the tab; and what some players take for the end of a line. */
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const FORBIDDEN = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u2028\u2029]/g

/**
 * The lines of a playlist, whichever way they end, without a byte order mark, control characters and
 * spaces around them.
 * @throws PlaylistError when it is longer than PLAYLIST_CHARS_MAX or does not begin with #EXTM3U.
 */
export function* readLines(text: string): Generator<Line, void, undefined> {
  if (text.length > PLAYLIST_CHARS_MAX) {
    throw new PlaylistError(1, `the playlist has ${text.length} characters, more than ${PLAYLIST_CHARS_MAX}`)
  }
  let number = 0
  let hasBegun = false
  for (let at = text.startsWith('\uFEFF') ? 1 : 0; at < text.length;) {
    const end = lineEnd(text, at)
    number++
    const line = text.slice(at, end).replaceAll(FORBIDDEN, '').trim()
    at = text[end] === '\r' && text[end + 1] === '\n' ? end + 2 : end + 1
    if (line === '') continue
    if (!hasBegun) {
      if (!/^#EXTM3U(?![A-Z0-9-])/.test(line)) {
        throw new PlaylistError(number, 'a playlist begins with #EXTM3U')
      }
      hasBegun = true
    } else if (line.startsWith('#EXT')) {
      yield tagLine(line, number)
    } else if (!line.startsWith('#')) {
      yield { kind: 'uri', number, uri: line }
    }
  }
  if (!hasBegun) throw new PlaylistError(1, 'the playlist is empty')
}

function tagLine(text: string, number: number): TagLine {
  const colon = text.indexOf(':')
  const end = colon === -1 ? text.length : colon
  const value = colon === -1 ? '' : text.slice(colon + 1).trim()
  return { kind: 'tag', number, name: text.slice(1, end).trim(), value, text }
}

function lineEnd(text: string, from: number): number {
  const ends = /[\r\n]/g
  ends.lastIndex = from
  return ends.exec(text)?.index ?? text.length
}
