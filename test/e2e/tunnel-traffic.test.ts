import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { ReplicaProcess } from '../lab/replica-process.ts'
import { TrafficTunnel } from '../lab/traffic-tunnel.ts'

/** Clients that send their requests through a tunnel of a real gateway to real replicas, which die and come back. */

const CHECKS = { TUNNEL_CHECK_SECONDS: '0.2' }

/** What clients got, one after the other, until they were stopped: names of replicas, or what was wrong. */
class Clients {
  readonly answers: string[] = []
  readonly #stopped = new AbortController()
  readonly #running: readonly Promise<void>[]

  constructor(tunnel: TrafficTunnel, count: number) {
    this.#running = Array.from({ length: count }, async () => this.#run(tunnel))
  }

  get failures(): readonly string[] {
    return this.answers.filter((answer) => answer.length > 1)
  }

  /** Resolves when so many more answers have come. */
  async more(count: number): Promise<void> {
    const wanted = this.answers.length + count
    await until(() => this.answers.length >= wanted, { what: `${count} more answers`, evidence: () => this.failures })
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await Promise.all(this.#running)
  }

  async #run(tunnel: TrafficTunnel): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      try {
        const answer = await tunnel.ask('/who')
        const text = await answer.text()
        this.answers.push(answer.status === 200 ? text : `${answer.status} ${text}`)
      } catch (error) {
        this.answers.push(`no answer: ${String(error)}`)
      }
      await systemClock.sleep(2)
    }
  }
}

test('clients see no failure while every replica is killed and comes back in turn', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using a = await ReplicaProcess.start('a')
  await using b = await ReplicaProcess.start('b')
  await using c = await ReplicaProcess.start('c')
  const tunnel = await TrafficTunnel.open(gateway, [a, b, c])
  const clients = new Clients(tunnel, 4)
  await clients.more(40)
  for (const [index, replica] of [a, b, c].entries()) {
    await replica.kill()
    await tunnel.becomes(index, 'unhealthy')
    await clients.more(40)
    await replica.up()
    await tunnel.becomes(index, 'healthy')
    await clients.more(40)
  }
  await clients.stop()
  assert.deepEqual(clients.failures, [])
  for (const name of ['a', 'b', 'c']) assert.ok(clients.answers.includes(name), `${name} has served`)
  const metrics = async () =>
    (await gateway.api.get<{ data: Record<string, number> }>(`/api/tunnels/${tunnel.id}/metrics`)).data
  // A request counts when the gateway is done with it, which may be a moment after its client is.
  const data = await until(
    async () => {
      const counted = await metrics()
      return counted['requestCount'] === clients.answers.length && counted
    },
    { what: 'the count of every request', evidence: () => clients.answers.length },
  )
  assert.equal(data['errorCount'], 0)
  assert.ok((data['averageLatency'] ?? 0) > 0)
})

test('a primary that dies is left for the standby and gone back to, and both are in the activity log', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using primary = await ReplicaProcess.start('p')
  await using standby = await ReplicaProcess.start('s')
  const tunnel = await TrafficTunnel.open(gateway, [primary, standby], { priorities: [2, 1] })
  const served = async () => (await tunnel.ask('/who')).text()
  assert.equal(await served(), 'p')
  await primary.kill()
  assert.equal(await served(), 's')
  for (let times = 0; times < 5; times += 1) assert.equal(await served(), 's')
  await tunnel.becomes(0, 'unhealthy')
  await primary.up()
  await tunnel.becomes(0, 'healthy')
  assert.equal(await served(), 'p')
  interface Activity {
    readonly action: string
  }
  const log = async () => gateway.api.get<{ data: readonly Activity[] }>(`/api/tunnels/${tunnel.id}/activity`)
  await until(async () => (await log()).data.filter(({ action }) => action === 'failover').length >= 2, {
    what: 'both ways in the activity log',
  })
})

test('weights 1, 2, 1 give every four requests to the replicas as one, two and one', async () => {
  await using gateway = await GatewayProcess.start({ env: { TUNNEL_CHECK_SECONDS: '600' } })
  await using a = await ReplicaProcess.start('a')
  await using b = await ReplicaProcess.start('b')
  await using c = await ReplicaProcess.start('c')
  const tunnel = await TrafficTunnel.open(gateway, [a, b, c], { weights: [1, 2, 1] })
  const served: Record<string, number> = { a: 0, b: 0, c: 0 }
  for (let times = 0; times < 200; times += 1) {
    // A POST: of what may be repeated a slow answer would be asked for elsewhere too.
    const name = await (await tunnel.ask('/who', { method: 'POST' })).text()
    served[name] = (served[name] ?? 0) + 1
  }
  assert.deepEqual(served, { a: 50, b: 100, c: 50 })
})

