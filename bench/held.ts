import { readdir, readFile } from 'node:fs/promises'
import type { GatewayProcess } from '../test/lab/gateway-process.ts'
import type { ProcessFacts } from '../test/lab/process-facts.ts'

const MiB = 2 ** 20

/** What a process of the gateway holds. */
export interface Held extends ProcessFacts {
  /** What keeps the event loop alive: sockets, requests, timers other than those that are allowed to be forgotten. */
  readonly resources: number
  readonly heapUsedBytes: number
  /** Of buffers: what is cached of segments is among it. */
  readonly externalBytes: number
  readonly children: number
  readonly streams: number
  readonly viewers: number
  readonly upstreamConnections: number
}

export async function heldBy(gateway: GatewayProcess): Promise<Held> {
  const metrics = (await gateway.api.call('GET', '/metrics')).text
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(metrics)?.[1] ?? Number.NaN)
  return {
    ...(await gateway.facts()),
    resources: value('nodejs_active_resources_total'),
    heapUsedBytes: value('nodejs_heap_size_used_bytes'),
    externalBytes: value('nodejs_external_memory_bytes'),
    children: await childrenOf(gateway.pid),
    streams: value('holdfast_streams'),
    viewers: value('holdfast_viewers'),
    upstreamConnections: value('holdfast_upstream_connections'),
  }
}

/** Each thread of a process has children of its own (proc(5)). */
async function childrenOf(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`)
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  )
  return lists.flatMap((list) => list.split(' ').filter((each) => each.trim() !== '')).length
}

/** Rows of a table with a column for each time at which it was looked. */
export function heldRows(looks: readonly Held[]): readonly (readonly string[])[] {
  const row = (name: string, of: (held: Held) => number) => [name, ...looks.map((held) => `${of(held)}`)]
  const size = (name: string, of: (held: Held) => number) => [
    name,
    ...looks.map((held) => `${Math.round(of(held) / MiB)} MiB`),
  ]
  return [
    row('file descriptors', ({ fileDescriptors }) => fileDescriptors),
    row('sockets', ({ sockets }) => sockets),
    row('event-loop resources', ({ resources }) => resources),
    row('child processes', ({ children }) => children),
    row('viewers and players', ({ viewers }) => viewers),
    row('connections to sources', ({ upstreamConnections }) => upstreamConnections),
    size('heap in use', ({ heapUsedBytes }) => heapUsedBytes),
    size('buffers outside the heap', ({ externalBytes }) => externalBytes),
    size('memory (RSS)', ({ rssBytes }) => rssBytes),
  ]
}
