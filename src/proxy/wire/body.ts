import { NO_FIELDS } from './fields.ts'
import type { Fields } from './fields.ts'
import { parseTrailers } from './head.ts'
import type { BodyFraming } from './head.ts'
import type { RefusalReason } from './refusal.ts'

export interface BodyLimits {
  /** One chunk-size line with its extensions, bytes. */
  readonly chunkLineBytesMax: number
  /** The extensions of all chunks of a body together, bytes: they are read and thrown away. */
  readonly chunkExtensionBytesMax: number
  /** The trailer section, bytes. */
  readonly trailerBytesMax: number
  readonly trailerFieldsMax: number
}

export const defaultBodyLimits: BodyLimits = {
  chunkLineBytesMax: 1_024,
  chunkExtensionBytesMax: 16_384,
  trailerBytesMax: 16_384,
  trailerFieldsMax: 64,
}

export interface BodySink {
  /** A piece of the body: a slice of what was read, valid only during the call unless its reader says otherwise. */
  onBodyPiece(piece: Buffer): void
}

/** Takes the framing off a body that arrives in pieces. */
export interface BodyReader {
  /** Reads `bytes` from `from` to `to`, hands the content on and gives the offset behind what belongs to this body. */
  read(bytes: Buffer, from: number, to: number, sink: BodySink): number
  /** Whether the body is complete. */
  readonly isDone: boolean
  /** Why the body is refused; nothing is read after that. */
  readonly failure: RefusalReason | undefined
  /** Known when the body is complete. */
  readonly trailers: Fields
  /** Content bytes still to come, where that is known. */
  readonly remainingBytes: number | undefined
}

/** The reader for a framing. A `close` body is never done: whoever reads it knows its end from the connection. */
export function createBodyReader(framing: BodyFraming, limits: BodyLimits): BodyReader {
  switch (framing.kind) {
    case 'none':
      return new LengthReader(0)
    case 'length':
      return new LengthReader(framing.bytes)
    case 'close':
      return new LengthReader(Number.POSITIVE_INFINITY)
    case 'chunked':
      return new ChunkedReader(limits)
    default:
      return framing satisfies never
  }
}

/** Exactly so many bytes (RFC 9112 section 6.3). */
class LengthReader implements BodyReader {
  readonly failure = undefined
  readonly trailers = NO_FIELDS
  remainingBytes: number

  constructor(bytes: number) {
    this.remainingBytes = bytes
  }

  get isDone(): boolean {
    return this.remainingBytes === 0
  }

  read(bytes: Buffer, from: number, to: number, sink: BodySink): number {
    const end = Math.min(to, from + this.remainingBytes)
    if (end === from) return from
    this.remainingBytes -= end - from
    sink.onBodyPiece(from === 0 && end === bytes.length ? bytes : bytes.subarray(from, end))
    return end
  }
}

