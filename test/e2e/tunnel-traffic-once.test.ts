import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { FaultUpstream } from '../lab/fault-upstream.ts'
import type { UpstreamMode } from '../lab/fault-upstream.ts'
import { ask } from '../lab/forward-lab.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { TrafficTunnel } from '../lab/traffic-tunnel.ts'

/** Orders through a tunnel while its endpoints die and come back by chance: none is delivered twice, ever. */

const RUN_MS = 8_000
const CLIENTS = 8
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** Takes a moment for each answer, so that a death finds requests under way. */
const slow: UpstreamMode = {
  kind: 'custom',
  answer: (socket) => {
    systemClock.schedule(5, () => {
      if (!socket.destroyed) socket.write(ANSWER)
    })
  },
}

const seed = 20_261
test(`a POST reaches an endpoint at most once, and exactly once when it was answered (seed ${seed})`, async () => {
  const random = seededRandom(seed)
  await using gateway = await GatewayProcess.start({ env: { TUNNEL_CHECK_SECONDS: '0.2' } })
  await using a = await FaultUpstream.start('a')
  await using b = await FaultUpstream.start('b')
  await using c = await FaultUpstream.start('c')
  const all = [a, b, c]
  const tunnel = await TrafficTunnel.open(gateway, all)
  for (const upstream of all) await upstream.become(slow)
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
  const endMs = systemClock.nowMs() + RUN_MS
  const statuses = new Map<string, number>()
  const client = async (): Promise<void> => {
    while (systemClock.nowMs() < endMs) {
      const order = `order-${statuses.size}`
      statuses.set(order, 0)
      const body = 'x'.repeat(Math.floor(random.next() * 100_000))
      const path = new URL(tunnel.url('/orders')).pathname
      const { status } = await ask(gateway.port, agent, path, { method: 'POST', headers: { 'X-Order': order }, body })
      statuses.set(order, status)
    }
  }
  const killer = async (): Promise<void> => {
    while (systemClock.nowMs() < endMs) {
      const victim = all[Math.floor(random.next() * all.length)]
      await victim?.become({ kind: 'refuse' })
      await systemClock.sleep(50 + random.next() * 250)
      await victim?.become(slow)
      await systemClock.sleep(random.next() * 100)
    }
  }
  await Promise.all([killer(), ...Array.from({ length: CLIENTS }, client)])
  agent.destroy()
  const reached = new Map<string, number>()
  for (const { fields } of all.flatMap(({ requests }) => requests)) {
    const order = fields.get('x-order')
    if (order !== undefined) reached.set(order, (reached.get(order) ?? 0) + 1)
  }
  const repeated = [...reached].filter(([, times]) => times > 1)
  assert.deepEqual(repeated, [], 'orders that were delivered twice')
  const answered = [...statuses].filter(([, status]) => status === 200)
  assert.ok(answered.length > 100, `${answered.length} were answered`)
  assert.ok(answered.every(([order]) => reached.get(order) === 1))
  const failed = [...statuses.values()].filter((status) => status !== 200)
  // Whoever was under way at a death is told so; that it was told at all shows that deaths found requests under way.
  assert.ok(failed.length > 0 && failed.every((status) => status === 502), JSON.stringify(failed))
})
