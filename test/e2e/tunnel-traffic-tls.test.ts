import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createCertificates } from '../lab/certificates.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { TrafficTunnel } from '../lab/traffic-tunnel.ts'

/** Tunnels to HTTPS endpoints, whose authority the gateway is told of as any program on Node.js is. */

const [known, unknown] = await Promise.all([createCertificates(), createCertificates()])
const directory = await mkdtemp(join(tmpdir(), 'holdfast-lab-tls-'))
const caFile = join(directory, 'ca')
await writeFile(caFile, known.ca)
after(() => rm(directory, { recursive: true }))
const env = { NODE_EXTRA_CA_CERTS: caFile, TUNNEL_CHECK_SECONDS: '0.2' }

class SecureReplica implements AsyncDisposable {
  readonly name: string
  readonly #server: Server
  requests = 0

  private constructor(name: string, identity: { readonly cert: Buffer; readonly key: Buffer }) {
    this.name = name
    this.#server = createServer(identity, (request, response) => {
      if (request.method !== 'HEAD') this.requests += 1
      request.resume().on('end', () => response.end(name))
    })
  }

  static async start(name: string, identity: { readonly cert: Buffer; readonly key: Buffer }): Promise<SecureReplica> {
    const replica = new SecureReplica(name, identity)
    replica.#server.listen(0, '127.0.0.1')
    await once(replica.#server, 'listening')
    return replica
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }
}

test('requests go through to HTTPS endpoints, bodies too, and to the second when the first dies', async () => {
  await using gateway = await GatewayProcess.start({ env })
  await using a = await SecureReplica.start('a', known.server)
  await using b = await SecureReplica.start('b', known.server)
  const tunnel = await TrafficTunnel.open(gateway, [a, b], { priorities: [2, 1] })
  assert.equal(await (await tunnel.ask('/')).text(), 'a')
  const sent = await tunnel.ask('/', { method: 'POST', body: 'x'.repeat(200_000) })
  assert.equal(await sent.text(), 'a')
  await a[Symbol.asyncDispose]()
  for (let times = 0; times < 5; times += 1) assert.equal(await (await tunnel.ask('/')).text(), 'b')
  await tunnel.becomes(0, 'unhealthy')
})

test('an endpoint that cannot prove who it is gets no request', async () => {
  await using gateway = await GatewayProcess.start({ env })
  await using a = await SecureReplica.start('a', known.server)
  await using stranger = await SecureReplica.start('stranger', unknown.server)
  const tunnel = await TrafficTunnel.open(gateway, [a])
  const path = `/api/tunnels/${tunnel.id}`
  const endpoints = [
    { url: stranger.url, priority: 9, weight: 1 },
    { url: a.url, priority: 1, weight: 1 },
  ]
  const changed = await gateway.api.call('PUT', path, { endpoints })
  assert.equal(changed.status, 200, changed.text)
  for (let times = 0; times < 5; times += 1) assert.equal(await (await tunnel.ask('/')).text(), 'a')
  assert.equal(stranger.requests, 0)
})
