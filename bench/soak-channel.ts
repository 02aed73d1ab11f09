import type { Random } from '../src/lib/random.ts'
import type { GatewayProcess } from '../test/lab/gateway-process.ts'
import { HlsPlayer } from './hls-player.ts'
import { LowLatencyPlayer } from './low-latency-player.ts'
import { openOrigin, pick } from './soak-origins.ts'
import type { OriginKind, SoakOrigin } from './soak-origins.ts'

/** How somebody plays a channel. */
export type PlayKind = 'hls' | 'cmaf' | 'low_latency' | 'continuous' | 'paused'

export interface ChannelPlan {
  readonly name: string
  /** Its sources in order. */
  readonly origins: readonly OriginKind[]
  /** Fields of its creation. */
  readonly body: Readonly<Record<string, unknown>>
  readonly account?: { readonly account: string; readonly max_connections: number }
  readonly isTranscoded?: boolean
  readonly plays: readonly PlayKind[]
  /** It is not deleted before the end of a part: what grows for as long as a stream lives grows here. */
  readonly isKept?: boolean
}

const FAILBACK = { mode: 'auto', probation_seconds: 1, hold_down_seconds: 1 } as const
const PROGRAMMES = ['alpha', 'bravo', 'charlie'] as const
const STANDBYS = ['cold', 'warm', 'hot'] as const
const slate = { enabled: true, after_seconds: 1 } as const
const account = (name: string, connections: number) => ({ account: name, max_connections: connections })

/** HLS in each of the ways in which it comes into the gateway and out of it. */
export const PLANS: readonly ChannelPlan[] = [
  {
    name: 'hot',
    origins: ['ts', 'ts', 'killed'],
    body: { standby: 'hot', failback: FAILBACK, slate },
    plays: ['hls', 'hls', 'continuous'],
    isKept: true,
  },
  {
    name: 'hot-fmp4',
    origins: ['fmp4', 'fmp4', 'ts'],
    body: { standby: 'hot', failback: FAILBACK, slate },
    account: account('two', 2),
    plays: ['hls'],
  },
  {
    name: 'hot-single',
    origins: ['ts', 'ts'],
    body: { standby: 'hot', slate },
    account: account('single', 1),
    plays: ['hls', 'hls', 'continuous'],
  },
  {
    name: 'warm',
    origins: ['ts', 'fmp4'],
    body: { standby: 'warm', failback: FAILBACK, slate },
    account: account('one', 1),
    plays: ['hls'],
  },
  { name: 'cold', origins: ['fmp4', 'ts'], body: { standby: 'cold', slate: false }, plays: ['hls'] },
  {
    name: 'packaged',
    origins: ['continuous', 'ts', 'continuous'],
    body: { standby: 'hot', failback: FAILBACK, slate },
    plays: ['hls', 'cmaf', 'low_latency', 'continuous', 'paused'],
    isKept: true,
  },
  {
    name: 'encoded',
    origins: ['continuous', 'continuous'],
    body: { profile: 'lowlatency' },
    isTranscoded: true,
    plays: ['hls', 'low_latency', 'continuous'],
  },
]

/** Somebody who plays, and what was wrong with what they got. */
export interface SoakPlayer {
  readonly channel: SoakChannel
  leave(): Promise<readonly string[]>
}

let players = 0

/** A stream of the soak with its sources; it is created, edited and deleted while they fail. */
export class SoakChannel implements AsyncDisposable {
  readonly plan: ChannelPlan
  readonly #gateway: GatewayProcess
  readonly #origins: readonly SoakOrigin[]
  #streamId: string | undefined
  #isMixed = false
  /** Playlists begin anew with it. */
  generation = 0

  private constructor(gateway: GatewayProcess, plan: ChannelPlan, origins: readonly SoakOrigin[]) {
    this.#gateway = gateway
    this.plan = plan
    this.#origins = origins
  }

