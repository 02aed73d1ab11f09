import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { GopCache } from './gop-cache.ts'
import { VIDEO_PID } from './programme.ts'
import type { Programme } from './programme.ts'

/** The ways in which an origin of the demo breaks: what happens to who is connected, and to who connects meanwhile. */
export const faults = [
  { kind: 'reset', text: 'is killed: its connections are reset, and so is every new one' },
  { kind: 'silence', text: 'goes silent: its connections stay open and nothing comes any more' },
  { kind: 'gone', text: 'ends the stream, and answers 404 from now on' },
  { kind: 'html', text: 'ends the stream, and answers 200 with a web page from now on' },
  { kind: 'unanswering', text: 'drops its connections, accepts new ones and never answers them' },
] as const

export type FaultKind = (typeof faults)[number]['kind']

/** What an origin does at present. */
type State = 'well' | FaultKind

/** A reader that takes nothing for this many bytes is dropped, as a real origin would. */
const READER_BACKLOG_BYTES_MAX = 8_000_000

/** An HTTP origin of one live programme, whose failures are switched on and off. Many readers, one encoder. */
export class Origin implements AsyncDisposable {
  readonly programme: Programme
  readonly #server: Server
  readonly #cache = new GopCache({ videoPid: VIDEO_PID })
  readonly #readers = new Set<ServerResponse>()
  #state: State = 'well'

  private constructor(programme: Programme) {
    this.programme = programme
    this.#server = createServer((request, response) => this.#answer(request, response))
    this.#server.on('connection', (socket) => {
      socket.on('error', () => socket.destroy())
      if (this.#state === 'reset') socket.resetAndDestroy()
    })
  }

  /** Listens on a free loopback port. */
  static async open(programme: Programme): Promise<Origin> {
    const origin = new Origin(programme)
    await new Promise<void>((resolve, reject) => {
      origin.#server.once('error', reject)
      origin.#server.listen(0, '127.0.0.1', resolve)
    })
    return origin
  }

  get url(): string {
    // A server that listens on TCP has an address of this form.
    const { port } = this.#server.address() as AddressInfo
    return `http://127.0.0.1:${port}${this.programme.path}`
  }

  get isWell(): boolean {
    return this.#state === 'well'
  }

  /** Bytes from the encoder, for every reader. */
  push(bytes: Buffer): void {
    const packets = this.#cache.push(bytes)
    if (packets.length === 0 || this.#state !== 'well') return
    for (const reader of this.#readers) {
      if (reader.writableLength > READER_BACKLOG_BYTES_MAX) reader.destroy()
      else reader.write(packets)
    }
  }

  break(fault: FaultKind): void {
    this.#state = fault
    if (fault === 'silence') return
    for (const reader of this.#readers) {
      if (fault === 'gone' || fault === 'html') reader.end()
      else reader.socket?.resetAndDestroy()
    }
    this.#readers.clear()
  }

  heal(): void {
    this.#state = 'well'
    // Who was left in silence has missed packets; it starts afresh like everybody else.
    this.#server.closeAllConnections()
    this.#readers.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    this.#server.closeAllConnections()
    await closed
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => response.destroy())
    if (this.#state === 'unanswering' || this.#state === 'silence') return
    if (this.#state === 'html') {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>It works!</h1>')
    } else if (this.#state === 'gone' || request.url !== this.programme.path) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('no such stream\n')
    } else {
      response.writeHead(200, { 'content-type': 'video/mp2t', 'cache-control': 'no-store' })
      if (request.method === 'HEAD') response.end()
      else this.#addReader(response)
    }
  }

  #addReader(response: ServerResponse): void {
    response.write(this.#cache.snapshot())
    this.#readers.add(response)
    response.once('close', () => this.#readers.delete(response))
  }
}
