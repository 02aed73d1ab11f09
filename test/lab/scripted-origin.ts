import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Script = (target: string, response: ServerResponse, request: IncomingMessage) => void

/** An HTTP server on loopback that answers as a function says, and counts whoever comes. */
export class ScriptedOrigin implements AsyncDisposable {
  /** Path and query of each request. */
  readonly requests: string[] = []
  connections = 0
  script: Script
  readonly #server: Server

  private constructor(script: Script) {
    this.script = script
    this.#server = createServer((request, response) => {
      const target = request.url ?? '/'
      this.requests.push(target)
      response.on('error', () => {})
      this.script(target, response, request)
    })
    this.#server.on('connection', () => {
      this.connections += 1
    })
  }

  /** `host` is an address of the loopback network. */
  static async start(script: Script, host = '127.0.0.1'): Promise<ScriptedOrigin> {
    const origin = new ScriptedOrigin(script)
    origin.#server.listen(0, host)
    await once(origin.#server, 'listening')
    return origin
  }

  /** Scheme, host and port. */
  get origin(): string {
    const { address, port } = this.#server.address() as AddressInfo
    return `http://${address.includes(':') ? `[${address}]` : address}:${port}`
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
