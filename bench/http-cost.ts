import { execFile } from 'node:child_process'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { GatewayProcess } from '../test/lab/gateway-process.ts'
import { processFacts } from '../test/lab/process-facts.ts'
import { ProxyProcess } from './http-proxies.ts'
import type { ProxyKind } from './http-proxies.ts'
import { Nginx } from './nginx.ts'
import { markdownTable, median, note, numberOption, publish } from './report.ts'

/**
 * What a request costs: processor seconds of the proxy's process for 100,000 answers of 1 KiB over kept connections, and
 * for a gigabyte of large ones, in turns within one run. Holdfast is the whole gateway with a service: the engine, all
 * timeouts and limits, metrics. Processor time is taken from the kernel, so that a machine that others use too disturbs
 * it little. Small answers are asked for twice: the same request on each connection again and again, as players ask for a
 * playlist, and requests and answers of which no two are alike. Needs wrk, nginx, HAProxy and taskset.
 */

const SMALL_BYTES = 1_024
const LARGE_BYTES = 64 * 2 ** 20
const CONNECTIONS = 64
const LARGE_CONNECTIONS = 4
/** Programs that compile what they run while they run need so long to reach their pace. */
const WARM_UP_SECONDS = 6
/** The proxy has a processor to itself and everything else the other. */
const PROXY_PROCESSOR = '0'
const OTHER_PROCESSOR = '1'

const others = ['haproxy', 'nginx, tuned', 'http-proxy-3'] as const satisfies readonly ProxyKind[]
const kinds = ['holdfast', ...others] as const
type Kind = (typeof kinds)[number]

interface Measured {
  /** For 100,000 requests, or for a gigabyte. */
  readonly cpuSeconds: number
  readonly perSecond: number
  readonly p99: string
  readonly rssMib: number
}

interface Target extends AsyncDisposable {
  readonly pid: number
  readonly port: number
}

/** What is asked for. */
interface Load {
  readonly bytes: number
  readonly connections: number
  /** No two heads are the same, neither of requests nor of answers. */
  readonly isVaried: boolean
}

const SMALL: Load = { bytes: SMALL_BYTES, connections: CONNECTIONS, isVaried: false }
const VARIED: Load = { ...SMALL, isVaried: true }
const LARGE: Load = { bytes: LARGE_BYTES, connections: LARGE_CONNECTIONS, isVaried: false }

const VARIED_ANSWERS = 'add_header X-Request-Id $request_id;'
/** For wrk. */
const VARIED_REQUESTS = `
local count = 0
request = function()
  count = count + 1
  local fields = { ["User-Agent"] = "bench", ["Accept"] = "*/*", ["X-Count"] = tostring(count) }
  return wrk.format("GET", "/live.ts?count=" .. count, fields)
end
`

const run = promisify(execFile)

async function holdfast(upstream: string): Promise<Target> {
  const gateway = await GatewayProcess.start()
  const answer = await gateway.api.call<{ readonly addresses: readonly string[] }>('POST', '/api/services', {
    listeners: [{ port: 0 }],
    endpoints: [{ url: upstream }],
    healthCheck: { kind: 'http', path: '/live.ts', method: 'HEAD', intervalMs: 1_000 },
  })
  if (answer.status !== 201) throw new Error(`the service was not made: ${answer.text}`)
  const port = Number(answer.body.addresses[0]?.split(':').at(-1))
  return { pid: gateway.pid, port, [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose]() }
}

/** Undefined where it is not installed. */
async function start(kind: Kind, upstream: string): Promise<Target | undefined> {
  const target =
    kind === 'holdfast' ? await holdfast(upstream) : await ProxyProcess.start(kind, [Number(new URL(upstream).port)])
  if (target !== undefined) await run('taskset', ['-apc', PROXY_PROCESSOR, String(target.pid)])
  return target
}