const CR = 0x0d
const LF = 0x0a
/** 13 hexadecimal digits stay below 2^53. */
const SIZE_DIGITS_MAX = 13
const sizeLine =
  /^([0-9A-Fa-f]{1,13})((?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t !#-[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))?)*)$/

type ChunkState = 'size' | 'data' | 'data_end' | 'trailers' | 'done' | 'failed'

/**
 * The chunked coding (RFC 9112 section 7.1), strict: sizes are hexadecimal digits and nothing else, every line ends with
 * CR LF, extensions follow their grammar without optional blanks. Extensions are checked, counted and dropped.
 */
class ChunkedReader implements BodyReader {
  readonly remainingBytes = undefined
  failure: RefusalReason | undefined
  trailers: Fields = NO_FIELDS
  readonly #limits: BodyLimits
  #state: ChunkState = 'size'
  /** Content bytes of the present chunk still to come. */
  #chunkBytes = 0
  /** The part of a line, of the CR LF behind a chunk, or of the trailers that arrived in earlier pieces. */
  #partial = ''
  #extensionBytes = 0

  constructor(limits: BodyLimits) {
    this.#limits = limits
  }

  get isDone(): boolean {
    return this.#state === 'done'
  }

  read(bytes: Buffer, from: number, to: number, sink: BodySink): number {
    let at = from
    while (at < to && this.#state !== 'done' && this.#state !== 'failed') {
      switch (this.#state) {
        case 'size':
          at = this.#readSize(bytes, at, to)
          break
        case 'data':
          at = this.#readData(bytes, at, to, sink)
          break
        case 'data_end':
          at = this.#readDataEnd(bytes, at, to)
          break
        case 'trailers':
          at = this.#readTrailers(bytes, at, to)
          break
        default:
          this.#state satisfies never
      }
    }
    return at
  }

  #readSize(bytes: Buffer, from: number, to: number): number {
    const quick = this.#partial === '' ? quickSize(bytes, from, to) : -1
    if (quick >= 0) {
      let at = from
      while (bytes[at] !== CR) at += 1
      this.#begin(quick)
      return at + 2
    }
    const { chunkLineBytesMax } = this.#limits
    const until = Math.min(to, from + chunkLineBytesMax + 2 - this.#partial.length)
    const text = this.#partial + bytes.toString('latin1', from, until)
    const lineEnd = text.indexOf('\r\n')
    const line = lineEnd >= 0 ? text.slice(0, lineEnd) : text
    // A fault is told from the line as far as it goes, so that it does not matter in which pieces it arrived.
    if (lineEnd < 0) {
      if (!isSizeLineBegin(line.endsWith('\r') ? line.slice(0, -1) : line)) return this.#fail('invalid_chunk', until)
      if (text.length >= chunkLineBytesMax + 2) return this.#fail('chunk_extensions_too_large', until)
      this.#partial = text
      return until
    }
    const match = sizeLine.exec(line)
    if (match === null || !isSizeLineBegin(line)) return this.#fail('invalid_chunk', until)
    this.#extensionBytes += (match[2] ?? '').length
    if (this.#extensionBytes > this.#limits.chunkExtensionBytesMax) {
      return this.#fail('chunk_extensions_too_large', until)
    }
    const consumed = from + lineEnd + 2 - this.#partial.length
    this.#partial = ''
    this.#begin(Number.parseInt(match[1] ?? '', 16))
    return consumed
  }

  #begin(bytes: number): void {
    this.#chunkBytes = bytes
    this.#state = bytes === 0 ? 'trailers' : 'data'
  }

  #readData(bytes: Buffer, from: number, to: number, sink: BodySink): number {
    const end = Math.min(to, from + this.#chunkBytes)
    this.#chunkBytes -= end - from
    if (this.#chunkBytes === 0) this.#state = 'data_end'
    sink.onBodyPiece(bytes.subarray(from, end))
    return end
  }

  #readDataEnd(bytes: Buffer, from: number, to: number): number {
    const expected = this.#partial === '' ? CR : LF
    if (bytes[from] !== expected) return this.#fail('invalid_chunk', from)
    if (expected === CR && from + 1 < to && bytes[from + 1] !== LF) return this.#fail('invalid_chunk', from)
    if (expected === CR && from + 1 === to) {
      this.#partial = '\r'
      return to
    }
    this.#partial = ''
    this.#state = 'size'
    return expected === CR ? from + 2 : from + 1
  }

  #readTrailers(bytes: Buffer, from: number, to: number): number {
    if (this.#partial === '' && to - from >= 2 && bytes[from] === CR && bytes[from + 1] === LF) {
      this.#state = 'done'
      return from + 2
    }
    const room = this.#limits.trailerBytesMax + 4 - this.#partial.length
    const until = Math.min(to, from + room)
    const text = this.#partial + bytes.toString('latin1', from, until)
    if (text.startsWith('\r\n')) {
      this.#state = 'done'
      return from + 2 - this.#partial.length
    }
    const found = text.indexOf('\r\n\r\n')
    if (found < 0) {
      if (text.length >= this.#limits.trailerBytesMax + 4) return this.#fail('trailers_too_large', until)
      this.#partial = text
      return until
    }
    const trailers = parseTrailers(text.slice(0, found), this.#limits.trailerFieldsMax)
    if (typeof trailers === 'string') return this.#fail(trailers, until)
    this.trailers = trailers
    this.#state = 'done'
    return from + found + 4 - this.#partial.length
  }

  #fail(reason: RefusalReason, at: number): number {
    this.failure = reason
    this.#state = 'failed'
    return at
  }
}

/** The size in a line of nothing but digits and CR LF, all of it between `from` and `to`; -1 for everything else. */
function quickSize(bytes: Buffer, from: number, to: number): number {
  let size = 0
  for (let at = from; at < to && at - from <= SIZE_DIGITS_MAX; at += 1) {
    const code = bytes[at] ?? 0
    if (code === CR) return at > from && at + 1 < to && bytes[at + 1] === LF ? size : -1
    const digit = hexDigits[code] ?? -1
    if (digit < 0) return -1
    size = size * 16 + digit
  }
  return -1
}

const hexDigits = new Int8Array(256).fill(-1)
for (let value = 0; value < 16; value += 1) {
  const digit = value.toString(16)
  hexDigits[digit.charCodeAt(0)] = value
  hexDigits[digit.toUpperCase().charCodeAt(0)] = value
}

/** Whether a size line may begin like this: digits, not too many, then nothing or extensions without a line break. */
function isSizeLineBegin(text: string): boolean {
  return /^(?:$|[0-9A-Fa-f]{1,13}(?:$|;[\t -~\x80-\xff]*$))/.test(text)
}
