import type { ServerResponse } from 'node:http'
import type { Clock, Timer } from '../lib/clock.ts'
import { errorMessage, HoldfastError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { EventType } from './event.ts'
import { toEventMessage } from './event-message.ts'
import type { Journal, RecordedEvent } from './journal.ts'

export interface LiveFilter {
  readonly streamId?: string | undefined
  readonly type?: EventType | undefined
}

/** Events as they happen, as server-sent events (WHATWG HTML, "Server-sent events"). */
export interface LiveEvents extends AsyncDisposable {
  /**
   * Writes the response's head and then events until the client leaves. `after` is the number of the last event that
   * the client has (`Last-Event-ID`): what followed is replayed out of the journal first. Throws too_many_viewers before
   * anything was written when LISTENERS_MAX listen already.
   */
  serve(response: ServerResponse, filter: LiveFilter, after: number | undefined): void
  readonly listeners: number
  /** Ends every connection. */
  close(): void
}

interface LiveOptions {
  readonly journal: Journal
  readonly clock: Clock
  readonly log: Log
}

export const LISTENERS_MAX = 256
/** Unread bytes that a connection may hold; past that it is cut off. The client comes back with Last-Event-ID. */
export const UNREAD_BYTES_MAX = 1_048_576
const HEARTBEAT_MS = 15_000
/** What a client waits before it comes back. */
const RETRY_MS = 2_000
const REPLAY_PAGE = 200
const REPLAY_PAGES_MAX = 10_000
/** During a replay a client that takes nothing for so long is cut off. */
const REPLAY_STALL_MS = 30_000

export function createLiveEvents(options: LiveOptions): LiveEvents {
  const open = new Set<LiveListener>()
  const subscription = options.journal.subscribeRecorded((event) => {
    for (const listener of open) listener.take(event)
  })
  const close = () => {
    for (const listener of open) listener.close()
  }
  return {
    serve: (response, filter, after) => {
      if (open.size >= LISTENERS_MAX) {
        throw new HoldfastError('too_many_viewers', `${LISTENERS_MAX} listeners follow the events, which is the most`)
      }
      const listener = new LiveListener({ ...options, response, filter, after, onClosed: () => open.delete(listener) })
      open.add(listener)
    },
    get listeners() {
      return open.size
    },
    close,
    [Symbol.asyncDispose]: async () => {
      subscription[Symbol.dispose]()
      close()
    },
  }
}

interface ListenerOptions extends LiveOptions {
  readonly response: ServerResponse
  readonly filter: LiveFilter
  readonly after: number | undefined
  readonly onClosed: () => void
}

/** One connection: first what it has missed, then what happens. */
class LiveListener {
  readonly #options: ListenerOptions
  readonly #stop = new AbortController()
  #isReplaying: boolean
  /** Number of the last event that it was sent or that its filter left out. */
  #position: number
  #heartbeat: Timer | undefined

  constructor(options: ListenerOptions) {
    this.#options = options
    const { response, after, journal } = options
    this.#isReplaying = after !== undefined
    this.#position = after ?? journal.lastSequence
    response.once('close', () => this.close())
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      // Proxies of the nginx family hold back what they think is a page.
      'x-accel-buffering': 'no',
    })
    this.#write(`retry: ${RETRY_MS}\n: the gateway's events from here on\n\n`)
    this.#beat()
    if (this.#isReplaying) void this.#replay()
  }

  take(event: RecordedEvent): void {
    if (event.sequence === undefined) {
      // The store does not take events at present; they are shown all the same, without an id to come back to.
      this.#send(event)
      return
    }
    if (this.#isReplaying || event.sequence <= this.#position) return
    this.#send(event)
    this.#position = event.sequence
  }

  close(): void {
    if (this.#stop.signal.aborted) return
    this.#stop.abort(new Error('the listener left'))
    this.#heartbeat?.cancel()
    this.#options.response.end()
    this.#options.onClosed()
  }

  /** Reads on in the journal until nothing is left that was recorded before the last look. */
  async #replay(): Promise<void> {
    const { journal, filter, log } = this.#options
    const { signal } = this.#stop
    const { streamId, type } = filter
    const query = { ...(streamId === undefined ? {} : { streamId }), ...(type === undefined ? {} : { type }) }
    try {
      // A number from the future is one of a journal that is gone.
      const [newest] = await journal.history({ limit: 1 })
      this.#position = Math.min(this.#position, newest?.sequence ?? 0)
      for (let pages = 0; pages < REPLAY_PAGES_MAX && !signal.aborted; pages += 1) {
        const recorded = journal.lastSequence
        const page = await journal.history({ ...query, after: this.#position, limit: REPLAY_PAGE })
        for (const event of page) {
          this.#send(event)
          this.#position = event.sequence
          await this.#drained()
        }
        if (page.length > 0) continue
        this.#position = Math.max(this.#position, recorded)
        if (journal.lastSequence <= this.#position) {
          this.#isReplaying = false
          return
        }
      }
      this.close()
    } catch (error) {
      if (!signal.aborted) log.warn('live_replay_failed', 'Events cannot be replayed', { error: errorMessage(error) })
      this.close()
    }
  }

  async #drained(): Promise<void> {
    const { response, clock } = this.#options
    if (!response.writableNeedDrain || this.#stop.signal.aborted) return
    const stall = clock.schedule(REPLAY_STALL_MS, () => this.#cutOff())
    await new Promise<void>((resolve) => {
      response.once('drain', () => resolve())
      this.#stop.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    stall.cancel()
  }

  #send(event: RecordedEvent): void {
    const { streamId, type } = this.#options.filter
    if (streamId !== undefined && event.streamId !== streamId) return
    if (type !== undefined && event.type !== type) return
    const id = event.sequence === undefined ? '' : `id: ${event.sequence}\n`
    this.#write(`${id}event: ${event.type}\ndata: ${JSON.stringify(toEventMessage(event))}\n\n`)
  }

  #write(text: string): void {
    if (this.#stop.signal.aborted) return
    const { response } = this.#options
    response.write(text)
    if (response.writableLength > UNREAD_BYTES_MAX) this.#cutOff()
  }

  #cutOff(): void {
    if (this.#stop.signal.aborted) return
    this.#options.log.warn('live_listener_dropped', 'A listener of the events does not read and was cut off')
    this.close()
    this.#options.response.destroy()
  }

  #beat(): void {
    this.#heartbeat = this.#options.clock.schedule(HEARTBEAT_MS, () => {
      this.#write(': heartbeat\n\n')
      if (!this.#stop.signal.aborted) this.#beat()
    })
  }
}
