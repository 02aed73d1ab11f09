import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endWithThisProcess } from '../test/lab/gateway-process.ts'
import { until } from '../test/lab/poll.ts'

/** The reverse proxies that ours is compared with. Each is left out where it is not installed. */
export const proxyKinds = [
  'holdfast',
  'holdfast, hedging',
  'haproxy',
  'haproxy, tuned',
  'nginx',
  'nginx, tuned',
  'http-proxy-3',
] as const
export type ProxyKind = (typeof proxyKinds)[number]

/** What all of them are given: the time to connect and the time to answer, milliseconds. */
export const CONNECT_MS = 500
export const ANSWER_MS = 2_000

const START_DEADLINE_MS = 5_000

/** A proxy in a process of its own, in front of upstreams on loopback. */
export class ProxyProcess implements AsyncDisposable {
  readonly port: number
  readonly #child: ChildProcess
  readonly #directory: string | undefined

  private constructor(child: ChildProcess, port: number, directory: string | undefined) {
    this.#child = child
    this.port = port
    this.#directory = directory
  }

  /** Undefined where the program or the package is not installed. */
  static async start(kind: ProxyKind, upstreamPorts: readonly number[]): Promise<ProxyProcess | undefined> {
    if (kind.startsWith('haproxy') || kind.startsWith('nginx')) return await startNative(kind, upstreamPorts)
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'http-proxy-child.ts'), kind, ...upstreamPorts.map(String)],
      {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      },
    )
    endWithThisProcess(child)
    const [message] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [unknown]
    if (child.exitCode !== null || typeof message !== 'object' || message === null || !('port' in message))
      return undefined
    return typeof message.port === 'number' ? new ProxyProcess(child, message.port, undefined) : undefined
  }

  static async native(
    command: string,
    args: readonly string[],
    port: number,
    directory: string,
  ): Promise<ProxyProcess | undefined> {
    const child = spawn(command, args, { stdio: 'ignore', cwd: directory })
    const isMissing = await Promise.race([
      once(child, 'error').then(() => true),
      once(child, 'spawn').then(() => false),
    ])
    if (isMissing) {
      await rm(directory, { recursive: true })
      return undefined
    }
    endWithThisProcess(child)
    await until(() => isAnswering(port), { what: `${command} serving`, deadlineMs: START_DEADLINE_MS })
    return new ProxyProcess(child, port, directory)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true })
  }
}

async function isAnswering(port: number): Promise<boolean> {
  try {
    await fetch(`http://127.0.0.1:${port}/`)
    return true
  } catch {
    return false
  }
}

async function startNative(kind: ProxyKind, upstreamPorts: readonly number[]): Promise<ProxyProcess | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-proxy-'))
  const port = await freePort()
  const isTuned = kind.endsWith('tuned')
  if (kind.startsWith('nginx')) {
    await writeFile(join(directory, 'nginx.conf'), nginxConfiguration(directory, port, upstreamPorts, isTuned))
    return await ProxyProcess.native('nginx', ['-p', directory, '-c', 'nginx.conf', '-e', 'stderr'], port, directory)
  }
  await writeFile(join(directory, 'haproxy.cfg'), haproxyConfiguration(port, upstreamPorts, isTuned))
  return await ProxyProcess.native('haproxy', ['-f', 'haproxy.cfg', '-db'], port, directory)
}

function nginxConfiguration(
  directory: string,
  port: number,
  upstreamPorts: readonly number[],
  isTuned: boolean,
): string {
  const servers = upstreamPorts.map((upstream) => `server 127.0.0.1:${upstream};`).join(' ')
  const tuning = isTuned ? 'proxy_next_upstream error timeout http_502 http_503 http_504;' : ''
  return `
worker_processes 1; daemon off; pid ${directory}/nginx.pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/f; uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
  upstream replicas { ${servers} ${isTuned ? 'keepalive 64;' : ''} }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://replicas; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_connect_timeout ${CONNECT_MS}ms; proxy_read_timeout ${ANSWER_MS}ms; ${tuning}
    }
  }
}`
}

function haproxyConfiguration(port: number, upstreamPorts: readonly number[], isTuned: boolean): string {
  const check = isTuned ? ' check inter 1s observe layer7 error-limit 3 on-error mark-down slowstart 2s' : ''
  const servers = upstreamPorts.map((upstream, index) => `  server s${index} 127.0.0.1:${upstream}${check}`).join('\n')
  return `
global
  nbthread 1
defaults
  mode http
  timeout connect ${CONNECT_MS}ms
  timeout server ${ANSWER_MS}ms
  timeout client 30s
${isTuned ? '  option redispatch 1\n  retry-on all-retryable-errors\n' : ''}
listen replicas
  bind 127.0.0.1:${port}
  balance roundrobin
${servers}
`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
