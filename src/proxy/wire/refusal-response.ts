import { STATUS_CODES } from 'node:http'
import type { Refusal } from './refusal.ts'

export const requestTimeout: Refusal = { status: 408, detail: 'The request did not arrive in time.' }

/** A whole response that says why a request is refused (RFC 9457) and that the connection ends with it. */
export function refusalResponse({ status, detail }: Refusal): string {
  const title = STATUS_CODES[status] ?? 'Error'
  const body = JSON.stringify({ type: 'about:blank', title, status, detail })
  const fields = `Content-Type: application/problem+json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n`
  return `HTTP/1.1 ${status} ${title}\r\n${fields}\r\n${body}`
}
