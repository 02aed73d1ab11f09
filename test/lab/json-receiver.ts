import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '../../src/lib/clock.ts'

export interface ReceivedJson {
  readonly atMs: number
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly body: unknown
}

/** Answers a request: a status and a JSON body, or nothing at all. */
export type Reply = { readonly status: number; readonly body?: unknown } | 'never'

const BODY_BYTES_MAX = 1024 * 1024

/** Receives JSON on loopback and keeps it: a webhook's receiver, or the resolver of a stream's next URL. */
export class JsonReceiver implements AsyncDisposable {
  readonly received: ReceivedJson[] = []
  readonly #server: Server
  reply: (request: ReceivedJson) => Reply

  private constructor(reply: (request: ReceivedJson) => Reply) {
    this.reply = reply
    this.#server = createServer((request, response) => {
      readAll(request).then(
        (text) => {
          const entry = entryOf(request, text)
          this.received.push(entry)
          const answer = this.reply(entry)
          if (answer === 'never') return
          response.writeHead(answer.status, { 'content-type': 'application/json' })
          response.end(JSON.stringify(answer.body ?? {}))
        },
        () => response.destroy(),
      )
    })
  }

  static async start(reply: (request: ReceivedJson) => Reply = () => ({ status: 200 })): Promise<JsonReceiver> {
    const receiver = new JsonReceiver(reply)
    receiver.#server.listen(0, '127.0.0.1')
    await once(receiver.#server, 'listening')
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }
}

async function readAll(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > BODY_BYTES_MAX) throw new Error('the body is too large')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function entryOf(request: IncomingMessage, text: string): ReceivedJson {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    body = undefined
  }
  return { atMs: systemClock.nowMs(), path: request.url ?? '', headers: request.headers, text, body }
}