async function wrk(url: string, { connections }: Load, seconds: number, script: string | undefined): Promise<string> {
  const command = ['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '--latency']
  if (script !== undefined) command.push('-s', script)
  const { stdout } = await run('taskset', ['-c', OTHER_PROCESSOR, ...command, url])
  const errors = /Socket errors:.*|Non-2xx.*/.exec(stdout)?.[0]
  if (errors !== undefined) throw new Error(`wrk saw errors: ${errors}`)
  return stdout
}

async function measure(target: Target, load: Load, seconds: number, script: string | undefined): Promise<Measured> {
  const { bytes } = load
  const url = `http://127.0.0.1:${target.port}/live.ts`
  await wrk(url, load, WARM_UP_SECONDS, script)
  const before = await processFacts(target.pid)
  const output = await wrk(url, load, seconds, script)
  const after = await processFacts(target.pid)
  const requests = Number(/(\d+) requests in/.exec(output)?.[1])
  const took = Number(/requests in ([\d.]+)s/.exec(output)?.[1])
  const unit = bytes === SMALL_BYTES ? 100_000 : 1e9 / bytes
  return {
    cpuSeconds: ((after.cpuSeconds - before.cpuSeconds) / requests) * unit,
    perSecond: bytes === SMALL_BYTES ? requests / took : (requests * bytes) / took / 1e6,
    p99: /^\s+99%\s+(\S+)/m.exec(output)?.[1] ?? '',
    rssMib: after.rssBytes / 2 ** 20,
  }
}

/** All kinds in turns, `rounds` times. */
async function compare(
  wanted: readonly Kind[],
  load: Load,
  rounds: number,
  seconds: number,
): Promise<ReadonlyMap<Kind, readonly Measured[]>> {
  const { bytes, isVaried } = load
  const piece = Buffer.alloc(Math.min(bytes, 65_536), 'x')
  await using origin = await Nginx.start(piece, bytes, isVaried ? VARIED_ANSWERS : '')
  if (origin === undefined) throw new Error('nginx is not installed')
  await run('taskset', ['-apc', OTHER_PROCESSOR, String(origin.pid)])
  await using room = await mkdtempDisposable(join(tmpdir(), 'holdfast-cost-'))
  const script = isVaried ? join(room.path, 'varied.lua') : undefined
  if (script !== undefined) await writeFile(script, VARIED_REQUESTS)
  const results = new Map<Kind, Measured[]>()
  for (let round = 0; round < rounds; round += 1) {
    for (const kind of wanted) {
      await using target = await start(kind, origin.url)
      if (target === undefined) continue
      const measured = await measure(target, load, seconds, script)
      results.set(kind, [...(results.get(kind) ?? []), measured])
      const { cpuSeconds, perSecond } = measured
      note(
        `${kind}, ${bytes} bytes${isVaried ? ', varied' : ''}: ${cpuSeconds.toFixed(2)} CPU-s, ${perSecond.toFixed(0)} a second`,
      )
    }
  }
  return results
}

function table(results: ReadonlyMap<Kind, readonly Measured[]>, cost: string, rate: string): string {
  const cpuOf = (kind: Kind) => median((results.get(kind) ?? []).map(({ cpuSeconds }) => cpuSeconds))
  const reference = cpuOf('haproxy')
  const rows = [...results].map(([kind, all]) => {
    const cpu = all.map(({ cpuSeconds }) => cpuSeconds)
    return [
      kind,
      cpuOf(kind).toFixed(2),
      `${Math.min(...cpu).toFixed(2)}–${Math.max(...cpu).toFixed(2)}`,
      (cpuOf(kind) / reference).toFixed(2),
      median(all.map(({ perSecond }) => perSecond)).toFixed(0),
      all.map(({ p99 }) => p99).join(', '),
      median(all.map(({ rssMib }) => rssMib)).toFixed(0),
    ]
  })
  return markdownTable(['proxy', cost, 'range', 'times HAProxy', rate, 'p99', 'MiB'], rows)
}

async function main(args: readonly string[]): Promise<void> {
  const rounds = numberOption(args, 'rounds', 3)
  const seconds = numberOption(args, 'seconds', 5)
  const only = args.includes('--only') ? kinds.filter((kind) => kind === args[args.indexOf('--only') + 1]) : kinds
  const small = await compare(only, SMALL, rounds, seconds)
  const varied = await compare(only, VARIED, rounds, seconds)
  const large = args.includes('--small') ? undefined : await compare(only, LARGE, rounds, seconds)
  const parts = [
    `Answers of 1 KiB, ${CONNECTIONS} kept connections, one processor for the proxy, ${rounds} rounds of ${seconds} s in turns; the median.`,
    table(small, 'CPU-s per 100,000 requests', 'requests/s'),
    'The same with a path, a field of the request and a field of the answer that are different each time.',
    table(varied, 'CPU-s per 100,000 requests', 'requests/s'),
  ]
  if (large !== undefined) {
    parts.push(
      `Answers of ${LARGE_BYTES / 2 ** 20} MiB, ${LARGE_CONNECTIONS} connections, otherwise the same.`,
      table(large, 'CPU-s per GB', 'MB/s'),
    )
  }
  const command = `npm run bench:http-cost -- --rounds ${rounds} --seconds ${seconds}`
  await publish({ name: 'http-cost', command, markdown: parts.join('\n\n') }, args)
}

await main(process.argv.slice(2))
