import type { FaultOriginOptions } from '../test/lab/fault-origin.ts'
import type { FaultOrigin } from '../test/lab/fault-origin.ts'
import { midStreamFaults, midStreamStalls, silentStartFaults, startFaults } from '../test/lab/stream-faults.ts'

/** One row of the scoreboard. */
export interface FaultRow {
  readonly name: string
  readonly when: 'at_start' | 'mid_stream'
  readonly primary: Omit<FaultOriginOptions, 'name'>
  readonly primaryUrl?: (primary: FaultOrigin) => string
  /** `external`: the primary is a process of its own and is killed. */
  readonly strike: ((primary: FaultOrigin) => void | Promise<void>) | 'kill_9' | 'manual_failover' | undefined
  readonly backups: 0 | 2
  /** How long the primary has been watched before it is struck. */
  readonly watchedMs: number
  /** The figure of m3u-proxy v0.4.5 on the machine that the reference measurements were made on. */
  readonly peer: string
}

const WATCHED_MS = 1_000
/** A source's rhythm is known after some seconds; then the default limit of silence applies. */
const RHYTHM_KNOWN_MS = 4_000
const NOT_MEASURED = 'not measured'

const PEER: Readonly<Record<string, string>> = {
  'refuses the connection': '3,170 ms',
  'answers 404': '3,170 ms',
  'answers 503': '3,170 ms',
  'accepts and never answers': '30,200 ms',
  'FIN on a packet boundary, close-delimited': '149 ms',
  'FIN inside a packet, close-delimited': '149 ms, 16–128 bytes misaligned',
  'FIN without the last chunk, chunked': '1,071 ms, no failover (same URL again)',
  'RST on a packet boundary': 'viewer cut after 12 ms, no failover',
  'RST inside a packet, chunked': 'viewer cut after 12 ms, no failover',
  'silence on an open connection': '16,200 ms; or cut at 15 s by a sweep (1 in 5–6)',
}

const peerOf = (name: string) => PEER[name] ?? NOT_MEASURED

export const faultRows: readonly FaultRow[] = [
  ...[...startFaults, ...silentStartFaults].map(({ name, primary, urlOf }): FaultRow => {
    const url = urlOf === undefined ? {} : { primaryUrl: urlOf }
    const rest = { strike: undefined, backups: 2, watchedMs: 0, peer: peerOf(name) } as const
    return { name, when: 'at_start', primary, ...url, ...rest }
  }),
  ...midStreamFaults.map(({ name, primary, strike }) => midStream(name, primary, strike, WATCHED_MS)),
  midStream('kill -9 of the source, close-delimited', {}, 'kill_9', WATCHED_MS, '150 ms'),
  midStream('kill -9 of the source, chunked', { framing: 'chunked' }, 'kill_9', WATCHED_MS, '3,182 ms'),
  ...midStreamStalls.map(({ name, primary, strike }) => midStream(name, primary, strike, RHYTHM_KNOWN_MS)),
  midStream('manual failover', {}, 'manual_failover', WATCHED_MS, '178 ms, the first backup skipped'),
  {
    ...midStream('FIN, no failover URL', {}, (primary) => primary.inject({ kind: 'end' }), WATCHED_MS),
    backups: 0,
    peer: 'viewer cut after 20 ms',
  },
  {
    ...midStream('silence, no failover URL', {}, (primary) => primary.inject({ kind: 'silence' }), RHYTHM_KNOWN_MS),
    backups: 0,
    peer: 'viewer cut after 16,000 ms',
  },
]

function midStream(
  name: string,
  primary: FaultRow['primary'],
  strike: FaultRow['strike'],
  watchedMs: number,
  peer = peerOf(name),
): FaultRow {
  return { name, when: 'mid_stream', primary, strike, backups: 2, watchedMs, peer }
}