  static async open(gateway: GatewayProcess, plan: ChannelPlan): Promise<SoakChannel> {
    const origins: SoakOrigin[] = []
    for (const [index, kind] of plan.origins.entries()) {
      origins.push(await openOrigin(kind, `${plan.name}-${index}`, PROGRAMMES[index] ?? 'alpha'))
    }
    return new SoakChannel(gateway, plan, origins)
  }

  get exists(): boolean {
    return this.#streamId !== undefined
  }

  /** Makes the stream, or changes it: the order of its backups, its standby, with `isMixed` the way in which it becomes HLS. */
  async create(random?: Random, continuousUrl?: string): Promise<void> {
    const [first, ...others] = this.#origins.map(({ url }) => url)
    const backups = random !== undefined && random.next() < 0.5 ? others.toReversed() : others
    const urls = [first ?? '', ...backups, ...(continuousUrl === undefined ? [] : [continuousUrl])]
    const { body, account, isTranscoded = false } = this.plan
    const standby = random === undefined || isTranscoded ? {} : { standby: pick(STANDBYS, random) }
    const listed = isTranscoded ? { failover_urls: backups } : { sources: urls.map((url) => ({ url, ...account })) }
    const answer = await this.#gateway.api.call<{ stream_id: string }>(
      'POST',
      isTranscoded ? '/transcode' : '/streams',
      { url: first, ...listed, ...body, ...standby },
    )
    if (answer.status !== 200) throw new Error(`${this.plan.name} was answered with ${answer.status}: ${answer.text}`)
    this.#streamId = answer.body.stream_id
    const isMixed = continuousUrl !== undefined
    if (isMixed !== this.#isMixed) this.generation += 1
    this.#isMixed = isMixed
  }

  async delete(): Promise<void> {
    if (this.#streamId === undefined) return
    await this.#gateway.api.call('DELETE', `/streams/${this.#streamId}`)
    this.#streamId = undefined
    this.generation += 1
  }

  /** A switch by hand; it is refused where there is no other source. */
  async switchOver(): Promise<void> {
    await this.#gateway.api.call('POST', `/streams/${this.#streamId ?? ''}/failover`)
  }

  /** One source in trouble, another in order again. */
  async flap(random: Random): Promise<void> {
    await pick(this.#origins, random)?.fail(random)
    await pick(this.#origins, random)?.heal()
  }

  async failAll(random: Random): Promise<void> {
    for (const origin of this.#origins) await origin.fail(random)
  }

  /** A source that was killed has another address then, which the stream is told. */
  async healAll(): Promise<void> {
    for (const origin of this.#origins) await origin.heal()
    if (this.exists) await this.create()
  }

  play(random: Random): SoakPlayer {
    players += 1
    const base = `${this.#gateway.url}/hls/${this.#streamId ?? ''}`
    const query = `?client_id=player-${players}`
    const kind = pick(this.plan.plays, random) ?? 'hls'
    if (kind === 'hls') return this.#scored(new HlsPlayer(`${base}/playlist.m3u8${query}`))
    if (kind === 'cmaf') return this.#scored(new HlsPlayer(`${base}/cmaf/playlist.m3u8${query}`))
    if (kind === 'low_latency') {
      const player = new LowLatencyPlayer(`${base}/cmaf/playlist.m3u8${query}`)
      return { channel: this, leave: async () => (await player[Symbol.asyncDispose](), []) }
    }
    const viewer = this.#gateway.watch(this.#streamId ?? '', { keepBytesMax: 0 })
    if (kind === 'paused') viewer.pause()
    return { channel: this, leave: () => (viewer.close(), Promise.resolve([])) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const origin of this.#origins) await origin[Symbol.asyncDispose]()
  }

  #scored(player: HlsPlayer): SoakPlayer {
    const { generation } = this
    return {
      channel: this,
      leave: async () => {
        await player[Symbol.asyncDispose]()
        return generation === this.generation ? player.violations : []
      },
    }
  }
}
