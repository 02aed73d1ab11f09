import { attributeText, parseAttributeList } from './attribute-list.ts'
import type { AttributeList } from './attribute-list.ts'
import { PLAYLIST_CHARS_MAX } from './playlist-text.ts'
import type { Line, TagLine } from './playlist-text.ts'
import { PlaylistError } from './playlist.ts'
import type { Define } from './playlist.ts'

/** Where the variables come from that a playlist does not define itself. */
export interface VariableSources {
  /** Of the master playlist, for EXT-X-DEFINE:IMPORT. */
  readonly imported: readonly Define[]
  /** The playlist's address, for EXT-X-DEFINE:QUERYPARAM. */
  readonly url: string | undefined
}

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const UNSAFE = /["\u0000-\u001F\u007F-\u009F\u2028\u2029]/g

/** Variables of EXT-X-DEFINE and the replacement of `{$name}` (bis §4.3). */
export class Variables {
  readonly #sources: VariableSources
  readonly #defines = new Map<string, Define>()
  /** What replacements have made of the text, which could grow without end when variables stand in variables. */
  #chars = 0

  constructor(sources: VariableSources) {
    this.#sources = sources
  }

  get defines(): readonly Define[] {
    return [...this.#defines.values()]
  }

  /** Takes an EXT-X-DEFINE. @throws PlaylistError when there is no such variable or parameter, as bis §4.4.2.3 has it. */
  define({ value, number }: TagLine): void {
    const read = this.#read(this.attributes(value, number), number)
    // A query parameter may hold anything: what could end a quoted-string or a line is not part of an address.
    const define = { ...read, value: read.value.replaceAll(UNSAFE, '').trim() }
    if (this.#defines.has(define.name)) throw new PlaylistError(number, `variable ${define.name} is defined twice`)
    this.#defines.set(define.name, define)
  }

  #read(attributes: AttributeList, number: number): Define {
    const name = attributeText(attributes, 'NAME')
    if (name !== undefined) return { kind: 'name', name, value: attributeText(attributes, 'VALUE') ?? '' }
    const imported = attributeText(attributes, 'IMPORT')
    if (imported !== undefined) {
      const found = this.#sources.imported.find((each) => each.name === imported)
      if (found === undefined) throw new PlaylistError(number, `the master playlist does not define ${imported}`)
      return { kind: 'import', name: imported, value: found.value }
    }
    const parameter = attributeText(attributes, 'QUERYPARAM')
    if (parameter === undefined) throw new PlaylistError(number, 'EXT-X-DEFINE without NAME, IMPORT or QUERYPARAM')
    const value = queryParameter(this.#sources.url, parameter)
    if (value === undefined) throw new PlaylistError(number, `the address has no query parameter ${parameter}`)
    return { kind: 'queryparam', name: parameter, value }
  }

  /** An attribute list with its variables replaced; bis §4.3 allows them in quoted-strings and hexadecimal. */
  attributes(text: string, number: number): AttributeList {
    const attributes = parseAttributeList(text)
    if (!text.includes('{$')) return attributes
    return attributes.map((each) => {
      if (!each.value.includes('{$')) return each
      const value = this.replace(each.value, number)
      if (!each.isQuoted && value.includes(',')) throw new PlaylistError(number, `${each.name} becomes two attributes`)
      return { ...each, value }
    })
  }

  /** The address of a line, which is still one when its variables are replaced. @throws PlaylistError */
  uri({ uri, number }: Extract<Line, { kind: 'uri' }>): string {
    const replaced = this.replace(uri, number).trim()
    if (replaced === '' || replaced.startsWith('#')) throw new PlaylistError(number, 'a URI that variables made none')
    return replaced
  }

  /** A text with its variables replaced. @throws PlaylistError for one that is not defined. */
  replace(text: string, number: number): string {
    if (!text.includes('{$')) return text
    const replaced = text.replaceAll(/\{\$([A-Za-z0-9_-]+)\}/g, (_, name: string) => {
      const define = this.#defines.get(name)
      if (define === undefined) throw new PlaylistError(number, `variable ${name} is not defined`)
      this.#chars += define.value.length
      if (this.#chars > PLAYLIST_CHARS_MAX) throw new PlaylistError(number, 'the variables make the playlist too long')
      return define.value
    })
    if (replaced.includes('{$')) throw new PlaylistError(number, 'a variable becomes a part of another one')
    return replaced
  }
}

function queryParameter(url: string | undefined, name: string): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined
  return new URL(url).searchParams.get(name) ?? undefined
}
