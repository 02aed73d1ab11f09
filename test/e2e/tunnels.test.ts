import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EndpointOrigin } from '../lab/endpoint-origin.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { JsonReceiver } from '../lab/json-receiver.ts'
import { until } from '../lab/poll.ts'

/** Tunnels on a real gateway: real checks of real endpoints, events to a real webhook, and a process that is killed. */

const TOKEN = 'lab-token-0123456789'
const CHECKS = { TUNNEL_CHECK_SECONDS: '0.2' }

interface EndpointStatus {
  readonly id: string
  readonly url: string
  readonly healthStatus: string
  readonly failureCount: number
  readonly isRecovering: boolean
}

interface TunnelAnswer {
  readonly data: {
    readonly id: string
    readonly status: string
    readonly endpoints: readonly { readonly id: string }[]
  }
}

/** The one tunnel of a test, by its API. */
class Tunnel {
  readonly #gateway: GatewayProcess
  readonly id: string
  readonly ids: readonly string[]

  private constructor(gateway: GatewayProcess, { data }: TunnelAnswer) {
    this.#gateway = gateway
    this.id = data.id
    this.ids = data.endpoints.map(({ id }) => id)
  }

  /** Endpoints in falling priority. */
  static async make(gateway: GatewayProcess, origins: readonly EndpointOrigin[]): Promise<Tunnel> {
    const endpoints = origins.map(({ url }, index) => ({ url, priority: origins.length - index }))
    const answer = await gateway.api.call<TunnelAnswer>('POST', '/api/tunnels', { name: 'lab', endpoints })
    assert.equal(answer.status, 201, answer.text)
    return new Tunnel(gateway, answer.body)
  }

  async tell(route: string, index: number, more: object = {}): Promise<void> {
    const body = { endpointId: this.ids[index], ...more }
    const answer = await this.#gateway.api.call('POST', `/api/tunnels/${this.id}/failover/${route}`, body)
    assert.equal(answer.status, 200, answer.text)
  }

  async chosen(): Promise<number> {
    const path = `/api/tunnels/${this.id}/failover/endpoint`
    const { endpoint } = await this.#gateway.api.get<{ endpoint: { id: string } }>(path)
    return this.ids.indexOf(endpoint.id)
  }

  async endpoint(index: number): Promise<EndpointStatus> {
    const path = `/api/tunnels/${this.id}/failover/status`
    const { endpoints } = await this.#gateway.api.get<{ endpoints: readonly EndpointStatus[] }>(path)
    const found = endpoints.find(({ id }) => id === this.ids[index])
    assert.ok(found)
    return found
  }

  async becomes(index: number, health: string): Promise<void> {
    await until(async () => (await this.endpoint(index)).healthStatus === health, {
      what: `endpoint ${index} ${health}`,
      evidence: () => this.#gateway.logs.slice(-5),
    })
  }
}

test('an endpoint that goes down is left, found to be up again, and gone back to', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using primary = await EndpointOrigin.start()
  await using secondary = await EndpointOrigin.start()
  const tunnel = await Tunnel.make(gateway, [primary, secondary])
  await tunnel.becomes(0, 'healthy')
  await tunnel.becomes(1, 'healthy')
  assert.equal(await tunnel.chosen(), 0)
  await primary.down()
  for (let times = 0; times < 3; times += 1) await tunnel.tell('record-failure', 0, { error: 'ECONNREFUSED' })
  // A check that was under way when it went down may still count for it, between the others.
  await tunnel.becomes(0, 'unhealthy')
  assert.equal(await tunnel.chosen(), 1)
  await primary.up()
  await tunnel.becomes(0, 'healthy')
  assert.equal(await tunnel.chosen(), 0)
  assert.ok(primary.asked.every((asked) => asked === 'HEAD /'))
})

test('an endpoint that is down from the start is found out by three checks', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using primary = await EndpointOrigin.start()
  await using secondary = await EndpointOrigin.start()
  primary.status = 503
  const tunnel = await Tunnel.make(gateway, [primary, secondary])
  await tunnel.becomes(0, 'unhealthy')
  assert.equal((await tunnel.endpoint(0)).failureCount >= 3, true)
  assert.equal(await tunnel.chosen(), 1)
})

