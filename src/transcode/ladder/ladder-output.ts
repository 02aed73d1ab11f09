import { HoldfastError } from '../../lib/errors.ts'
import { RenditionFilter } from '../../mpegts/rendition-filter.ts'
import type { HlsViewRequest } from '../../streams/hls/hls-output.ts'
import { LiveStream } from '../../streams/live-stream.ts'
import type { LiveStreamOptions } from '../../streams/live-stream.ts'
import type {
  ClientSnapshot,
  RenditionRequest,
  StopReason,
  StreamRequest,
  StreamSnapshot,
  ViewRequest,
} from '../../streams/service.ts'
import type { SourceFailure } from '../../streams/sources/http-client.ts'
import type { StreamMemory } from '../../streams/stream-counters.ts'
import { programmeRequest, renditionEvents, renditionLog, renditionRequest } from '../stream-halves.ts'
import type { TranscodedOutput } from '../transcoded-output.ts'
import { LadderPackager } from './ladder-packager.ts'
import { createRenditionTransport } from './rendition-transport.ts'
import type { RenditionTransport } from './rendition-transport.ts'
import { RENDITIONS_MAX, streamsOf } from './rungs.ts'

export interface LadderOutputOptions extends LiveStreamOptions {
  /** What the encoder makes, best first; undefined while it has not been started. */
  readonly rungs: () => readonly RenditionRequest[] | undefined
}

interface Rendition {
  readonly stream: LiveStream
  readonly transport: RenditionTransport
}

/**
 * The output of an encoder that makes several renditions. They come as one programme, spliced as a whole, so that their
 * timestamps stay the same through every restart of the encoder; players of HLS get them from there. Viewers of one
 * continuous rendition have a stream of their own, whose only source is what belongs to it.
 */
export class LadderOutput implements TranscodedOutput {
  readonly #options: LadderOutputOptions
  readonly #programme: LiveStream
  readonly #renditions = new Map<number, Rendition>()

  constructor(options: LadderOutputOptions) {
    this.#options = options
    const { rungs } = options
    this.#programme = new LiveStream({
      ...options,
      request: programmeRequest(options.request),
      createPackager: (packager) => new LadderPackager({ ...packager, rungs }),
      metrics: {
        ...options.metrics,
        sourceFailed: (reason) => {
          options.metrics.sourceFailed(reason)
          this.#failed({ kind: 'process_failed', message: `the encoder delivers nothing (${reason})` })
        },
      },
    })
  }

  get memory(): StreamMemory {
    const own = this.#programme.memory
    const served = this.#streams.reduce((sum, { memory }) => sum + memory.bytesServed, 0)
    return { ...own, bytesServed: own.bytesServed + served }
  }

  get viewerCount(): number {
    return this.#streams.reduce((sum, { viewerCount }) => sum + viewerCount, this.#programme.viewerCount)
  }

  /** How many watch each rendition as a continuous stream. */
  viewersOf(index: number): number {
    return this.#renditions.get(index)?.stream.viewerCount ?? 0
  }

  start(): void {
    this.#programme.start()
  }

  async view(request: ViewRequest, clientId: string): Promise<void> {
    const index = request.rendition ?? 0
    const count = this.#options.rungs()?.length ?? RENDITIONS_MAX
    if (index >= count) throw new HoldfastError('rendition_not_found', `There are ${count} renditions, from 0 on`)
    await this.#rendition(index).stream.view(request, clientId)
  }

  async serveHls(request: HlsViewRequest, clientId: string): Promise<void> {
    await this.#programme.serveHls(request, clientId)
  }

  hasHlsClient(clientId: string): boolean {
    return this.#programme.hasHlsClient(clientId)
  }

  update(request: StreamRequest): void {
    this.#programme.update(programmeRequest(request))
    for (const stream of this.#streams) stream.update(renditionRequest(request))
  }

  disconnect(clientId: string): boolean {
    return [this.#programme, ...this.#streams].map((stream) => stream.disconnect(clientId)).includes(true)
  }

  close(reason: StopReason): void {
    for (const stream of this.#streams) stream.close(reason)
    this.#programme.close(reason)
  }

  clients(): readonly ClientSnapshot[] {
    return [this.#programme, ...this.#streams].flatMap((stream) => stream.clients())
  }

  snapshot(): StreamSnapshot {
    const { memory, viewerCount } = this
    const own = this.#programme.snapshot()
    const lastAccessWallMs = this.#streams
      .map((stream) => stream.snapshot().lastAccessWallMs)
      .reduce((latest, each) => Math.max(latest, each), own.lastAccessWallMs)
    return { ...own, clientCount: viewerCount, totalBytesServed: memory.bytesServed, lastAccessWallMs }
  }

  get #streams(): readonly LiveStream[] {
    return Array.from(this.#renditions.values(), ({ stream }) => stream)
  }

  #rendition(index: number): Rendition {
    const known = this.#renditions.get(index)
    if (known !== undefined) return known
    const { rungs, limits, request, events, log, ...options } = this.#options
    const transport = createRenditionTransport({
      tap: (sink) => this.#programme.tap(sink),
      createFilter: () => {
        const streams = streamsOf(rungs() ?? [])[index]
        return streams === undefined ? undefined : new RenditionFilter(streams)
      },
    })
    const stream = new LiveStream({
      ...options,
      request: renditionRequest(request),
      memory: undefined,
      // The programme stays for a while as it is.
      limits: { ...limits, graceMs: 0 },
      ...{ events: renditionEvents(events, () => this.viewerCount), log: renditionLog(log) },
      metrics: { switched: () => {}, sourceCondition: () => {}, sourceFailed: () => {} },
      transportOf: () => transport.open,
    })
    const rendition = { stream, transport }
    this.#renditions.set(index, rendition)
    return rendition
  }

  /** Whoever waits for the first picture is told that there will be none. */
  #failed(failure: SourceFailure): void {
    for (const { transport } of this.#renditions.values()) transport.failed(failure)
  }
}
