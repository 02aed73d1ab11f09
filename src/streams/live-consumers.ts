import type { HlsViewRequest } from './hls/hls-output.ts'
import type { LiveHls } from './hls/live-hls.ts'
import type { LiveOutput } from './live-output.ts'
import { OutputTap } from './output-tap.ts'
import type { OutputSink } from './output-tap.ts'
import type { ClientSnapshot, StreamRequest, ViewRequest } from './service.ts'
import type { SessionFailure } from './sources/session.ts'
import type { StreamContext } from './stream-context.ts'
import type { StreamCounters } from './stream-counters.ts'
import type { StreamReporter } from './stream-reporter.ts'
import { setViewerHeaders } from './viewer-headers.ts'
import { Viewer } from './viewer.ts'

export interface LiveConsumersOptions extends Pick<StreamContext, 'clock'> {
  readonly streamId: string
  readonly request: () => StreamRequest
  readonly output: LiveOutput
  readonly hls: LiveHls
  readonly counters: StreamCounters
  readonly reporter: StreamReporter
  /** Somebody needs the stream: it has to be on air. */
  readonly onCame: () => void
  /** Somebody has left, who may have been the last. */
  readonly onLeft: () => void
  /** A consumer inside the gateway cannot use what the source on air sends. */
  readonly onRejected: (failure: SessionFailure) => void
}

type LeavingClient = Pick<Viewer, 'clientId' | 'userAgent' | 'ipAddress' | 'username' | 'bytesServed' | 'skips'>

/** Everybody who takes something of one live stream: viewers, players of HLS, and consumers inside the gateway. */
export class LiveConsumers {
  readonly #options: LiveConsumersOptions
  readonly #taps = new Set<OutputTap>()

  constructor(options: LiveConsumersOptions) {
    this.#options = options
  }

  get viewerCount(): number {
    const { output, hls } = this.#options
    return output.audience.size + hls.clients.size
  }

  /** Any one of them, for a word about who is affected. */
  get firstClientId(): string | undefined {
    const { output, hls } = this.#options
    return (output.audience.first ?? hls.clients.first)?.clientId
  }

  /** Whether anybody needs the continuous stream. */
  get wantContinuous(): boolean {
    const { output, hls, request } = this.#options
    const isForHls = !hls.isProxied && hls.clients.size > 0
    return output.audience.size > 0 || this.#taps.size > 0 || request().keepOpen || isForHls
  }

  /** Serves one client; resolves when its head is written. Throws a HoldfastError before anything was. */
  async view({ request, response, ...client }: ViewRequest, clientId: string): Promise<void> {
    const { clock, output, counters, reporter, onCame } = this.#options
    counters.lastAccessWallMs = clock.wallMs()
    setViewerHeaders(response, client.streamId, clientId)
    if (request.method === 'HEAD') {
      response.writeHead(200, output.head).end()
      return
    }
    const viewer = new Viewer({
      ...client,
      clientId,
      response,
      createdWallMs: clock.wallMs(),
      nowMs: () => clock.nowMs(),
      onClosed: () => {
        output.audience.remove(viewer)
        this.left(viewer)
      },
    })
    if (viewer.closed) return
    const admitted = output.audience.add(viewer)
    reporter.clientConnected(viewer, this.viewerCount)
    onCame()
    await admitted
  }

  /** Answers one request of an HLS player. */
  async serveHls(request: HlsViewRequest, clientId: string): Promise<void> {
    const { clock, hls, counters } = this.#options
    counters.lastAccessWallMs = clock.wallMs()
    await hls.serve(request, clientId)
  }

  /** Gives what viewers get to a consumer inside the gateway, for which the stream is kept on air. */
  tap(sink: OutputSink): OutputTap {
    const { output, onCame, onLeft, onRejected } = this.#options
    const onDisposed = () => {
      this.#taps.delete(tap)
      onLeft()
    }
    const tap = new OutputTap({ ring: output.ring, sink, onDisposed, onRejected })
    this.#taps.add(tap)
    onCame()
    return tap
  }

  clients(): readonly ClientSnapshot[] {
    const { clock, streamId, output, hls } = this.#options
    const continuous = Array.from(output.audience.all(), (viewer) => viewer.snapshot(streamId, clock))
    return [...continuous, ...hls.clients.snapshots()]
  }

  /** Ends every connection of this client. False if it has none. */
  disconnect(clientId: string): boolean {
    const { output, hls } = this.#options
    const wasPlaying = hls.clients.disconnect(clientId)
    return output.audience.cut(clientId) || wasPlaying
  }

  /** A client has left. */
  left(client: LeavingClient): void {
    const { clock, counters, reporter, onLeft } = this.#options
    counters.lastAccessWallMs = clock.wallMs()
    reporter.clientDisconnected(client, this.viewerCount)
    onLeft()
  }

  /** The stream has ended. */
  endAll(): void {
    const { output, hls } = this.#options
    output.end()
    hls.clients.disconnectAll()
    for (const tap of this.#taps) tap.end()
  }
}