test('after kill -9 no endpoint is forgotten and none is stuck', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using primary = await EndpointOrigin.start()
  await using secondary = await EndpointOrigin.start()
  const tunnel = await Tunnel.make(gateway, [primary, secondary])
  await tunnel.becomes(1, 'healthy')
  await gateway.api.call('POST', `/api/tunnels/${tunnel.id}/start`)
  await primary.down()
  for (let times = 0; times < 3; times += 1) await tunnel.tell('record-failure', 0)
  await tunnel.becomes(0, 'unhealthy')
  // The answer to another change comes when that is stored, and so what was before it.
  await gateway.api.call('PUT', `/api/tunnels/${tunnel.id}`, { name: 'still here' })
  await gateway.restart()
  const after = await tunnel.endpoint(0)
  assert.deepEqual([after.healthStatus, after.isRecovering], ['unhealthy', true])
  assert.ok(after.failureCount >= 3)
  assert.equal(await tunnel.chosen(), 1)
  const { data } = await gateway.api.get<TunnelAnswer>(`/api/tunnels/${tunnel.id}`)
  assert.equal(data.status, 'connected')
  await primary.up()
  await tunnel.becomes(0, 'healthy')
  assert.equal(await tunnel.chosen(), 0)
})

test('a pin survives kill -9, and the end of its time', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using primary = await EndpointOrigin.start()
  await using secondary = await EndpointOrigin.start()
  const tunnel = await Tunnel.make(gateway, [primary, secondary])
  await tunnel.tell('manual', 1)
  await gateway.restart()
  assert.equal(await tunnel.chosen(), 1)
  await tunnel.tell('manual', 1, { ttlSeconds: 3 })
  assert.equal(await tunnel.chosen(), 1)
  await until(async () => (await tunnel.chosen()) === 0, { what: 'the end of the pin' })
})

test('a failover is told to webhooks, signed, with who and why, and to the journal', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using receiver = await JsonReceiver.start()
  await using primary = await EndpointOrigin.start()
  await using secondary = await EndpointOrigin.start()
  const events = ['tunnel_created', 'tunnel.failover', 'TUNNEL.STATUS_CHANGED']
  assert.equal((await gateway.api.call('POST', '/webhooks', { url: receiver.url, events })).status, 200)
  const tunnel = await Tunnel.make(gateway, [primary, secondary])
  await gateway.api.call('POST', `/api/tunnels/${tunnel.id}/start`)
  await tunnel.tell('manual', 1)
  const delivered = await until(
    () => receiver.received.find(({ body }) => (body as { event_type: string }).event_type === 'tunnel.failover'),
    { what: 'the failover at the webhook' },
  )
  assert.match(String(delivered.headers['x-holdfast-signature']), /^t=\d+,v1=[0-9a-f]{64}$/)
  const { data } = delivered.body as { data: Record<string, unknown> }
  assert.deepEqual(
    { ...data, epoch: 0 },
    {
      ...{ tunnel_id: tunnel.id, name: 'lab', owner: 'admin', cause: 'pin', reason: 'pinned', by: 'admin', attempt: 1 },
      from: { endpoint_id: tunnel.ids[0], url: primary.url },
      to: { endpoint_id: tunnel.ids[1], url: secondary.url },
      ...{ evidence: null, epoch: 0 },
    },
  )
  const types = receiver.received.map(({ body }) => (body as { event_type: string }).event_type)
  assert.deepEqual(types.slice(0, 2), ['tunnel_created', 'TUNNEL.STATUS_CHANGED'])
  const told = async () =>
    (await gateway.api.get<{ events: readonly object[] }>('/events?type=tunnel.failover')).events.length
  await until(async () => (await told()) > 0, { what: 'the failover in the journal' })
  assert.equal(await told(), 1)
})

test('users reach private addresses only in networks that the operator opened', async () => {
  const env = { ...CHECKS, API_TOKEN: TOKEN }
  await using origin = await EndpointOrigin.start()
  for (const [networks, status] of [
    ['', 400],
    ['127.0.0.0/8', 201],
  ] as const) {
    await using gateway = await GatewayProcess.start({
      env: { ...env, TUNNEL_PRIVATE_NETWORKS: networks },
      token: TOKEN,
    })
    const made = await gateway.api.call<{ data: { key: string } }>('POST', '/api/keys', { name: 'a', owner: 'alice' })
    const alice = gateway.api.with({ 'x-api-token': made.body.data.key })
    const endpoints = [{ url: origin.url }]
    const tunnel = await alice.call<TunnelAnswer>('POST', '/api/tunnels', { name: 'inside', endpoints })
    assert.equal(tunnel.status, status, tunnel.text)
    if (status === 400) {
      assert.equal((tunnel.body as unknown as { code: string }).code, 'ENDPOINT_ADDRESS_FORBIDDEN')
      assert.deepEqual(origin.asked, [])
    } else {
      await until(() => origin.asked.length > 0, { what: 'a check of the endpoint' })
    }
  }
})
