import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { Agent, createServer, request as httpRequest } from 'node:http'
import { connect, createServer as createByteServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { systemClock } from '../src/lib/clock.ts'
import { systemRandom } from '../src/lib/random.ts'
import { createPassThrough } from '../test/lab/pass-through.ts'
import { processFacts } from '../test/lab/process-facts.ts'
import { Nginx } from './nginx.ts'
import { markdownTable, median, note, numberOption } from './report.ts'

/**
 * What the HTTP/1.1 wire of the proxy costs without any policy on top: 1 KiB responses over kept connections, processor
 * seconds of the proxy's process for 100,000 requests, against node:http with an Agent and pipe, which is how proxies for
 * Node.js are built, and against sockets that pass bytes on, in turns within the same run. Needs wrk, nginx, taskset and
 * two processors.
 */

const BODY_BYTES = 1_024
const CONNECTIONS = 64
const WARM_UP_SECONDS = 2
const kinds = ['wire', 'node:http', 'bytes only'] as const
type Kind = (typeof kinds)[number]

function serveWithWire(port: number): Promise<AddressInfo> {
  const { front } = createPassThrough({
    clock: systemClock,
    random: systemRandom,
    origin: { host: '127.0.0.1', port },
    onFault: (error) => note(`fault: ${String(error)}`),
  })
  return front.listen({ port: 0, host: '127.0.0.1' })
}

async function serveWithNodeHttp(port: number): Promise<AddressInfo> {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  const server = createServer((incoming, outgoing) => {
    const { method, url: path, headers } = incoming
    const upstream = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(outgoing)
    })
    upstream.on('error', () => outgoing.destroy())
    incoming.pipe(upstream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server.address() as AddressInfo
}

/** Knows nothing of HTTP: what the sockets of Node.js cost by themselves. */
async function serveBytes(port: number): Promise<AddressInfo> {
  const server = createByteServer({ noDelay: true }, (socket) => {
    const upstream = connect({ host: '127.0.0.1', port, noDelay: true })
    socket.on('error', () => upstream.destroy()).pipe(upstream)
    upstream.on('error', () => socket.destroy()).pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server.address() as AddressInfo
}

interface Proxy {
  readonly child: ChildProcess
  readonly pid: number
  readonly url: string
}

async function startProxy(kind: Kind, upstreamPort: number): Promise<Proxy> {
  const child = spawn(process.execPath, [import.meta.filename, '--serve', kind, String(upstreamPort)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const [port] = (await once(child, 'message')) as [number]
  if (child.pid === undefined) throw new Error('the proxy did not start')
  await pin(child.pid, PROXY_PROCESSOR)
  return { child, pid: child.pid, url: `http://127.0.0.1:${port}` }
}

interface Round {
  readonly requestsPerSecond: number
  readonly cpuSecondsPer100k: number
  readonly p99: string
  readonly rssMib: number
}

const run = promisify(execFile)

/** The proxy has a processor to itself and everything else the other, so that rounds can be compared. */
const PROXY_PROCESSOR = '0'
const OTHER_PROCESSOR = '1'

async function pin(pid: number, processor: string): Promise<void> {
  await run('taskset', ['-apc', processor, String(pid)])
}

async function wrk(url: string, seconds: number): Promise<string> {
  const command = ['wrk', '-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--latency', url]
  const { stdout } = await run('taskset', ['-c', OTHER_PROCESSOR, ...command])
  return stdout
}

async function round(proxy: Proxy, seconds: number): Promise<Round> {
  await wrk(`${proxy.url}/live.ts`, WARM_UP_SECONDS)
  const before = await processFacts(proxy.pid)
  const output = await wrk(`${proxy.url}/live.ts`, seconds)
  const after = await processFacts(proxy.pid)
  const requests = Number(/(\d+) requests in/.exec(output)?.[1])
  const errors = /Socket errors:.*|Non-2xx.*/.exec(output)?.[0]
  if (errors !== undefined) throw new Error(`wrk saw errors: ${errors}`)
  return {
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1]),
    cpuSecondsPer100k: ((after.cpuSeconds - before.cpuSeconds) / requests) * 100_000,
    p99: /99%\s+(\S+)/.exec(output)?.[1] ?? '',
    rssMib: after.rssBytes / 2 ** 20,
  }
}

async function compare(args: readonly string[]): Promise<void> {
  const rounds = numberOption(args, 'rounds', 3)
  const seconds = numberOption(args, 'seconds', 5)
  await using nginx = await Nginx.start(Buffer.alloc(BODY_BYTES, 'x'), BODY_BYTES)
  if (nginx === undefined) throw new Error('nginx is not installed')
  const { stdout: workers } = await run('pgrep', ['-P', String(nginx.pid)]).catch(() => ({ stdout: '' }))
  for (const pid of [nginx.pid, ...workers.split('\n').filter(Boolean).map(Number)]) await pin(pid, OTHER_PROCESSOR)
  const upstreamPort = Number(new URL(nginx.url).port)
  const measured = new Map<Kind, Round[]>(kinds.map((kind) => [kind, []]))
  for (let index = 0; index < rounds; index += 1) {
    for (const kind of kinds) {
      const proxy = await startProxy(kind, upstreamPort)
      const result = await round(proxy, seconds)
      proxy.child.kill('SIGKILL')
      measured.get(kind)?.push(result)
      note(
        `${kind}: ${result.cpuSecondsPer100k.toFixed(2)} CPU-s per 100k, ${Math.round(result.requestsPerSecond)} req/s`,
      )
    }
  }
  const cpuOf = (kind: Kind) => median((measured.get(kind) ?? []).map((each) => each.cpuSecondsPer100k))
  const rows = kinds.map((kind) => {
    const all = measured.get(kind) ?? []
    return [
      kind,
      cpuOf(kind).toFixed(2),
      String(Math.round(median(all.map((each) => each.requestsPerSecond)))),
      all.map((each) => each.p99).join(', '),
      String(Math.round(median(all.map((each) => each.rssMib)))),
    ]
  })
  process.stdout.write(
    `${markdownTable(['proxy', 'CPU-s per 100k requests', 'requests/s', 'p99', 'MiB'], rows)}\n\n` +
      `node:http needs ${(cpuOf('node:http') / cpuOf('wire')).toFixed(1)} times the processor time of the wire, and the ` +
      `wire ${(cpuOf('wire') / cpuOf('bytes only')).toFixed(2)} times that of passing bytes on.\n`,
  )
}

const serving: Readonly<Record<Kind, (port: number) => Promise<AddressInfo>>> = {
  wire: serveWithWire,
  'node:http': serveWithNodeHttp,
  'bytes only': serveBytes,
}
const args = process.argv.slice(2)
if (args[0] === '--serve') {
  const serve = serving[kinds.find((kind) => kind === args[1]) ?? 'wire']
  const { port } = await serve(Number(args[2]))
  process.send?.(port)
} else await compare(args)
