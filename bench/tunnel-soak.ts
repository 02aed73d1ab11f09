import { Agent } from 'node:http'
import { systemClock } from '../src/lib/clock.ts'
import { seededRandom } from '../src/lib/random.ts'
import type { Random } from '../src/lib/random.ts'
import { ask } from '../test/lab/forward-lab.ts'
import type { Answer } from '../test/lab/forward-lab.ts'
import { GatewayProcess } from '../test/lab/gateway-process.ts'
import type { ProcessFacts } from '../test/lab/process-facts.ts'
import { ReplicaProcess } from '../test/lab/replica-process.ts'
import { TrafficTunnel } from '../test/lab/traffic-tunnel.ts'
import { markdownTable, note, numberOption, publish } from './report.ts'

/**
 * Some minutes of requests through a tunnel while its endpoints, processes of their own, are killed, frozen and come back;
 * one of them works at any time. No request that may be repeated may fail, and what the gateway holds at the end has to be
 * what it held after the first part.
 */

const MiB = 2 ** 20
const REPLICAS = 3
const CLIENTS = 8
const BODY_BYTES = [0, 1_000, 40_000, 300_000] as const
const DOWN_MS_MAX = 2_000
const PAUSE_MS_MAX = 1_000
/** The first part fills caches and pools. */
const WARM_UP_SHARE = 0.25
/** After the load: connections to endpoints are kept for four seconds. */
const SETTLE_MS = 6_000

interface Tally {
  requests: number
  deaths: number
  bytes: number
  maxMs: number
  readonly failures: Answer[]
}

async function client(port: number, path: string, endMs: number, random: Random, tally: Tally): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  while (systemClock.nowMs() < endMs) {
    const bytes = BODY_BYTES[Math.floor(random.next() * BODY_BYTES.length)] ?? 0
    const isUpload = random.next() < 0.2
    const answer = isUpload
      ? await ask(port, agent, `${path}upload`, { method: 'PUT', body: Buffer.alloc(Math.min(bytes, 40_000)) })
      : await ask(port, agent, `${path}bytes/${bytes}`)
    tally.requests += 1
    tally.bytes += answer.body.length
    tally.maxMs = Math.max(tally.maxMs, answer.durationMs)
    if (answer.status !== 200 || !answer.isWhole) tally.failures.push(answer)
  }
  agent.destroy()
}

/** One of the first two is killed or frozen, stays so for a while and comes back. The third always works. */
async function reaper(replicas: readonly ReplicaProcess[], endMs: number, random: Random, tally: Tally): Promise<void> {
  while (systemClock.nowMs() < endMs) {
    const victim = replicas[Math.floor(random.next() * (replicas.length - 1))]
    if (victim === undefined) return
    const isFrozen = random.next() < 0.2
    if (isFrozen) victim.freeze()
    else await victim.kill()
    tally.deaths += 1
    await systemClock.sleep(random.next() * DOWN_MS_MAX)
    if (isFrozen) victim.thaw()
    else await victim.up()
    await systemClock.sleep(random.next() * PAUSE_MS_MAX)
  }
}

async function main(args: readonly string[]): Promise<void> {
  const minutes = numberOption(args, 'minutes', 2)
  const seed = numberOption(args, 'seed', 20_261)
  const random = seededRandom(seed)
  await using gateway = await GatewayProcess.start({ env: { TUNNEL_CHECK_SECONDS: '1' } })
  await using replicas = new AsyncDisposableStack()
  const all = await Promise.all(Array.from({ length: REPLICAS }, (_, index) => ReplicaProcess.start(`r${index}`)))
  for (const replica of all) replicas.use(replica)
  const tunnel = await TrafficTunnel.open(gateway, all)
  const path = new URL(tunnel.url('/')).pathname
  const tally: Tally = { requests: 0, deaths: 0, bytes: 0, maxMs: 0, failures: [] }
  const load = async (ms: number): Promise<ProcessFacts> => {
    const endMs = systemClock.nowMs() + ms
    const clients = Array.from({ length: CLIENTS }, () => client(gateway.port, path, endMs, random, tally))
    await Promise.all([reaper(all, endMs, random, tally), ...clients])
    await systemClock.sleep(SETTLE_MS)
    return await gateway.facts()
  }
  const before = await load(minutes * 60_000 * WARM_UP_SHARE)
  note(`after the first part: ${JSON.stringify({ ...before, ...tally, failures: tally.failures.length })}`)
  const after = await load(minutes * 60_000 * (1 - WARM_UP_SHARE))
  for (const { status, error, body } of tally.failures.slice(0, 5)) {
    note(`failed: ${status} ${error ?? ''} ${body.subarray(0, 200).toString()}`)
  }
  const { requests, deaths, bytes, maxMs, failures } = tally
  const markdown = [
    `${minutes} minutes, ${REPLICAS} endpoints of which two are killed (or frozen, one time in five) and come back, ${CLIENTS} clients with GET and PUT of up to 300 kB, seed ${seed}: ` +
      `${requests} requests, ${deaths} deaths, ${Math.round(bytes / MiB)} MiB; **failed for a client: ${failures.length}**; the longest took ${(maxMs / 1_000).toFixed(1)} s.`,
    '',
    markdownTable(
      ['held without load', `after ${WARM_UP_SHARE * 100} % of the time`, 'at the end'],
      [
        ['file descriptors', `${before.fileDescriptors}`, `${after.fileDescriptors}`],
        ['sockets', `${before.sockets}`, `${after.sockets}`],
        ['memory (RSS)', `${Math.round(before.rssBytes / MiB)} MiB`, `${Math.round(after.rssBytes / MiB)} MiB`],
      ],
    ),
  ].join('\n')
  const command = `npm run bench:tunnel-soak -- --minutes ${minutes} --seed ${seed}`
  await publish({ name: 'tunnel-soak', command, markdown }, args)
}

await main(process.argv.slice(2))
