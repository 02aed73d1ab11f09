import type { Timer } from '../../lib/clock.ts'
import { openHttpSource } from '../sources/http-client.ts'
import type { SourceHead, SourceNetwork, SourceReader, SourceRequest } from '../sources/http-client.ts'

/** Why a source did not give a viewer what was asked for: a stable reason and words for people. */
export interface VodFailure {
  readonly reason: string
  readonly message: string
  readonly status: number | undefined
}

/** What the head of an answer means: its body is wanted, it is the answer by itself, or the source has failed. */
export type HeadVerdict =
  { readonly kind: 'body' } | { readonly kind: 'head_only' } | { readonly kind: 'failed'; readonly failure: VodFailure }

export type VodStart =
  { readonly kind: 'started'; readonly head: SourceHead } | { readonly kind: 'failed'; readonly failure: VodFailure }

/** Where a body goes. Called from `flow` and `resume` too. */
export interface VodSink {
  /** False holds everything back until `resume`. */
  data(chunk: Buffer): boolean
  end(): void
  failed(failure: VodFailure): void
}

export interface VodUpstreamOptions {
  readonly request: Omit<SourceRequest, 'answerTimeoutMs'>
  /** From the opening to the first byte of a wanted body. */
  readonly startTimeoutMs: number
  /** The longest silence while the viewer is reading. */
  readonly stallTimeoutMs: number
  readonly network: SourceNetwork
  readonly judge: (head: SourceHead) => HeadVerdict
}

type Ending = { readonly kind: 'end' } | { readonly kind: 'failed'; readonly failure: VodFailure }

/**
 * One request to one source on behalf of one viewer. It has started when the first byte of the body is here; nothing
 * flows before `flow`, and nothing after the sink said false, so what is held is what the client had already read.
 */
export class VodUpstream {
  readonly #options: VodUpstreamOptions
  readonly #reader: SourceReader
  readonly #started = Promise.withResolvers<VodStart>()
  readonly #openedAtMs: number
  #head: SourceHead | undefined
  #sink: VodSink | undefined
  #held: Buffer[] = []
  #ending: Ending | undefined
  #timer: Timer | undefined
  #lastByteAtMs = 0
  #isHolding = true
  #isClosed = false

  constructor(options: VodUpstreamOptions) {
    this.#options = options
    this.#openedAtMs = options.network.clock.nowMs()
    this.#reader = openHttpSource(
      { ...options.request, answerTimeoutMs: options.startTimeoutMs },
      {
        onHead: (head) => this.#judge(head),
        onData: (chunk) => this.#take(chunk),
        onEnd: () => this.#finish({ kind: 'end' }),
        onFailure: ({ kind, message, status }) =>
          this.#finish({ kind: 'failed', failure: { reason: kind, message, status } }),
      },
      options.network,
    )
  }

  /** Resolves at the first byte of the body (at the head when that is the answer), or with the failure. Never rejects. */
  get started(): Promise<VodStart> {
    return this.#started.promise
  }

  /** Lets the body flow. Once, after it has started. */
  flow(sink: VodSink): void {
    this.#sink = sink
    this.resume()
  }

  resume(): void {
    if (!this.#isHolding || this.#isClosed || this.#sink === undefined) return
    this.#isHolding = false
    while (this.#held.length > 0) {
      const chunk = this.#held.shift()
      if (chunk === undefined || this.#sink.data(chunk)) continue
      this.#isHolding = true
      return
    }
    if (this.#isClosed) return
    if (this.#ending !== undefined) {
      this.#deliverEnding(this.#ending, this.#sink)
      return
    }
    this.#lastByteAtMs = this.#options.network.clock.nowMs()
    this.#watchForStall(this.#options.stallTimeoutMs)
    this.#reader.resume()
  }

  /** Closes the connection; the sink is not called again. */
  close(): void {
    this.#isClosed = true
    this.#held = []
    this.#timer?.cancel()
    this.#reader.close()
    this.#started.resolve({ kind: 'failed', failure: { reason: 'aborted', message: 'was closed', status: undefined } })
  }

  #judge(head: SourceHead): 'accept' | 'reject' {
    const { judge, startTimeoutMs, network } = this.#options
    const verdict = judge(head)
    switch (verdict.kind) {
      case 'failed':
        this.#startFailed(verdict.failure)
        return 'reject'
      case 'head_only':
        this.#started.resolve({ kind: 'started', head })
        this.close()
        return 'reject'
      case 'body':
        break
      default:
        verdict satisfies never
    }
    this.#head = head
    const leftMs = Math.max(0, this.#openedAtMs + startTimeoutMs - network.clock.nowMs())
    this.#timer = network.clock.schedule(leftMs, () => {
      const message = `no byte of its body within ${startTimeoutMs} ms`
      this.#startFailed({ reason: 'answer_timeout', message, status: head.status })
    })
    return 'accept'
  }

  #startFailed(failure: VodFailure): void {
    this.#started.resolve({ kind: 'failed', failure })
    this.close()
  }

  #take(chunk: Buffer): boolean {
    if (this.#isHolding) {
      this.#held.push(chunk)
      this.#hasStarted()
      return false
    }
    this.#lastByteAtMs = this.#options.network.clock.nowMs()
    if (this.#sink?.data(chunk) === true) return true
    this.#hold()
    return false
  }

  #hold(): void {
    this.#isHolding = true
    this.#timer?.cancel()
  }

  #hasStarted(): void {
    if (this.#sink !== undefined || this.#head === undefined) return
    this.#timer?.cancel()
    this.#started.resolve({ kind: 'started', head: this.#head })
  }

  #finish(ending: Ending): void {
    this.#timer?.cancel()
    this.#ending = ending
    if (this.#held.length === 0 && this.#sink === undefined) {
      const empty = { reason: 'empty_body', message: 'answered with an empty body', status: this.#head?.status }
      this.#startFailed(ending.kind === 'failed' ? ending.failure : empty)
    } else if (!this.#isHolding && this.#sink !== undefined) {
      this.#deliverEnding(ending, this.#sink)
    }
  }

  #deliverEnding(ending: Ending, sink: VodSink): void {
    this.close()
    if (ending.kind === 'end') sink.end()
    else sink.failed(ending.failure)
  }

  #watchForStall(inMs: number): void {
    const { network, stallTimeoutMs } = this.#options
    this.#timer?.cancel()
    this.#timer = network.clock.schedule(inMs, () => {
      const silenceMs = network.clock.nowMs() - this.#lastByteAtMs
      if (silenceMs < stallTimeoutMs) {
        this.#watchForStall(stallTimeoutMs - silenceMs)
        return
      }
      this.close()
      const message = `sent nothing for ${Math.round(silenceMs)} ms with the connection open`
      this.#sink?.failed({ reason: 'stalled', message, status: this.#head?.status })
    })
  }
}
