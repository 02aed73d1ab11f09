import { request as httpRequest, Agent } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { TlsOptions } from 'node:tls'
import { serviceDefaults } from '../../src/failover/group.ts'
import type { GroupPolicy } from '../../src/failover/group.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { seededRandom } from '../../src/lib/random.ts'
import type { SimulatedClock } from '../../src/lib/simulated-clock.ts'
import { EndpointGroup } from '../../src/proxy/endpoints/endpoint-group.ts'
import type { Endpoint } from '../../src/proxy/endpoints/endpoint.ts'
import type { AccessRecord } from '../../src/proxy/forward/access-record.ts'
import type { ClientExchange } from '../../src/proxy/forward/client-exchange.ts'
import { defaultForwardPolicy } from '../../src/proxy/forward/forward-policy.ts'
import type { ForwardPolicy } from '../../src/proxy/forward/forward-policy.ts'
import { Forwarder } from '../../src/proxy/forward/forwarder.ts'
import type { ForwardFacts } from '../../src/proxy/forward/forwarder.ts'
import { createFrontServer } from '../../src/proxy/wire/front.ts'
import type { FrontServer } from '../../src/proxy/wire/front.ts'
import { defaultFrontLimits, defaultFrontTimeouts } from '../../src/proxy/wire/front-options.ts'
import { TimerWheel } from '../../src/proxy/wire/timer-wheel.ts'
import { FaultUpstream } from './fault-upstream.ts'
import type { UpstreamContent } from './fault-upstream.ts'
import { until } from './poll.ts'

const SEED = 7
const CLOSE_MS = 200

export interface ForwardLabOptions {
  /** One endpoint for each, `a` the first, all of the same priority. */
  readonly upstreams?: readonly UpstreamContent[]
  readonly endpoint?: (name: string) => Partial<Endpoint>
  readonly policy?: Partial<ForwardPolicy>
  readonly group?: Partial<GroupPolicy>
  readonly facts?: Partial<ForwardFacts>
  /** TLS in front, with HTTP/2. */
  readonly tls?: TlsOptions
  /** Deadlines and waits of the proxy pass by it. Without it they pass by the real time. */
  readonly clock?: SimulatedClock
}

/** Deadlines that are short enough for a test and long enough for a busy machine. */
const quickPolicy: ForwardPolicy = { ...defaultForwardPolicy, connectMs: 5_000, firstByteMs: 2_000, idleMs: 2_000 }
/** What passes on a simulated clock between two looks at whether what is asked has come. */
const STEP_MS = 50

/** A proxy with its upstreams in this process, without a gateway around it. */
export class ForwardLab implements AsyncDisposable {
  readonly upstreams: readonly FaultUpstream[]
  readonly group: EndpointGroup
  readonly front: FrontServer
  /** Serves a request that came in elsewhere. */
  readonly serve: (exchange: ClientExchange) => void
  /** What was told of every request, in the order of their ends. */
  readonly access: AccessRecord[] = []
  /** Mistakes of ours that surfaced; there should be none. */
  readonly faults: unknown[] = []
  readonly agent = new Agent({ keepAlive: true, maxSockets: 1_000 })
  readonly #simulated: SimulatedClock | undefined
  port = 0

  private constructor(upstreams: readonly FaultUpstream[], options: ForwardLabOptions) {
    this.upstreams = upstreams
    this.#simulated = options.clock
    const clock: Clock = options.clock ?? systemClock
    const wheel = new TimerWheel(clock)
    const random = seededRandom(SEED)
    const onFault = (error: unknown) => void this.faults.push(error)
    this.group = new EndpointGroup({
      endpoints: upstreams.map(({ name, url }) => ({
        ...{ id: name, url, priority: 0, weight: 1, enabled: true, drain: false },
        ...options.endpoint?.(name),
      })),
      policy: { ...serviceDefaults, selection: { kind: 'priority_weighted' }, ...options.group },
      ...{ clock, random, wheel, onFault },
    })
    const onAccess = (record: AccessRecord) => void this.access.push(record)
    const forwarder = new Forwarder({ clock, random, wheel, pseudonym: 'lab', onAccess, onFault })
    const facts: ForwardFacts = { host: 'keep', isForwardedTrusted: false, ...options.facts }
    const policy = { ...quickPolicy, ...options.policy }
    this.serve = (exchange) => forwarder.forward(exchange, this.group, policy, facts)
    this.front = createFrontServer({
      clock,
      limits: defaultFrontLimits,
      timeouts: defaultFrontTimeouts,
      onRequest: this.serve,
      onHttp2Request: this.serve,
      onFault,
    })
  }

