import { Agent, request } from 'node:http'
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import { systemClock } from '../../src/lib/clock.ts'

/** Behind a request without an answer: while nobody listens clients would take the processor from whoever starts. */
const PAUSE_MS = 5

export interface LoadAnswer {
  /** 0 when there was none. */
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly failure?: string
}

/** One GET; never rejects: what goes wrong is the answer. */
export async function ask(url: string, headers: OutgoingHttpHeaders = {}, agent?: Agent): Promise<LoadAnswer> {
  return new Promise((resolve) => {
    const failed = (error: Error) => resolve({ status: 0, headers: {}, body: '', failure: error.message })
    const asked = request(url, { headers, ...(agent === undefined ? {} : { agent }) }, (response) => {
      let body = ''
      response.setEncoding('latin1')
      response.on('data', (piece: string) => {
        body += piece
      })
      response.on('error', failed)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
    asked.on('error', failed)
    asked.end()
  })
}

/** Clients that ask one after the other, on kept connections, until they are stopped. */
export class ServiceLoad implements AsyncDisposable {
  readonly answers: LoadAnswer[] = []
  readonly #agent: Agent
  readonly #clients: Promise<void>[]
  #isStopped = false

  constructor(url: string, clients: number, headers: (count: number) => OutgoingHttpHeaders = () => ({})) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: clients })
    this.#clients = Array.from({ length: clients }, async () => {
      while (!this.#isStopped) {
        const answer = await ask(url, headers(this.answers.length), this.#agent)
        this.answers.push(answer)
        if (answer.status === 0) await systemClock.sleep(PAUSE_MS)
      }
    })
  }

  /** Answers that are no 200. */
  get failed(): readonly LoadAnswer[] {
    return this.answers.filter(({ status }) => status !== 200)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#clients)
    this.#agent.destroy()
  }
}
