import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endWithThisProcess } from '../test/lab/gateway-process.ts'
import { freePort, NativeServer } from './native-server.ts'

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

/** A proxy in a process of its own, in front of upstreams on loopback. */
export class ProxyProcess implements AsyncDisposable {
  readonly port: number
  readonly pid: number
  readonly #end: () => Promise<void>

  private constructor(port: number, pid: number, end: () => Promise<void>) {
    this.port = port
    this.pid = pid
    this.#end = end
  }

  /** Undefined where the program or the package is not installed. */
  static async start(kind: ProxyKind, upstreamPorts: readonly number[]): Promise<ProxyProcess | undefined> {
    if (kind.startsWith('haproxy') || kind.startsWith('nginx')) {
      const server = await startNative(kind, upstreamPorts)
      if (server === undefined) return undefined
      return new ProxyProcess(server.port, server.pid, () => server[Symbol.asyncDispose]())
    }
    const args = [join(import.meta.dirname, 'http-proxy-child.ts'), kind, ...upstreamPorts.map(String)]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    endWithThisProcess(child)
    const [message] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [unknown]
    const isServing = child.exitCode === null && typeof message === 'object' && message !== null && 'port' in message
    if (!isServing || typeof message.port !== 'number' || child.pid === undefined) return undefined
    return new ProxyProcess(message.port, child.pid, async () => {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end()
  }
}

async function startNative(kind: ProxyKind, upstreamPorts: readonly number[]): Promise<NativeServer | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-proxy-'))
  const port = await freePort()
  const isTuned = kind.endsWith('tuned')
  if (kind.startsWith('nginx')) {
    await writeFile(join(directory, 'nginx.conf'), nginxConfiguration(directory, port, upstreamPorts, isTuned))
    return await NativeServer.start('nginx', ['-p', directory, '-c', 'nginx.conf', '-e', 'stderr'], port, directory)
  }
  await writeFile(join(directory, 'haproxy.cfg'), haproxyConfiguration(port, upstreamPorts, isTuned))
  return await NativeServer.start('haproxy', ['-f', 'haproxy.cfg', '-db'], port, directory)
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
master_process off; daemon off; pid ${directory}/nginx.pid; error_log stderr crit;
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