  static async start(options: ForwardLabOptions = {}): Promise<ForwardLab> {
    const contents = options.upstreams ?? [{}, {}]
    const upstreams = await Promise.all(
      contents.map((content, index) => FaultUpstream.start(String.fromCharCode(97 + index), content)),
    )
    const lab = new ForwardLab(upstreams, options)
    const { port } = await lab.front.listen({
      ...{ port: 0, host: '127.0.0.1' },
      ...(options.tls === undefined ? {} : { tls: options.tls }),
    })
    lab.port = port
    return lab
  }

  upstream(name: string): FaultUpstream {
    const found = this.upstreams.find((upstream) => upstream.name === name)
    if (found === undefined) throw new RangeError(`no upstream ${name}`)
    return found
  }

  /** Requests that reached the upstreams. */
  get received(): number {
    return this.upstreams.reduce((sum, { requests }) => sum + requests.length, 0)
  }

  ask(path: string, options: AskOptions = {}): Promise<Answer> {
    return ask(this.port, this.agent, path, options)
  }

  /** Lets time pass on the simulated clock, step by step, until what is asked has come. */
  async asTimePasses<Value>(asked: Promise<Value>): Promise<Value> {
    let isOver = false
    const watched = asked.finally(() => (isOver = true))
    await until(
      async () => {
        await this.#simulated?.advance(STEP_MS)
        return isOver
      },
      { what: 'what is asked' },
    )
    return await watched
  }

  /** Resolves when nothing is under way at any endpoint: their ends may come after the last byte that a client waits for. */
  async isQuiet(): Promise<void> {
    const inFlight = () => this.group.endpoints.reduce((sum, endpoint) => sum + endpoint.inFlight, 0)
    await until(() => inFlight() === 0, { what: 'the end of all attempts', evidence: inFlight })
  }

  /** Resolves when so many requests have come to their end. */
  async hasTold(count: number): Promise<void> {
    await until(() => this.access.length >= count, { what: `${count} records`, evidence: () => this.access.length })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.agent.destroy()
    const closed = this.front.close(CLOSE_MS)
    await this.#simulated?.advance(CLOSE_MS)
    await closed
    this.group[Symbol.dispose]()
    for (const upstream of this.upstreams) await upstream[Symbol.asyncDispose]()
  }
}

export interface AskOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
}

/** What a client got. `isWhole` is false when the answer broke off or never came; `status` is 0 then without a head. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly isWhole: boolean
  readonly error: string | undefined
  readonly durationMs: number
}

/** One request with Node's own client, whatever becomes of it. */
export function ask(port: number, agent: Agent, path: string, options: AskOptions = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body } = options
  const startMs = systemClock.nowMs()
  return new Promise((resolve) => {
    const done = (answer: Partial<Answer>) =>
      resolve({
        ...{ status: 0, headers: {}, body: Buffer.alloc(0), isWhole: false, error: undefined },
        ...answer,
        durationMs: systemClock.nowMs() - startMs,
      })
    const request = httpRequest({ host: '127.0.0.1', port, path, method, agent, headers })
    request.on('error', (error) => done({ error: error.message }))
    request.on('response', (response) => {
      const pieces: Buffer[] = []
      const head = { status: response.statusCode ?? 0, headers: response.headers }
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('error', (error) => done({ ...head, body: Buffer.concat(pieces), error: error.message }))
      response.on('end', () => done({ ...head, body: Buffer.concat(pieces), isWhole: response.complete }))
    })
    request.end(body)
  })
}
