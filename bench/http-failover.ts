import { Agent } from 'node:http'
import { systemClock } from '../src/lib/clock.ts'
import { FaultUpstream, patternBytes } from '../test/lab/fault-upstream.ts'
import type { UpstreamMode } from '../test/lab/fault-upstream.ts'
import { ask } from '../test/lab/forward-lab.ts'
import { ProxyProcess, proxyKinds } from './http-proxies.ts'
import type { ProxyKind } from './http-proxies.ts'
import { markdownTable, note, numberOption, publish } from './report.ts'

/**
 * The failover scoreboard: two replicas, closed-loop clients with 1 KiB answers; one replica misbehaves in the middle of
 * the run. Counted are requests that clients saw fail, those that took longer than a second, and how many requests
 * reached the replicas for each of the clients'. Proxies that are not installed are left out.
 */

const CLIENTS = 32
const ANSWER_BYTES = 1_024
const STALL_MS = 1_000
/** When the fault begins and ends, as shares of the run. */
const FAULT_FROM = 0.25
const FAULT_TO = 0.65

interface Case {
  readonly name: string
  readonly mode: UpstreamMode
  /** Both replicas misbehave: failures are expected, more requests than were made are not. */
  readonly isOutage?: boolean
  readonly method?: 'GET' | 'POST'
}

const cases: readonly Case[] = [
  { name: 'refuse', mode: { kind: 'refuse' } },
  { name: 'reset before the response', mode: { kind: 'reset_before_response' } },
  { name: '503', mode: { kind: 'status', status: 503 } },
  { name: 'hang', mode: { kind: 'hang' } },
  { name: 'reset in the body', mode: { kind: 'reset_in_body', afterBytes: 500 } },
  { name: 'slow drip', mode: { kind: 'drip', bytes: 64, everyMs: 200 } },
  { name: 'half open', mode: { kind: 'half_open' } },
  { name: 'POST, reset before the response', mode: { kind: 'reset_before_response' }, method: 'POST' },
  { name: 'total outage, 503', mode: { kind: 'status', status: 503 }, isOutage: true },
  { name: 'total outage, reset', mode: { kind: 'reset_before_response' }, isOutage: true },
]

interface Score {
  requests: number
  bad: number
  stalled: number
  maxMs: number
  /** POSTs that reached the replicas more than once. */
  repeated: number
  amplification: number
}

async function play(
  kind: ProxyKind,
  { mode, isOutage, method = 'GET' }: Case,
  seconds: number,
): Promise<Score | undefined> {
  await using a = await FaultUpstream.start('a')
  await using b = await FaultUpstream.start('b')
  await using proxy = await ProxyProcess.start(
    kind,
    [a, b].map(({ url }) => Number(new URL(url).port)),
  )
  if (proxy === undefined) return undefined
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
  const expected = patternBytes(0, ANSWER_BYTES)
  const score: Score = { requests: 0, bad: 0, stalled: 0, maxMs: 0, repeated: 0, amplification: 0 }
  const before = a.requests.length + b.requests.length
  const endMs = systemClock.nowMs() + seconds * 1_000
  const client = async (): Promise<void> => {
    while (systemClock.nowMs() < endMs) {
      score.requests += 1
      const headers = method === 'POST' ? { 'X-Order': String(score.requests) } : {}
      const answer = await ask(proxy.port, agent, '/', {
        method,
        headers,
        ...(method === 'POST' ? { body: 'order' } : {}),
      })
      if (answer.status !== 200 || !answer.isWhole || !answer.body.equals(expected)) score.bad += 1
      if (answer.durationMs > STALL_MS) score.stalled += 1
      score.maxMs = Math.max(score.maxMs, answer.durationMs)
    }
  }
  const fault = async (): Promise<void> => {
    await systemClock.sleep(seconds * 1_000 * FAULT_FROM)
    for (const upstream of isOutage === true ? [a, b] : [b]) await upstream.become(mode)
    await systemClock.sleep(seconds * 1_000 * (FAULT_TO - FAULT_FROM))
    for (const upstream of [a, b]) await upstream.become({ kind: 'ok' })
  }
  await Promise.all([fault(), ...Array.from({ length: CLIENTS }, client)])
  agent.destroy()
  const received = [...a.requests, ...b.requests]
  const orders = received.flatMap(({ fields }) => fields.get('x-order') ?? [])
  score.repeated = orders.length - new Set(orders).size
  score.amplification = (received.length - before) / score.requests
  return score
}

function cells(score: Score | undefined): readonly string[] {
  if (score === undefined) return ['not installed', '', '', '', '', '']
  const { requests, bad, stalled, maxMs, repeated, amplification } = score
  const share = `${((bad / requests) * 100).toFixed(2)} %`
  return [
    String(requests),
    `${bad} (${share})`,
    String(stalled),
    maxMs.toFixed(0),
    amplification.toFixed(2),
    String(repeated),
  ]
}

const args = process.argv.slice(2)
const seconds = numberOption(args, 'seconds', 5)
const only = args.includes('--only') ? (args[args.indexOf('--only') + 1] ?? '') : ''
const rows: (readonly string[])[] = []
const missing = new Set<ProxyKind>()
for (const each of cases) {
  for (const kind of proxyKinds) {
    if (missing.has(kind) || !kind.startsWith(only)) continue
    const score = await play(kind, each, seconds)
    if (score === undefined) missing.add(kind)
    else rows.push([each.name, kind, ...cells(score)])
    note(`${each.name}, ${kind}: ${cells(score).join(', ')}`)
  }
}
const head = [
  'fault',
  'proxy',
  'requests',
  'failed for the client',
  'over 1 s',
  'longest, ms',
  'amplification',
  'POSTs repeated',
]
const markdown = [
  `Two replicas, ${CLIENTS} clients, answers of 1 KiB; one replica misbehaves from ${FAULT_FROM * 100} % to ${FAULT_TO * 100} % of ${seconds} s (in a total outage both).`,
  '',
  markdownTable(head, rows),
  '',
  `Not installed: ${[...missing].join(', ') || 'none'}.`,
].join('\n')
await publish({ name: 'http-failover', command: `npm run bench:http -- --seconds ${seconds}`, markdown }, args)
