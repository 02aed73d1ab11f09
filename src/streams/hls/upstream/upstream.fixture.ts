import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../../../lib/clock.ts'
import { HlsSession } from './hls-session.ts'
import type { HlsSessionOptions } from './hls-session.ts'

/** Long enough for a busy machine; a test of a wait sets its own. */
const PATIENT = { connectMs: 30_000, answerMs: 30_000, silenceMs: 30_000, totalMs: 60_000 }

/** An origin on loopback whose answers a test writes. */
export class ScriptedOrigin implements AsyncDisposable {
  readonly requests: IncomingMessage[] = []
  readonly #server: Server
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => {
    response.writeHead(404).end()
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      this.requests.push(request)
      this.answer(request, response)
    })
  }

  static async start(): Promise<ScriptedOrigin> {
    const origin = new ScriptedOrigin()
    origin.#server.listen(0, '127.0.0.1')
    await once(origin.#server, 'listening')
    return origin
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

export function testSession(url: string, clock: Clock, options: Partial<HlsSessionOptions> = {}): HlsSession {
  return new HlsSession({
    ...{ key: 'a', url, headers: {}, userAgent: 'test', useStickySession: false, network: { clock } },
    operatorHosts: new Set([new URL(url).hostname]),
    timeouts: PATIENT,
    ...options,
  })
}
