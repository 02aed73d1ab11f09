import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface VodOriginOptions {
  readonly content: Buffer
  /** Sent as the entity's strong ETag; unset: none. */
  readonly etag?: string
  /** Whether `Range` is understood; otherwise the whole comes with status 200. */
  readonly ranges?: boolean
  /** The connection breaks when the body gets to this offset of the file. */
  readonly diesAtOffset?: number
  /** `fin`: everything before the offset arrives; `reset`: what is still on its way is lost (the default). */
  readonly death?: 'fin' | 'reset'
  readonly contentType?: string
}

export interface VodRequest {
  readonly method: string
  readonly range: string | undefined
}

const PIECE_BYTES = 64 * 1024

/** A file server on loopback with byte ranges (RFC 9110 §14), which can be told to die in the middle. */
export class VodOrigin implements AsyncDisposable {
  readonly requests: VodRequest[] = []
  readonly #options: VodOriginOptions
  readonly #server: Server
  diesAtOffset: number | undefined
  status: number | undefined

  private constructor(options: VodOriginOptions) {
    this.#options = options
    this.diesAtOffset = options.diesAtOffset
    this.#server = createServer((request, response) => this.#respond(request, response))
  }

  static async start(options: VodOriginOptions): Promise<VodOrigin> {
    const origin = new VodOrigin(options)
    origin.#server.listen(0, '127.0.0.1')
    await once(origin.#server, 'listening')
    return origin
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/movie/film.mp4`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  #respond(request: IncomingMessage, response: ServerResponse): void {
    const { content, etag, ranges = true, contentType = 'video/mp4' } = this.#options
    this.requests.push({ method: request.method ?? '', range: request.headers.range })
    if (this.status !== undefined) {
      response.writeHead(this.status).end()
      return
    }
    const ifRange = request.headers['if-range']
    const mayRange = ranges && (ifRange === undefined || ifRange === etag)
    const range = mayRange ? rangeOf(request.headers.range, content.length) : undefined
    if (range === 'unsatisfiable') {
      response.writeHead(416, { 'Content-Range': `bytes */${content.length}` }).end()
      return
    }
    const { first, last } = range ?? { first: 0, last: content.length - 1 }
    response.writeHead(range === undefined ? 200 : 206, {
      'Content-Type': contentType,
      'Content-Length': last - first + 1,
      ...(ranges ? { 'Accept-Ranges': 'bytes' } : {}),
      ...(etag === undefined ? {} : { ETag: etag }),
      ...(range === undefined ? {} : { 'Content-Range': `bytes ${first}-${last}/${content.length}` }),
    })
    if (request.method === 'HEAD') response.end()
    else this.#send(response, first, last + 1)
  }

  #send(response: ServerResponse, from: number, end: number): void {
    const dieAt = this.diesAtOffset
    let at = from
    const pump = (): void => {
      while (at < end && !response.destroyed) {
        if (dieAt !== undefined && at >= dieAt) {
          if (this.#options.death === 'fin') response.socket?.end()
          else response.socket?.resetAndDestroy()
          return
        }
        const to = Math.min(end, at + PIECE_BYTES, dieAt !== undefined && dieAt > at ? dieAt : end)
        const hasRoom = response.write(this.#options.content.subarray(at, to), () => {
          if (dieAt !== undefined && at >= dieAt) pump()
        })
        at = to
        if (dieAt !== undefined && at >= dieAt) return
        if (!hasRoom) {
          response.once('drain', pump)
          return
        }
      }
      response.end()
    }
    pump()
  }
}

function rangeOf(
  header: string | undefined,
  length: number,
): { readonly first: number; readonly last: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (match === null) return undefined
  const [, from = '', to = ''] = match
  if (from === '' && to === '') return undefined
  const first = from === '' ? Math.max(0, length - Number(to)) : Number(from)
  const last = from === '' || to === '' ? length - 1 : Math.min(Number(to), length - 1)
  return first > last || first >= length ? 'unsatisfiable' : { first, last }
}
