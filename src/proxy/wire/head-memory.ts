import type { ControlFields } from './control-fields.ts'
import type { Fields } from './fields.ts'
import type { RequestHead, ResponseHead } from './head.ts'

/** Longer ones are not remembered, characters. */
const REQUEST_FIELDS_MAX = 2_048
const RESPONSE_HEAD_MAX = 1_024
/** A power of two. */
const RESPONSES_MAX = 32

/** Text that was worked out of a head's fields, and what else it depends on: good while the same fields come again. */
export interface HeadNotes {
  upstream?: UpstreamNote
  client?: ClientNote
}

/** Lines of a request for the upstream. */
export interface UpstreamNote {
  readonly fields: Fields
  readonly isForwardedTrusted: boolean
  readonly without: unknown
  readonly pseudonym: string
  readonly host: string
  readonly hasChunks: boolean
  text: string
  isInOnePiece: boolean
  /** The client's own trace; undefined where each request begins one. */
  readonly trace: string | undefined
  readonly acceptsTrailers: boolean
}

/** The head of a response for the client. */
export interface ClientNote {
  readonly fields: Fields
  readonly pseudonym: string
  readonly without: unknown
  readonly added: string | undefined
  text: string
  isInOnePiece: boolean
}

/** The fields of one request, as they were read and judged. */
export interface KnownFields {
  /** From the CR LF behind the request line to the end of the last field. */
  readonly text: string
  readonly versionMinor: 0 | 1
  readonly fields: Fields
  readonly control: ControlFields
  readonly notes: HeadNotes
}

/**
 * A connection's last request: clients send the same fields with each, and only the first are parsed; who looks at a live
 * playlist or a status sends the same head.
 */
export class RequestMemory {
  #known: KnownFields | undefined
  #text = ''
  #head: RequestHead | undefined

  /** What was read of the very same text the last time. */
  same(text: string): RequestHead | undefined {
    return text === this.#text ? this.#head : undefined
  }

  /** What is known of the fields of `head`, which begin at `from`; undefined when they are not exactly the last ones. */
  find(head: string, from: number): KnownFields | undefined {
    const known = this.#known
    if (known === undefined || head.length - from !== known.text.length || !head.endsWith(known.text)) return undefined
    return known
  }

  keep(known: KnownFields): void {
    this.#known = known.text.length <= REQUEST_FIELDS_MAX ? known : undefined
  }

  /** A head in its whole text. */
  keepHead(text: string, head: RequestHead): void {
    const isKept = text.length <= REQUEST_FIELDS_MAX
    this.#text = isKept ? text : ''
    this.#head = isKept ? head : undefined
  }
}

interface KnownResponse {
  readonly text: string
  readonly isForHead: boolean
  readonly head: ResponseHead
}

/** The latest heads of an upstream's responses: what is asked for often is answered alike until something changes. */
export class ResponseMemory {
  readonly #known: (KnownResponse | undefined)[] = Array.from({ length: RESPONSES_MAX }, () => undefined)

  /** What was read of the very same text. `isForHead`: it answers HEAD. */
  find(text: string, isForHead: boolean): ResponseHead | undefined {
    const known = this.#known[text.length & (RESPONSES_MAX - 1)]
    return known !== undefined && known.isForHead === isForHead && known.text === text ? known.head : undefined
  }

  keep(text: string, isForHead: boolean, head: ResponseHead): void {
    if (text.length <= RESPONSE_HEAD_MAX) this.#known[text.length & (RESPONSES_MAX - 1)] = { text, isForHead, head }
  }
}
