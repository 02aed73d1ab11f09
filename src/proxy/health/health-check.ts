import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import type { Clock } from '../../lib/clock.ts'
import type { OriginTls } from '../wire/upstream-socket.ts'

/** The endpoint that is looked at. */
export interface CheckTarget {
  readonly url: URL
  readonly tls?: OriginTls
}

/** What a good answer looks like. */
export type CheckRule =
  | {
      readonly kind: 'http'
      /** Behind the endpoint's own path, with a query if need be. */
      readonly path: string
      readonly method: string
      readonly host?: string | undefined
      readonly timeoutMs: number
      readonly statuses: readonly number[]
      /** Has to be within the first `CHECK_BODY_BYTES_MAX` of the body. */
      readonly bodyIncludes?: string | undefined
    }
  | { readonly kind: 'tcp'; readonly timeoutMs: number }

export type CheckOutcome =
  | { readonly kind: 'good' }
  | {
      readonly kind: 'bad'
      /** One word: refused, timeout, http_status, body_mismatch, ... */
      readonly reason: string
      readonly status?: number
      /** It alone is enough: no further bad look is waited for. */
      readonly isCertain?: boolean
    }

/** One look at an endpoint. Does not throw; an abort is a bad outcome. */
export type Check = (signal: AbortSignal) => Promise<CheckOutcome>

/** Of a body that is searched, bytes. */
export const CHECK_BODY_BYTES_MAX = 65_536
const USER_AGENT = 'Holdfast-Check/1.0'

/** A check by one rule, on a connection of its own: a kept one would only show that the endpoint still reads from it. */
export function createCheck(target: CheckTarget, rule: CheckRule, clock: Clock): Check {
  if (rule.kind === 'tcp') {
    return async (signal) => withinTime(clock, rule.timeoutMs, signal, async (ended) => connectOnce(target.url, ended))
  }
  const { path, method, host, statuses, bodyIncludes, timeoutMs } = rule
  const bodyBytesMax = bodyIncludes === undefined ? 0 : CHECK_BODY_BYTES_MAX
  return async (signal) =>
    withinTime(clock, timeoutMs, signal, async (ended) => {
      const answer = await fetchOnce(target, { path, method, host, bodyBytesMax }, ended)
      if (!statuses.includes(answer.status)) return { kind: 'bad', reason: 'http_status', status: answer.status }
      if (bodyIncludes !== undefined && !answer.body.includes(bodyIncludes)) {
        return { kind: 'bad', reason: 'body_mismatch', status: answer.status }
      }
      return { kind: 'good' }
    })
}

/** Runs a look with a deadline; whatever it throws is a bad outcome. */
export async function withinTime(
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal,
  look: (ended: AbortSignal) => Promise<CheckOutcome>,
): Promise<CheckOutcome> {
  const deadline = new AbortController()
  const timer = clock.schedule(timeoutMs, () => deadline.abort(new Error('timeout')))
  try {
    return await look(AbortSignal.any([signal, deadline.signal]))
  } catch (error) {
    return { kind: 'bad', reason: deadline.signal.aborted ? 'timeout' : reasonOf(error) }
  } finally {
    timer.cancel()
  }
}

interface Fetched {
  readonly status: number
  /** At most `bodyBytesMax` of it. */
  readonly body: Buffer
}

interface Question {
  readonly path: string
  readonly method: string
  readonly host?: string | undefined
  readonly bodyBytesMax: number
}

/** One request on a connection of its own. Rejects when there is no answer. */
export async function fetchOnce(target: CheckTarget, question: Question, ended: AbortSignal): Promise<Fetched> {
  const { url, tls } = target
  const { path, method, host, bodyBytesMax } = question
  const isEncrypted = url.protocol === 'https:'
  const secure = tls === undefined ? {} : secureOptions(tls)
  const options = {
    ...secure,
    hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (isEncrypted ? 443 : 80) : Number(url.port),
    path: `${url.pathname.replace(/\/+$/, '')}${path}`,
    method,
    agent: false as const,
    signal: ended,
    headers: { 'user-agent': USER_AGENT, host: host ?? url.host, connection: 'close' },
  }
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = isEncrypted ? httpsRequest(options, resolve) : httpRequest(options, resolve)
    request.on('error', reject)
    request.end()
  })
  return { status: response.statusCode ?? 0, body: await bodyOf(response, bodyBytesMax) }
}

function secureOptions({ servername, isVerified, ...secure }: OriginTls) {
  return {
    ...secure,
    rejectUnauthorized: isVerified !== false,
    ...(servername === undefined ? {} : { servername }),
  }
}

/** What is beyond the limit is not waited for: a body that goes on for ever must not keep the connection. */
async function bodyOf(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  let bytes = 0
  if (bytesMax > 0) {
    for await (const piece of response as AsyncIterable<Buffer>) {
      pieces.push(piece)
      bytes += piece.length
      if (bytes >= bytesMax) break
    }
  }
  response.on('error', () => undefined)
  response.destroy()
  return Buffer.concat(pieces).subarray(0, bytesMax)
}

async function connectOnce(url: URL, ended: AbortSignal): Promise<CheckOutcome> {
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  const socket = connect({ host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port, signal: ended })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject)
      socket.once('connect', resolve)
    })
    return { kind: 'good' }
  } finally {
    socket.destroy()
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ENOTFOUND: 'name_not_found',
  EAI_AGAIN: 'name_not_found',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  ETIMEDOUT: 'timeout',
  ABORT_ERR: 'aborted',
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : undefined
  if (REASONS[code] === undefined && first !== undefined) return reasonOf(first)
  if (code.startsWith('HPE_')) return 'malformed'
  if (/CERT|TLS|SSL|SIGNATURE|ISSUER/.test(code)) return 'tls'
  return REASONS[code] ?? 'failed'
}
