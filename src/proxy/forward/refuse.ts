import { STATUS_CODES } from 'node:http'
import { errorAnswer } from '../../http/error-body.ts'
import { HoldfastError } from '../../lib/errors.ts'
import type { ErrorCode } from '../../lib/errors.ts'
import { fieldLines } from '../wire/front-exchange.ts'
import type { RequestHead } from '../wire/head.ts'
import type { ClientExchange } from './client-exchange.ts'
import { isGoingInCircles } from './loop.ts'

/** What the client is told of each; neither endpoints nor addresses are named. */
const details: Partial<Record<ErrorCode, string>> = {
  endpoint_unreachable: 'No upstream could be reached.',
  endpoint_broken: 'The upstream’s answer broke off or could not be read.',
  endpoint_timeout: 'No upstream answered in time.',
  no_endpoint_usable: 'No upstream is available for this request.',
  endpoints_busy: 'All upstreams have as many requests as they take.',
  connect_not_supported: 'CONNECT is not supported here.',
  loop_detected: 'The request has been here many times: an upstream leads back to this gateway.',
}

/** Why a request goes to no endpoint whatever they are like; undefined for nearly every one. */
export function reasonToRefuse({ form, fields }: RequestHead, pseudonym: string): ErrorCode | undefined {
  if (form === 'authority') return 'connect_not_supported'
  return isGoingInCircles(fields, pseudonym) ? 'loop_detected' : undefined
}

/** The status that a refusal has. */
export function refusalStatus(code: ErrorCode): number {
  return new HoldfastError(code, code).status
}

/** Answers a request that no endpoint has answered (RFC 9457); an error says in its message what the client is told. */
export function refuse(client: ClientExchange, reason: ErrorCode | HoldfastError, retryAfterSeconds?: number): void {
  const error = reason instanceof HoldfastError ? reason : new HoldfastError(reason, details[reason] ?? reason)
  const { status, contentType, headers, body } = errorAnswer(error, 'problem')
  const bytes = Buffer.from(JSON.stringify(body))
  const retryAfter = retryAfterSeconds === undefined ? '' : `Retry-After: ${retryAfterSeconds}\r\n`
  client.respond(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}\r\nContent-Type: ${contentType}\r\n` +
      `Cache-Control: no-store\r\n${retryAfter}${fieldLines(Object.entries(headers).flat())}`,
    { kind: 'length', bytes: bytes.length },
  )
  client.write(bytes)
  client.end()
}
