import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'

/** A request as it reached an upstream. */
export interface UpstreamRequestRecord {
  readonly method: string
  readonly target: string
  /** Names in lower case; of repeated ones the last. */
  readonly fields: ReadonlyMap<string, string>
  readonly head: string
  readonly expectsContinue: boolean
  bodyBytes: number
  /** Of the whole body, once it is there. */
  bodySha256: string | undefined
  isAnswered: boolean
}

export interface RequestReaderListener {
  onHead(request: UpstreamRequestRecord): void
  onWhole(request: UpstreamRequestRecord): void
}

/** Reads requests from a connection, lenient and simple, written apart from the parser under test. */
export class RequestReader {
  readonly #listener: RequestReaderListener
  #bytes = Buffer.alloc(0)
  #request: UpstreamRequestRecord | undefined
  #hash: Hash = createHash('sha256')
  /** Bytes of the body, or of the present chunk, still to come; -1 before a chunk's size, -2 before the trailers. */
  #left = 0
  #isChunked = false

  constructor(listener: RequestReaderListener) {
    this.#listener = listener
  }

  push(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    while (this.#request === undefined ? this.#readHead() : this.#readBody(this.#request)) {
      // Each turn takes something off the bytes.
    }
  }

  #readHead(): boolean {
    const end = this.#bytes.indexOf('\r\n\r\n')
    if (end < 0) return false
    const head = this.#bytes.toString('latin1', 0, end)
    this.#bytes = this.#bytes.subarray(end + 4)
    const [line = '', ...lines] = head.split('\r\n')
    const fields = new Map(
      lines.map((text) => {
        const colon = text.indexOf(':')
        return [text.slice(0, colon).toLowerCase(), text.slice(colon + 1).trim()] as const
      }),
    )
    const [method = '', target = ''] = line.split(' ')
    const expectsContinue = fields.get('expect')?.toLowerCase() === '100-continue'
    const request = {
      method,
      target,
      fields,
      head,
      expectsContinue,
      bodyBytes: 0,
      bodySha256: undefined,
      isAnswered: false,
    }
    this.#request = request
    this.#hash = createHash('sha256')
    this.#isChunked = fields.get('transfer-encoding') === 'chunked'
    this.#left = this.#isChunked ? -1 : Number(fields.get('content-length') ?? 0)
    this.#listener.onHead(request)
    if (!this.#isChunked && this.#left === 0) this.#whole(request)
    return true
  }

  #readBody(request: UpstreamRequestRecord): boolean {
    if (this.#left < 0) return this.#readLine(request)
    if (this.#bytes.length === 0) return false
    const part = this.#bytes.subarray(0, this.#left)
    this.#bytes = this.#bytes.subarray(part.length)
    this.#left -= part.length
    request.bodyBytes += part.length
    this.#hash.update(part)
    if (this.#left > 0) return true
    if (this.#isChunked) this.#left = -1
    else this.#whole(request)
    return true
  }

  /** A chunk's size, the empty line behind a chunk, or the trailers up to their empty line. */
  #readLine(request: UpstreamRequestRecord): boolean {
    const end = this.#bytes.indexOf('\r\n')
    if (end < 0) return false
    const line = this.#bytes.toString('latin1', 0, end)
    this.#bytes = this.#bytes.subarray(end + 2)
    if (this.#left === -2) {
      if (line === '') this.#whole(request)
    } else if (line !== '') {
      const size = Number.parseInt(line, 16)
      this.#left = size === 0 ? -2 : size
    }
    return true
  }

  #whole(request: UpstreamRequestRecord): void {
    request.bodySha256 = this.#hash.digest('hex')
    this.#request = undefined
    this.#listener.onWhole(request)
  }
}
