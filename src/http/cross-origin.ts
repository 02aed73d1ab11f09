import type { ServerResponse } from 'node:http'
import type { Access, AccessMode } from './access.ts'

/** CORS (the Fetch standard, §3.2). Preflights are remembered this long, in seconds. */
const PREFLIGHT_SECONDS = 600
/** Authorization has to be named: `*` does not stand for it. */
const REQUEST_HEADERS = 'Authorization, Content-Type, X-API-Token, X-Username, Range, Last-Event-ID'
const RESPONSE_HEADERS = 'Accept-Ranges, Content-Length, Content-Range, X-Client-ID, X-Stream-ID'

/**
 * Whether pages of other sites may read the answer. Everything where a token is asked for, as in m3u-proxy: a page that
 * has the token is meant. Without one, only what is for everybody.
 */
export function isReadableByPages(mode: AccessMode, access: Access | undefined): boolean {
  return mode.kind === 'token' || access === 'viewer' || access === 'public'
}

/** Set on the raw response, so that answers written past Fastify (media, server-sent events) carry them too. */
export function writeCorsHeaders(response: ServerResponse): void {
  response.setHeader('access-control-allow-origin', '*')
  response.setHeader('access-control-expose-headers', RESPONSE_HEADERS)
}

export function writePreflightHeaders(response: ServerResponse, methods: readonly string[]): void {
  response.setHeader('access-control-allow-methods', methods.join(', '))
  response.setHeader('access-control-allow-headers', REQUEST_HEADERS)
  response.setHeader('access-control-max-age', PREFLIGHT_SECONDS)
}
