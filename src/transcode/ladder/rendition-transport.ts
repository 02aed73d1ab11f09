import type { RenditionFilter } from '../../mpegts/rendition-filter.ts'
import type { OutputSink, OutputTap } from '../../streams/output-tap.ts'
import { PacketRuns } from '../../streams/packager/packet-runs.ts'
import type {
  SourceFailure,
  SourceNetwork,
  SourceReader,
  SourceRequest,
  SourceResponseHandler,
  SourceTransport,
} from '../../streams/sources/http-client.ts'

export interface RenditionTransportOptions {
  /** Taps the stream that carries all renditions. */
  readonly tap: (sink: OutputSink) => OutputTap
  /** Makes a filter; undefined while it is not known what is in the stream. */
  readonly createFilter: () => RenditionFilter | undefined
}

export interface RenditionTransport {
  readonly open: SourceTransport
  /** What is to carry the renditions has failed: whoever waits for the first media is told why. */
  failed(failure: SourceFailure): void
}

/** A source that is one rendition of a stream of the gateway which carries several. */
export function createRenditionTransport(options: RenditionTransportOptions): RenditionTransport {
  let latest: RenditionReader | undefined
  return {
    open: (request, handler, network) => {
      latest = new RenditionReader(options, request, handler, network)
      return latest
    },
    failed: (failure) => latest?.failed(failure),
  }
}

class RenditionReader implements SourceReader {
  readonly #options: RenditionTransportOptions
  readonly #request: SourceRequest
  readonly #handler: SourceResponseHandler
  readonly #network: SourceNetwork
  readonly #startedAtMs: number
  readonly #runs = new PacketRuns()
  readonly #onAbort = () => this.#end(() => this.#handler.onFailure({ kind: 'aborted', message: 'it was aborted' }))
  #filter: RenditionFilter | undefined
  #tap: OutputTap | undefined
  #skips = 0
  #isPaused = false
  #hasBegun = false
  #isDone = false

  constructor(
    options: RenditionTransportOptions,
    request: SourceRequest,
    handler: SourceResponseHandler,
    network: SourceNetwork,
  ) {
    this.#options = options
    this.#request = request
    this.#handler = handler
    this.#network = network
    this.#startedAtMs = network.clock.nowMs()
    queueMicrotask(() => this.#begin())
  }

  close(): void {
    this.#end(() => {})
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#tap?.resume()
  }

  failed(failure: SourceFailure): void {
    if (!this.#hasBegun) this.#end(() => this.#handler.onFailure(failure))
  }

  #begin(): void {
    if (this.#isDone) return
    const { signal } = this.#request
    if (signal.aborted) {
      this.#onAbort()
      return
    }
    signal.addEventListener('abort', this.#onAbort, { once: true })
    const tap = this.#options.tap({
      write: (media) => this.#take(media),
      end: () => this.#end(() => this.#handler.onEnd()),
    })
    this.#tap = tap
    if (this.#isDone) tap[Symbol.dispose]()
  }

  #take(media: Buffer): boolean {
    if (this.#isDone) return false
    const skips = this.#tap?.skips ?? 0
    // What is missing may have ended in the middle of a packet.
    if (skips !== this.#skips) this.#runs.restart()
    this.#skips = skips
    this.#filter ??= this.#options.createFilter()
    const filter = this.#filter
    if (filter === undefined) return true
    this.#runs.push(media, (run) => this.#putOut(filter.push(run)))
    return !this.#isPaused
  }

  #putOut(packets: Buffer): void {
    if (packets.length === 0 || this.#isDone) return
    if (!this.#hasBegun) {
      this.#hasBegun = true
      const elapsedMs = this.#network.clock.nowMs() - this.#startedAtMs
      const headers = { 'content-type': 'video/mp2t' }
      const verdict = this.#handler.onHead({ status: 200, headers, finalUrl: this.#request.url, elapsedMs })
      if (verdict === 'reject') return
    }
    if (!this.#handler.onData(packets)) this.pause()
  }

  #end(tell: () => void): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#request.signal.removeEventListener('abort', this.#onAbort)
    this.#tap?.[Symbol.dispose]()
    tell()
  }
}
