import { connect } from 'node:net'
import type { Socket } from 'node:net'

/** An answer: its status, how much of a body came, and the body where it was asked for. */
export interface CountedAnswer {
  readonly status: number
  readonly bytes: number
  readonly text: string
}

const READ_BYTES = 256 * 1_024
const HEAD_BYTES_MAX = 16 * 1_024
const scratch = Buffer.allocUnsafe(READ_BYTES)

interface Exchange {
  readonly isText: boolean
  readonly resolve: (answer: CountedAnswer) => void
  readonly reject: (error: Error) => void
  head: string
  status: number
  /** What of the body is still to come; undefined while the head is. */
  leftBytes: number | undefined
  bytes: number
  readonly text: Buffer[]
}

/**
 * HTTP/1.1 on one connection that stays open, for answers with a Content-Length: bodies are counted and not looked at, in a
 * buffer that all connections share, so that a viewer costs next to nothing.
 */
export class CountingClient {
  readonly #host: string
  readonly #port: number
  #socket: Socket | undefined
  #exchange: Exchange | undefined

  constructor(host: string, port: number) {
    this.#host = host
    this.#port = port
  }

  /** Rejects when the connection breaks. One at a time. */
  async get(path: string, isText: boolean): Promise<CountedAnswer> {
    const socket = this.#socket ?? this.#connect()
    return await new Promise((resolve, reject) => {
      this.#exchange = { isText, resolve, reject, head: '', status: 0, leftBytes: undefined, bytes: 0, text: [] }
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${this.#host}:${this.#port}\r\n\r\n`)
    })
  }

  #connect(): Socket {
    const onread = {
      buffer: scratch,
      callback: (bytes: number) => {
        this.#arrived(bytes)
        return true
      },
    }
    const socket = connect({ host: this.#host, port: this.#port, onread })
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => this.#broken(socket))
    this.#socket = socket
    return socket
  }

  #broken(socket: Socket): void {
    if (this.#socket === socket) this.#socket = undefined
    const exchange = this.#exchange
    this.#exchange = undefined
    exchange?.reject(new Error('the connection broke'))
  }

  #arrived(count: number): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    let from = 0
    if (exchange.leftBytes === undefined) {
      const before = exchange.head.length
      exchange.head += scratch.toString('latin1', 0, Math.min(count, HEAD_BYTES_MAX))
      const end = exchange.head.indexOf('\r\n\r\n')
      if (end < 0) return
      exchange.status = Number(exchange.head.slice(9, 12))
      const length = /^content-length: *(\d+)/im.exec(exchange.head.slice(0, end))?.[1]
      if (length === undefined) {
        this.#socket?.destroy(new Error('no Content-Length'))
        return
      }
      exchange.leftBytes = Number(length)
      from = end + 4 - before
    }
    const body = count - from
    exchange.bytes += body
    exchange.leftBytes -= body
    if (exchange.isText) exchange.text.push(Buffer.from(scratch.subarray(from, count)))
    if (exchange.leftBytes > 0) return
    this.#exchange = undefined
    const { status, bytes, text } = exchange
    exchange.resolve({ status, bytes, text: Buffer.concat(text).toString('utf8') })
  }
}
