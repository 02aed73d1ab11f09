import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { listenSteadily } from './steady-port.ts'

/** A replica on loopback that can be taken down and brought back on the same port. */
export class EndpointOrigin implements AsyncDisposable {
  /** `METHOD /path` of each request, oldest first. */
  readonly asked: string[] = []
  /** What it answers. */
  status = 200
  #server: Server | undefined
  #port = 0

  static async start(): Promise<EndpointOrigin> {
    const origin = new EndpointOrigin()
    await origin.up()
    return origin
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`
  }

  async up(): Promise<void> {
    const server = createServer((request, response) => {
      this.asked.push(`${request.method} ${request.url}`)
      response.writeHead(this.status).end()
    })
    this.#server = server
    if (this.#port === 0) {
      this.#port = await listenSteadily(server)
      return
    }
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
  }

  /** Connections are refused from now on. */
  async down(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down()
  }
}
