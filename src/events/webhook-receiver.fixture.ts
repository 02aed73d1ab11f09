import { createServer } from 'node:http'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { systemClock } from '../lib/clock.ts'

/** A request that a receiver got. */
export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly message: Record<string, unknown>
}

/** A webhook's receiver on 127.0.0.1 that answers as `answer` says; 204 by default. */
export interface Receiver extends AsyncDisposable {
  readonly url: string
  readonly received: readonly Received[]
}

export type Answer = (response: ServerResponse, received: Received) => void

export async function startReceiver(answer: Answer = (response) => response.writeHead(204).end()): Promise<Receiver> {
  const received: Received[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const message = JSON.parse(text) as Record<string, unknown>
      const entry = { path: request.url ?? '', headers: request.headers, text, message }
      received.push(entry)
      answer(response, entry)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** In real time, because sockets run in it: long enough for a busy machine. */
const PATIENCE_MS = 30_000

/** Lets the event loop turn until `condition` holds; throws with `what` when it does not come to that. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const endMs = systemClock.nowMs() + PATIENCE_MS
  while (!condition()) {
    if (systemClock.nowMs() >= endMs) throw new Error(`it never came to this: ${what}`)
    await turn()
  }
}
