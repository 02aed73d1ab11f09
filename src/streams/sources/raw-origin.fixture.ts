import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { listenSteadily } from '../../../test/lab/steady-port.ts'

/** One request as an origin read it from the wire. Header names are in lower case. */
export interface RawRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly socket: Socket
  /** 0 for the first connection that sent a request. */
  readonly number: number
}

/** An HTTP origin for tests that writes its answers byte by byte, so that it can break each of them in its own way. */
export class RawOrigin {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #watchers = new Set<() => void>()
  readonly requests: RawRequest[] = []

  private constructor(answer: (request: RawRequest) => void) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        this.#changed()
      })
      let head = ''
      socket.on('data', (chunk) => {
        if (head.endsWith('\r\n\r\n')) return
        head += chunk.toString('latin1')
        if (!head.endsWith('\r\n\r\n')) return
        const request = parse(head, socket, this.requests.length)
        this.requests.push(request)
        answer(request)
        this.#changed()
      })
      this.#changed()
    })
  }

  /** Listens on a free port of the loopback interface. */
  static async listen(answer: (request: RawRequest) => void): Promise<RawOrigin> {
    const origin = new RawOrigin(answer)
    // One that nobody else is given when it is closed: some tests count on its being refused then.
    await listenSteadily(origin.#server)
    return origin
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get connectionCount(): number {
    return this.#sockets.size
  }

  /** Resolves once `isSo`; looked at whenever a connection or request comes or goes. */
  async until(isSo: () => boolean): Promise<void> {
    if (isSo()) return
    await new Promise<void>((resolve) => {
      const watcher = (): void => {
        if (!isSo()) return
        this.#watchers.delete(watcher)
        resolve()
      }
      this.#watchers.add(watcher)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher()
  }
}

function parse(head: string, socket: Socket, number: number): RawRequest {
  const [requestLine = '', ...lines] = head.split('\r\n')
  const [method = '', path = ''] = requestLine.split(' ')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  return { method, path, headers, socket, number }
}
