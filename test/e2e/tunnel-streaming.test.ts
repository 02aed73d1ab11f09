import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Agent } from 'node:http'
import { test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { ask } from '../lab/forward-lab.ts'
import type { Answer } from '../lab/forward-lab.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { ReplicaProcess } from '../lab/replica-process.ts'
import { replicaBytes } from '../lab/replica-bytes.ts'
import { TrafficTunnel } from '../lab/traffic-tunnel.ts'

/** Clients that stream through a tunnel while every endpoint in turn is killed and comes back. */

const REPLICAS = 3
const ROUNDS = 2
/** Paced by the replica: about two seconds, so that several deaths fall into one download. */
const DOWNLOAD_BYTES = 8 * 2 ** 20
const UPLOAD = Buffer.alloc(40_000, 'up')
/** A dead endpoint's requests are seen to move on before the next one dies. */
const DOWN_MS = 250

interface Tally {
  readonly failures: string[]
  requests: number
  downloads: number
  /** Connections of the event stream, and events that came over them. */
  connections: number
  events: number
}

class Room {
  readonly tally: Tally = { failures: [], requests: 0, downloads: 0, connections: 0, events: 0 }
  /** Requests with a range that endpoints saw: downloads that went on in the middle. */
  resumed = 0
  readonly #port: number
  readonly #path: string
  readonly #stopped = new AbortController()

  constructor(gateway: GatewayProcess, tunnel: TrafficTunnel) {
    this.#port = gateway.port
    this.#path = new URL(tunnel.url()).pathname
  }

  stop(): void {
    this.#stopped.abort()
  }

  /** To be called before a replica dies, which takes what it has seen along. */
  async countResumed(replica: ReplicaProcess): Promise<void> {
    const seen = await replica.seen()
    this.resumed += seen.filter(({ fields }) => fields.some((field) => /^if-range$/i.test(field))).length
  }

  /** Small requests that may be repeated. */
  async shortRequests(): Promise<void> {
    const sha256 = createHash('sha256').update(UPLOAD).digest('hex')
    await this.#repeat(async (agent) => {
      const read = await this.#ask(agent, 'bytes/3000', {})
      if (!read.body.equals(replicaBytes(0, 3_000))) this.#failed('GET', read)
      const put = await this.#ask(agent, 'upload', { method: 'PUT', body: UPLOAD })
      if (!put.body.toString().includes(sha256)) this.#failed('PUT', put)
      this.tally.requests += 2
    })
  }

  /** `from`: with a range of the client's own. */
  async downloads(query: string, from = 0): Promise<void> {
    const headers: Readonly<Record<string, string>> = from === 0 ? {} : { range: `bytes=${from}-` }
    const wanted = replicaBytes(from, DOWNLOAD_BYTES)
    await this.#repeat(async (agent) => {
      const answer = await this.#ask(agent, `bytes/${DOWNLOAD_BYTES}?pace=15${query}`, { headers })
      const isRight = answer.status === (from === 0 ? 200 : 206) && answer.isWhole && answer.body.equals(wanted)
      if (!isRight) this.#failed(`download from ${from}`, answer)
      this.tally.downloads += 1
    })
  }

  /** As a browser reads an event stream: it connects again whenever the stream ends. */
  async eventStream(): Promise<void> {
    const { signal } = this.#stopped
    while (!signal.aborted) {
      this.tally.connections += 1
      try {
        const answer = await fetch(`http://127.0.0.1:${this.#port}${this.#path}events`, { signal })
        const type = answer.headers.get('content-type')
        if (answer.status !== 200 || type !== 'text/event-stream' || answer.body === null) {
          this.tally.failures.push(`events: ${answer.status} ${type}`)
          continue
        }
        for await (const piece of answer.body)
          this.tally.events += Buffer.from(piece).toString().split('data:').length - 1
      } catch (error) {
        // The stream broke off, which is how its client learns to connect again. One that never began is no stream.
        const isConnected = error instanceof TypeError && error.message === 'terminated'
        if (!isConnected && !signal.aborted) this.tally.failures.push(`events: ${String(error)}`)
      }
    }
  }

  async #ask(agent: Agent, path: string, options: Parameters<typeof ask>[3]): Promise<Answer> {
    const answer = await ask(this.#port, agent, this.#path + path, options)
    if (!answer.isWhole) this.#failed(path, answer)
    return answer
  }

  #failed(what: string, { status, error, body, isWhole }: Answer): void {
    const shown = `${status}, ${body.length} bytes${isWhole ? '' : ', broken off'} ${error ?? ''}`
    this.tally.failures.push(`${what}: ${shown} ${status >= 400 ? body.toString() : ''}`)
  }

  async #repeat(once: (agent: Agent) => Promise<void>): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    while (!this.#stopped.signal.aborted) await once(agent)
    agent.destroy()
  }
}

test('streams, downloads and uploads through a tunnel survive the death of every endpoint, each in its turn', async () => {
  await using gateway = await GatewayProcess.start({ env: { TUNNEL_CHECK_SECONDS: '0.2' } })
  await using stack = new AsyncDisposableStack()
  const replicas = await Promise.all(Array.from({ length: REPLICAS }, (_, index) => ReplicaProcess.start(`r${index}`)))
  for (const replica of replicas) stack.use(replica)
  const tunnel = await TrafficTunnel.open(gateway, replicas)
  const room = new Room(gateway, tunnel)
  const { tally } = room
  const clients = [
    ...[room.shortRequests(), room.shortRequests(), room.downloads(''), room.downloads('&chunked')],
    ...[room.downloads('', 1_000_001), room.eventStream(), room.eventStream()],
  ]
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, replica] of replicas.entries()) {
      await room.countResumed(replica)
      await replica.kill()
      await systemClock.sleep(DOWN_MS)
      const { events } = tally
      await until(() => tally.events > events, { what: 'events from another endpoint', evidence: () => tally })
      await replica.up()
      await tunnel.becomes(index, 'healthy')
    }
  }
  const { downloads } = tally
  // Downloads that the deaths fell into come to their end.
  const isEnough = () => tally.requests > 50 && tally.events > 20
  await until(() => tally.downloads >= downloads + 6 && isEnough(), {
    what: 'whole downloads, requests and events',
    deadlineMs: 30_000,
    evidence: () => tally,
  })
  room.stop()
  await Promise.all(clients)
  for (const replica of replicas) await room.countResumed(replica)
  assert.deepEqual(tally.failures, [])
  assert.ok(room.resumed >= 3, `${room.resumed} downloads went on at another endpoint`)
  assert.ok(tally.connections > 2, 'an event stream was never cut')
})
