import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import { Agent, buildConnector, request } from 'undici'
import type { Dispatcher } from 'undici'
import type { Clock } from '../lib/clock.ts'
import { networkFinder } from '../proxy/services/request-facts.ts'

export interface ProbeTarget {
  readonly url: string
  /** Whether it may be a private address outside the networks that the operator opened to everybody. */
  readonly namedByAdmin: boolean
}

export type ProbeOutcome =
  { readonly kind: 'good' } | { readonly kind: 'bad'; readonly reason: string; readonly status?: number }

/** Looks at an endpoint once. Does not throw: what goes wrong, an abort included, is a bad outcome. */
export type Probe = (target: ProbeTarget, signal: AbortSignal) => Promise<ProbeOutcome>

/**
 * Which addresses endpoints may be that no admin named. Without it every user of the gateway could have it look into the
 * networks that it stands in.
 */
export interface AddressGuard {
  /** `ip` is an IP address. */
  allows(ip: string): boolean
  /** Name resolution that keeps only what `allows` allows, and fails when nothing is left. */
  readonly lookup: LookupFunction
}

interface HttpProbeOptions {
  readonly clock: Clock
  readonly guard: AddressGuard
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 5_000
const USER_AGENT = 'Holdfast-Check/1.0'
/** Answers to HEAD that only say that the server knows no HEAD (RFC 9110 §15.5.6, §15.6.2). */
const NO_HEAD: ReadonlySet<number> = new Set([405, 501])

/**
 * A HEAD request (GET where the server knows no HEAD) on a connection of its own; 2xx and 3xx within 5 s are good.
 * Redirects are not followed: they may lead to a host that nobody named.
 */
export function createHttpProbe({ clock, guard, timeoutMs = TIMEOUT_MS }: HttpProbeOptions): Probe & AsyncDisposable {
  const trusted = new Agent({ connect: { timeout: timeoutMs } })
  const guarded = new Agent({ connect: guardedConnector(guard, timeoutMs) })
  const probe: Probe = async (target, signal) => {
    const deadline = new AbortController()
    const timer = clock.schedule(timeoutMs, () => deadline.abort(new Error('timeout')))
    const ended = AbortSignal.any([signal, deadline.signal])
    try {
      const dispatcher = target.namedByAdmin ? trusted : guarded
      const status = await ask('HEAD', target.url, dispatcher, ended)
      return judge(NO_HEAD.has(status) ? await ask('GET', target.url, dispatcher, ended) : status)
    } catch (error) {
      return { kind: 'bad', reason: deadline.signal.aborted ? 'timeout' : reasonOf(error) }
    } finally {
      timer.cancel()
    }
  }
  return Object.assign(probe, {
    [Symbol.asyncDispose]: async () => {
      await Promise.all([trusted.destroy(), guarded.destroy()])
    },
  })
}

function judge(status: number): ProbeOutcome {
  return status >= 200 && status < 400 ? { kind: 'good' } : { kind: 'bad', reason: 'http_status', status }
}

async function ask(method: 'HEAD' | 'GET', text: string, dispatcher: Dispatcher, signal: AbortSignal): Promise<number> {
  const url = new URL(text)
  const headers: Record<string, string> = { 'user-agent': USER_AGENT }
  if (url.username !== '' || url.password !== '') {
    const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
    headers['authorization'] = `Basic ${Buffer.from(credentials).toString('base64')}`
    url.username = ''
    url.password = ''
  }
  const answer = await request(url, {
    ...{ method, dispatcher, signal, headers },
    // A kept connection would only show that the server still reads from it.
    reset: true,
    headersTimeout: 0,
    bodyTimeout: 0,
  })
  // The status is the answer; a body that goes on for ever must not keep the connection.
  answer.body.on('error', () => undefined)
  answer.body.destroy()
  return answer.statusCode
}

function guardedConnector(guard: AddressGuard, timeoutMs: number): buildConnector.connector {
  const connect = buildConnector({ timeout: timeoutMs, lookup: guard.lookup })
  return (options, callback) => {
    // An address in the URL never passes through the lookup.
    const hostname = options.hostname.replace(/^\[(.*)\]$/, '$1')
    if (isIP(hostname) !== 0 && !guard.allows(hostname)) {
      callback(Object.assign(new Error('the address is private'), { code: 'ADDRESS_FORBIDDEN' }), null)
      return
    }
    connect(options, callback)
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  UND_ERR_SOCKET: 'reset',
  ENOTFOUND: 'name_not_found',
  EAI_AGAIN: 'name_not_found',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  ETIMEDOUT: 'timeout',
}

/** One word for people and machines; the text of the error stays inside. */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : undefined
  if (REASONS[code] === undefined && first !== undefined) return reasonOf(first)
  if (/FORBIDDEN/.test(code)) return 'address_forbidden'
  if (/CERT|TLS|SSL/.test(code)) return 'tls'
  return REASONS[code] ?? 'failed'
}

/** Whether an address is in one of these networks (`10.1.0.0/16`, `fd00:1::/64`, or a bare address). */
export function networksMatcher(networks: readonly string[]): (ip: string) => boolean {
  const find = networkFinder(networks.map((network) => ({ network, region: '' })))
  return (ip) => find(ip) !== undefined
}
