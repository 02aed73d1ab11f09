import type { Api } from './api.ts'
import type { GatewayProcess } from './gateway-process.ts'
import { until } from './poll.ts'

interface TunnelAnswer {
  readonly data: { readonly id: string; readonly endpoints: readonly { readonly id: string }[] }
}

interface TunnelInput {
  readonly weights?: readonly number[]
  readonly priorities?: readonly number[]
  readonly public?: boolean
  readonly config?: Readonly<Record<string, unknown>>
  /** Behind the address of each replica. */
  readonly basePath?: string
}

interface EndpointStatus {
  readonly id: string
  readonly healthStatus: string
}

/** A tunnel to replicas, and the requests that go through it. */
export class TrafficTunnel {
  readonly id: string
  readonly endpointIds: readonly string[]
  readonly #gateway: GatewayProcess
  readonly #api: Api

  private constructor(gateway: GatewayProcess, api: Api, { data }: TunnelAnswer) {
    this.#gateway = gateway
    this.#api = api
    this.id = data.id
    this.endpointIds = data.endpoints.map(({ id }) => id)
  }

  /** Equal priorities and weights unless they are given. Resolves when all endpoints are known to be healthy. */
  static async open(
    gateway: GatewayProcess,
    replicas: readonly { readonly url: string }[],
    { weights = [], priorities = [], basePath = '', ...more }: TunnelInput = {},
    api: Api = gateway.api,
  ): Promise<TrafficTunnel> {
    const endpoints = replicas.map(({ url }, index) => ({
      url: url + basePath,
      priority: priorities[index] ?? 0,
      weight: weights[index] ?? 1,
    }))
    const answer = await api.call<TunnelAnswer>('POST', '/api/tunnels', {
      name: `t-${Math.random()}`,
      endpoints,
      ...more,
    })
    if (answer.status !== 201) throw new Error(`the tunnel was not made: ${answer.text}`)
    const tunnel = new TrafficTunnel(gateway, api, answer.body)
    for (const [index] of replicas.entries()) await tunnel.becomes(index, 'healthy')
    return tunnel
  }

  /** Of a path below the tunnel. */
  url(path = '/'): string {
    return `${this.#gateway.url}/t/${this.id}${path}`
  }

  async ask(path = '/', init: RequestInit = {}): Promise<Response> {
    return fetch(this.url(path), init)
  }

  /** A failover route of the API; throws unless it answers 200. */
  async tell(route: string, index: number | undefined, more: object = {}): Promise<void> {
    const body = index === undefined ? more : { endpointId: this.endpointIds[index], ...more }
    const answer = await this.#api.call('POST', `/api/tunnels/${this.id}/failover/${route}`, body)
    if (answer.status !== 200) throw new Error(`${route} answered ${answer.status}: ${answer.text}`)
  }

  async health(index: number): Promise<string | undefined> {
    const path = `/api/tunnels/${this.id}/failover/status`
    const { endpoints } = await this.#api.get<{ endpoints: readonly EndpointStatus[] }>(path)
    return endpoints.find(({ id }) => id === this.endpointIds[index])?.healthStatus
  }

  async becomes(index: number, health: string): Promise<void> {
    await until(async () => (await this.health(index)) === health, { what: `endpoint ${index} ${health}` })
  }
}