test('a pin sends every request to its endpoint until it is released', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using a = await ReplicaProcess.start('a')
  await using b = await ReplicaProcess.start('b')
  const tunnel = await TrafficTunnel.open(gateway, [a, b], { priorities: [2, 1] })
  const served = async () => (await tunnel.ask('/who')).text()
  await tunnel.tell('manual', 1)
  for (let times = 0; times < 4; times += 1) assert.equal(await served(), 'b')
  await tunnel.tell('manual', undefined, { auto: true })
  assert.equal(await served(), 'a')
})

test('an endpoint of weight 0 gets nothing while another works, and everything when none does', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using a = await ReplicaProcess.start('a')
  await using b = await ReplicaProcess.start('b')
  const tunnel = await TrafficTunnel.open(gateway, [a, b], { weights: [1, 0] })
  for (let times = 0; times < 6; times += 1) assert.equal(await (await tunnel.ask('/who')).text(), 'a')
  await a.kill()
  for (let times = 0; times < 6; times += 1) assert.equal(await (await tunnel.ask('/who')).text(), 'b')
})

test('a POST that a replica may have acted on is not sent again, and one that reached nobody is', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using a = await ReplicaProcess.start('a')
  await using b = await ReplicaProcess.start('b')
  const tunnel = await TrafficTunnel.open(gateway, [a, b], { priorities: [2, 1] })
  const answer = await tunnel.ask('/die', { method: 'POST', body: 'order 1' })
  assert.equal(answer.status, 502)
  assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/)
  assert.deepEqual(
    (await b.seen()).filter(({ method }) => method === 'POST'),
    [],
  )
  await a.kill()
  const second = await tunnel.ask('/upload', { method: 'POST', body: 'order 2' })
  assert.deepEqual([second.status, ((await second.json()) as { bytes: number }).bytes], [200, 7])
  assert.equal((await b.seen()).filter(({ method }) => method === 'POST').length, 1)
})

test('after kill -9 of the gateway clients are served again at once, and no endpoint is forgotten', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using a = await ReplicaProcess.start('a')
  await using b = await ReplicaProcess.start('b')
  const tunnel = await TrafficTunnel.open(gateway, [a, b], { priorities: [2, 1] })
  await a.kill()
  const clients = new Clients(tunnel, 3)
  await tunnel.becomes(0, 'unhealthy')
  await clients.more(10)
  // The answer to a change comes when that is stored, and so what was before it.
  await gateway.api.call('PUT', `/api/tunnels/${tunnel.id}`, { name: 'still here' })
  await gateway.restart()
  const before = clients.answers.length
  await clients.more(20)
  const after = clients.answers.slice(before).filter((answer) => !answer.startsWith('no answer'))
  assert.deepEqual([...new Set(after)], ['b'])
  assert.equal(await tunnel.health(0), 'unhealthy')
  await a.up()
  await tunnel.becomes(0, 'healthy')
  await until(() => clients.answers.at(-1) === 'a', { what: 'requests at the primary again' })
  await clients.stop()
})

test('a replica that hangs costs a request a second at most, and is left by itself', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using a = await ReplicaProcess.start('a')
  await using b = await ReplicaProcess.start('b')
  const tunnel = await TrafficTunnel.open(gateway, [a, b], { priorities: [2, 1] })
  assert.equal(await (await tunnel.ask('/who')).text(), 'a')
  a.freeze()
  const begunMs = systemClock.nowMs()
  assert.equal(await (await tunnel.ask('/who')).text(), 'b')
  // The timeout of the tunnel is 30 s: this shows that nobody waited for it.
  assert.ok(systemClock.nowMs() - begunMs < 29_000)
  for (let times = 0; times < 3; times += 1) assert.equal(await (await tunnel.ask('/who')).text(), 'b')
  await tunnel.becomes(0, 'unhealthy')
  a.thaw()
  await tunnel.becomes(0, 'healthy')
  assert.equal(await (await tunnel.ask('/who')).text(), 'a')
})

test('when no replica answers the client is told within the timeout of the tunnel', async () => {
  await using gateway = await GatewayProcess.start({ env: CHECKS })
  await using a = await ReplicaProcess.start('a')
  const tunnel = await TrafficTunnel.open(gateway, [a], { config: { timeout: 1_000 } })
  a.freeze()
  const answer = await tunnel.ask('/upload', { method: 'POST', body: 'x' })
  assert.equal(answer.status, 504)
  assert.equal(((await answer.json()) as { code: string }).code, 'endpoint_timeout')
  await a.kill()
  assert.equal((await tunnel.ask('/')).status, 502)
  const empty = { name: 'empty', endpoints: [] }
  const made = await gateway.api.call<{ data: { id: string } }>('POST', '/api/tunnels', empty)
  assert.equal((await fetch(`${gateway.url}/t/${made.body.data.id}/`)).status, 503)
})
