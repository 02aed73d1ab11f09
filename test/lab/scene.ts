import type { JournalEvent } from './api.ts'
import { FaultOrigin } from './fault-origin.ts'
import type { FaultOriginOptions } from './fault-origin.ts'
import type { GatewayProcess } from './gateway-process.ts'
import { until } from './poll.ts'
import type { Viewer } from './viewer.ts'

export interface SceneOptions {
  readonly gateway: GatewayProcess
  /** Sources in the stream's order, the primary first. Each plays another programme. */
  readonly origins: readonly FaultOriginOptions[]
  /** The primary's URL when it is not the origin's own. */
  readonly primaryUrl?: (primary: FaultOrigin) => string
  /** More fields of the request that creates the stream. */
  readonly stream?: Readonly<Record<string, unknown>>
  /** Creates the stream in place of POST /streams, and gives its id. */
  readonly create?: (urls: readonly string[]) => Promise<string>
}

const PROGRAMMES = ['alpha', 'bravo', 'charlie'] as const
let scenes = 0

/** A stream on a running gateway with origins of its own, whose names no other scene of this process uses. */
export class Scene implements AsyncDisposable {
  readonly gateway: GatewayProcess
  readonly origins: readonly FaultOrigin[]
  readonly streamId: string
  readonly #viewers: Viewer[] = []

  private constructor(gateway: GatewayProcess, origins: readonly FaultOrigin[], streamId: string) {
    this.gateway = gateway
    this.origins = origins
    this.streamId = streamId
  }

  static async open({ gateway, origins: wanted, primaryUrl, stream, create }: SceneOptions): Promise<Scene> {
    scenes += 1
    const origins: FaultOrigin[] = []
    for (const [index, options] of wanted.entries()) {
      const programme = PROGRAMMES[index % PROGRAMMES.length] ?? 'alpha'
      origins.push(await FaultOrigin.start({ programme, ...options, name: `${options.name}-${scenes}` }))
    }
    const urls = origins.map((origin, index) =>
      index === 0 && primaryUrl !== undefined ? primaryUrl(origin) : origin.url,
    )
    return new Scene(gateway, origins, await (create?.(urls) ?? gateway.api.stream(urls, stream)))
  }

  /** The origin at a place in the stream's order, 0 the primary. */
  origin(index: number): FaultOrigin {
    const origin = this.origins[index]
    if (origin === undefined) throw new Error(`the scene has ${this.origins.length} origins, not ${index + 1}`)
    return origin
  }

  watch(options: Parameters<GatewayProcess['watch']>[1] = {}): Viewer {
    const viewer = this.gateway.watch(this.streamId, options)
    this.#viewers.push(viewer)
    return viewer
  }

  /** A viewer that already reads the primary. */
  async watching(options: Parameters<GatewayProcess['watch']>[1] = {}): Promise<Viewer> {
    const viewer = this.watch(options)
    await viewer.sees(this.origin(0).name)
    return viewer
  }

  /** The facts of every event of a type that the journal has of this stream. */
  async facts(type: string): Promise<readonly JournalEvent['data'][]> {
    return (await this.gateway.api.events(this.streamId, type)).map(({ data }) => data)
  }

  /** Those of the first event for which `isWanted` holds, once there is one. */
  async firstFacts(
    type: string,
    isWanted: (facts: JournalEvent['data']) => boolean = () => true,
    deadlineMs?: number,
  ): Promise<JournalEvent['data']> {
    return await until(async () => (await this.facts(type)).find(isWanted), {
      what: `the event ${type}`,
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    })
  }

  /** Until no origin has a connection of this stream any more. */
  async released(deadlineMs = 10_000): Promise<void> {
    await until(() => this.origins.every(({ connectionsNow }) => connectionsNow === 0), {
      what: 'the release of every source',
      deadlineMs,
      evidence: () => this.origins.map(({ name, connectionsNow }) => [name, connectionsNow]),
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const viewer of this.#viewers) viewer.close()
    if (await this.#isGatewayUp()) await this.gateway.api.call('DELETE', `/streams/${this.streamId}`)
    for (const origin of this.origins) await origin[Symbol.asyncDispose]()
  }

  async #isGatewayUp(): Promise<boolean> {
    try {
      await this.gateway.api.call('GET', '/health')
      return true
    } catch {
      return false
    }
  }
}
