import { once } from 'node:events'
import { Agent, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serviceDefaults } from '../src/failover/group.ts'
import { systemClock } from '../src/lib/clock.ts'
import { systemRandom } from '../src/lib/random.ts'
import { EndpointGroup } from '../src/proxy/endpoints/endpoint-group.ts'
import { defaultForwardPolicy, defaultHedgeBudget } from '../src/proxy/forward/forward-policy.ts'
import { Forwarder } from '../src/proxy/forward/forwarder.ts'
import { createFrontServer } from '../src/proxy/wire/front.ts'
import { defaultFrontLimits, defaultFrontTimeouts } from '../src/proxy/wire/front-options.ts'
import { TimerWheel } from '../src/proxy/wire/timer-wheel.ts'
import { ANSWER_MS, CONNECT_MS } from './http-proxies.ts'
import { note } from './report.ts'

/** A proxy that a benchmark starts as a process of its own: its kind and the ports of its upstreams are the arguments. */

const HEDGE_MS = 100

async function holdfast(ports: readonly number[], isHedging: boolean): Promise<number> {
  const wheel = new TimerWheel(systemClock)
  const onFault = (error: unknown) => note(`fault: ${String(error)}`)
  const shared = { clock: systemClock, random: systemRandom, wheel, onFault }
  const endpoints = ports.map((port) => ({
    ...{ id: String(port), url: `http://127.0.0.1:${port}`, priority: 0, weight: 1, enabled: true, drain: false },
  }))
  const group = new EndpointGroup({ ...shared, endpoints, policy: serviceDefaults })
  const forwarder = new Forwarder({ ...shared, pseudonym: 'bench' })
  const policy = {
    ...defaultForwardPolicy,
    ...{ connectMs: CONNECT_MS, firstByteMs: ANSWER_MS },
    hedge: isHedging ? { afterMs: HEDGE_MS, budget: defaultHedgeBudget } : undefined,
  }
  const facts = { host: 'keep', isForwardedTrusted: false } as const
  const front = createFrontServer({
    clock: systemClock,
    limits: defaultFrontLimits,
    timeouts: defaultFrontTimeouts,
    onFault,
    onRequest: (exchange) => forwarder.forward(exchange, group, policy, facts),
  })
  const { port } = await front.listen({ port: 0, host: '127.0.0.1' })
  return port
}

/** In turns to the upstreams, which is all that it offers. */
async function httpProxy3(ports: readonly number[]): Promise<number> {
  const { createProxyServer } = await import('http-proxy-3')
  const proxy = createProxyServer({ proxyTimeout: ANSWER_MS, agent: new Agent({ keepAlive: true, maxSockets: 256 }) })
  proxy.on('error', (_error, _request, response) => {
    // A socket where an upgrade was under way.
    if (!('writeHead' in response)) response.destroy()
    else if (response.headersSent) response.end()
    else response.writeHead(502).end()
  })
  let turn = 0
  const server = createServer((request, response) => {
    turn += 1
    proxy.web(request, response, { target: `http://127.0.0.1:${ports[turn % ports.length]}` })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const [kind = '', ...ports] = process.argv.slice(2)
const numbers = ports.map(Number)
const port = kind === 'http-proxy-3' ? await httpProxy3(numbers) : await holdfast(numbers, kind.endsWith('hedging'))
process.send?.({ port })
