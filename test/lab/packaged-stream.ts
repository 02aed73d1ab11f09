import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { HoldfastError } from '../../src/lib/errors.ts'
import type { SimulatedClock } from '../../src/lib/simulated-clock.ts'
import type { Json } from '../../src/store/store.ts'
import type { FragmentSource } from '../../src/streams/cmaf/fragment.ts'
import { createFramer } from '../../src/streams/framing/framing.ts'
import type { Container } from '../../src/streams/framing/framing.ts'
import { Packager } from '../../src/streams/packager/packager.ts'
import type { PackagerLimits } from '../../src/streams/packager/packager.ts'
import type { WindowSpill } from '../../src/streams/packager/segment-window.ts'
import { StreamRing } from '../../src/streams/ring.ts'
import { createSeamlessSplice, createUnitAlignedSplice } from '../../src/streams/splice.ts'
import type { SpliceOutput } from '../../src/streams/splice.ts'
import type { TsLoop } from './ts-loop.ts'
import { TS_PACKET_BYTES } from './marker.ts'

/** A ring that sources are spliced into, as in a live stream, at the pace of a simulated clock. */
export class SplicedStream {
  readonly ring: StreamRing
  readonly #clock: SimulatedClock
  readonly #splice
  readonly #output: SpliceOutput
  #turn = 0

  constructor(clock: SimulatedClock, isSeamless = true) {
    this.#clock = clock
    this.ring = new StreamRing({ bytesMax: 8_388_608, ageMsMax: 15_000 }, () => clock.nowMs())
    this.#splice = isSeamless ? createSeamlessSplice() : createUnitAlignedSplice()
    this.#output = (data, joinOffsets, preamble) => this.ring.append(data, joinOffsets, preamble)
  }

  /** Plays a source from its first keyframe on for `seconds` of its media, in pieces of `pieceMs`. */
  async play(loop: TsLoop, seconds: number, pieceMs = 40): Promise<void> {
    const framer = createFramer('mpegts')
    let hasBegun = false
    const sink = {
      packets: (data: Buffer, joinOffsets: readonly number[]) => {
        if (hasBegun) {
          this.#splice.push(data, joinOffsets, this.#output)
          return
        }
        const [from] = joinOffsets
        if (from === undefined) return
        hasBegun = true
        this.#splice.begin(framer, this.#output)
        const joins = joinOffsets.map((offset) => offset - from)
        this.#splice.push(data.subarray(from), joins, this.#output)
      },
    }
    const untilMs = seconds * 1_000
    for (let playedMs = 0; playedMs < untilMs; this.#turn += 1) {
      const bytes = loop.render(this.#turn, this.#clock.wallMs())
      let at = 0
      for (let dueMs = pieceMs; dueMs <= loop.durationMs && playedMs < untilMs; dueMs += pieceMs) {
        let end = at
        while (end < loop.packetCount && (loop.dueMs[end] ?? 0) < dueMs) end += 1
        framer.push(bytes.subarray(at * TS_PACKET_BYTES, end * TS_PACKET_BYTES), sink)
        at = end
        playedMs += pieceMs
        this.ring.publish()
        await this.#clock.advance(pieceMs)
      }
    }
  }

  /** The source on air has ended. */
  cut(): void {
    this.#splice.cut(this.#output)
    this.ring.publish()
  }
}

export interface PackagedStreamOptions {
  readonly clock: SimulatedClock
  readonly stream: SplicedStream
  readonly createMuxer: () => FragmentSource
  readonly limits?: Partial<PackagerLimits>
  readonly memory?: Json | undefined
  readonly spill?: WindowSpill
  readonly container?: () => Container | undefined
}

export interface HlsAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
  readonly text: string
}

const LIMITS: PackagerLimits = {
  hlsSegmentMs: 4_000,
  hlsPartMs: 500,
  hlsDvrMs: 30_000,
  hlsBufferBytesMax: 134_217_728,
  startTimeoutMs: 10_000,
}

/** A packager behind a server of its own, as the gateway's routes put it. */
export class PackagedStream implements AsyncDisposable {
  readonly packager: Packager
  readonly baseUrl: string
  readonly #server
  readonly #counted: { readonly changes: number }

  private constructor(
    packager: Packager,
    server: ReturnType<typeof createServer>,
    counted: { readonly changes: number },
  ) {
    this.packager = packager
    this.#counted = counted
    this.#server = server
    const { port } = server.address() as AddressInfo
    this.baseUrl = `http://127.0.0.1:${port}/hls/stream/`
  }

  static async start(options: PackagedStreamOptions): Promise<PackagedStream> {
    const counted = { changes: 0 }
    const packager = new Packager({
      streamId: 'stream',
      clock: options.clock,
      limits: { ...LIMITS, ...options.limits },
      ring: options.stream.ring,
      container: options.container ?? (() => 'mpegts'),
      createMuxer: options.createMuxer,
      spill: options.spill,
      memory: options.memory,
      onMemoryChanged: () => void (counted.changes += 1),
      failure: () => new HoldfastError('upstream_timeout', 'no source delivers'),
    })
    const server = createServer((request, response) => {
      void serve(packager, request, response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
    return new PackagedStream(packager, server, counted)
  }

  /** How often something changed that has to survive a restart. */
  get memoryChanges(): number {
    return this.#counted.changes
  }

  /** `path` below the stream, or what a playlist at `from` names. */
  async get(path: string, init: RequestInit = {}): Promise<HlsAnswer> {
    const response = await fetch(new URL(path, this.baseUrl), init)
    const body = Buffer.from(await response.arrayBuffer())
    return { status: response.status, headers: response.headers, body, text: body.toString() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.packager[Symbol.dispose]()
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

async function serve(packager: Packager, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader('access-control-allow-origin', '*')
  const url = new URL(request.url ?? '/', 'http://127.0.0.1')
  const query = Object.fromEntries(url.searchParams)
  const carried = Object.fromEntries(Object.entries(query).filter(([name]) => name === 'client_id' || name === 'token'))
  const path = decodeURIComponent(url.pathname.replace('/hls/stream/', ''))
  try {
    await packager.serve({ streamId: 'stream', path, query, carried, request, response })
  } catch (error) {
    if (!(error instanceof HoldfastError)) {
      response.writeHead(500).end(String(error))
      return
    }
    response.writeHead(error.status).end(error.code)
  }
}
