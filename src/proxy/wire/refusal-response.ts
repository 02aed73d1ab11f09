import { STATUS_CODES } from 'node:http'
import type { Refusal } from './refusal.ts'

export const requestTimeout: Refusal = { status: 408, detail: 'The request did not arrive in time.' }

/** A whole response that says why a request is refused (RFC 9457) and that the connection ends with it. */
export function refusalResponse(refusal: Refusal): string {
  const { status } = refusal
  const title = STATUS_CODES[status] ?? 'Error'
  const body = refusalBody(refusal)
  const fields = `Content-Type: application/problem+json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n`
  return `HTTP/1.1 ${status} ${title}\r\n${fields}\r\n${body}`
}

/** Why a request is refused, as problem details: ASCII. */
export function refusalBody({ status, detail }: Refusal): string {
  return JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail })
}
