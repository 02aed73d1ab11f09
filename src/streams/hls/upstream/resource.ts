import type { Clock, Timer } from '../../../lib/clock.ts'
import { openHttpSource } from '../../sources/http-client.ts'
import type { SourceFailure, SourceHead, SourceNetwork, SourceRequest } from '../../sources/http-client.ts'

/** How long the steps of fetching something may take, milliseconds. */
export interface FetchTimeouts {
  /** Name resolution, TCP and TLS, for each connection. */
  readonly connectMs: number
  /** To the head of the final answer, redirects included. */
  readonly answerMs: number
  /** Between two pieces of the body. */
  readonly silenceMs: number
  /** For all of it. */
  readonly totalMs: number
}

/** A request for something small that is wanted whole: a playlist or a key. */
export interface ResourceRequest extends Omit<SourceRequest, 'method' | 'connectTimeoutMs' | 'answerTimeoutMs'> {
  readonly timeouts: FetchTimeouts
  /** A longer body is a failure (`protocol`). */
  readonly bytesMax: number
}

export interface Resource extends SourceHead {
  readonly body: Buffer
}

export type ResourceAnswer =
  | { readonly kind: 'answered'; readonly resource: Resource }
  | { readonly kind: 'failed'; readonly failure: SourceFailure }

/** Fetches a small body whole. Statuses other than 2xx are failures. Never rejects. */
export function fetchResource(request: ResourceRequest, network: SourceNetwork): Promise<ResourceAnswer> {
  return new Promise((resolve) => {
    const { timeouts, bytesMax } = request
    const chunks: Buffer[] = []
    let bytes = 0
    let head: SourceHead | undefined
    const finish = (answer: ResourceAnswer): void => {
      deadlines.cancel()
      reader.close()
      resolve(answer)
    }
    const fail = (failure: SourceFailure): void => finish({ kind: 'failed', failure })
    const deadlines = new BodyDeadlines(network.clock, timeouts, fail)
    const reader = openHttpSource(
      { ...request, method: 'GET', connectTimeoutMs: timeouts.connectMs, answerTimeoutMs: timeouts.answerMs },
      {
        onHead: (answer) => {
          head = answer
          deadlines.arrived()
          return answer.status >= 200 && answer.status < 300 ? 'accept' : 'reject'
        },
        onData: (chunk) => {
          deadlines.arrived()
          bytes += chunk.length
          if (bytes > bytesMax) fail(tooLong(bytesMax))
          else chunks.push(chunk)
          return true
        },
        onEnd: () => {
          if (head === undefined) return
          finish({ kind: 'answered', resource: { ...head, body: Buffer.concat(chunks, bytes) } })
        },
        onFailure: fail,
      },
      network,
    )
  })
}

export function tooLong(bytesMax: number): SourceFailure {
  return { kind: 'protocol', message: `the body is longer than ${bytesMax} bytes`, evidence: { bytes_max: bytesMax } }
}

/** Notices a body that comes too slowly or not at all. Tells it once. */
export class BodyDeadlines {
  readonly #clock: Clock
  readonly #silenceMs: number
  readonly #onLate: (failure: SourceFailure) => void
  readonly #total: Timer
  #silence: Timer | undefined

  constructor(clock: Clock, { totalMs, silenceMs }: FetchTimeouts, onLate: (failure: SourceFailure) => void) {
    this.#clock = clock
    this.#silenceMs = silenceMs
    this.#onLate = onLate
    this.#total = clock.schedule(totalMs, () => this.#late(`was not complete within ${totalMs} ms`))
  }

  /** Something came; from now on silence is counted. */
  arrived(): void {
    this.#silence?.cancel()
    this.#silence = this.#clock.schedule(this.#silenceMs, () => {
      this.#late(`sent nothing for ${this.#silenceMs} ms before it was complete`)
    })
  }

  /** Reading was paused on purpose. */
  pause(): void {
    this.#silence?.cancel()
  }

  cancel(): void {
    this.#silence?.cancel()
    this.#total.cancel()
  }

  #late(words: string): void {
    this.cancel()
    this.#onLate({ kind: 'answer_timeout', message: `the answer ${words}` })
  }
}
