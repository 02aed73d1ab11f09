/**
 * The one registry of errors that a client or operator can see. `status` is the HTTP status it maps to,
 * `source` says whose fault it is, `retry` whether asking again can help: never, on the same upstream, or on another.
 * docs/ERRORS.md lists every code, and a test holds the two together.
 */
const REGISTRY = {
  invalid_request: { status: 422, source: 'client', retry: 'never' },
  malformed_body: { status: 400, source: 'client', retry: 'never' },
  body_too_large: { status: 413, source: 'client', retry: 'never' },
  unauthorized: { status: 401, source: 'client', retry: 'never' },
  forbidden: { status: 403, source: 'client', retry: 'never' },
  host_not_allowed: { status: 403, source: 'client', retry: 'never' },
  stream_not_found: { status: 404, source: 'client', retry: 'never' },
  client_not_found: { status: 404, source: 'client', retry: 'never' },
  hls_not_found: { status: 404, source: 'client', retry: 'never' },
  hls_not_available: { status: 409, source: 'client', retry: 'never' },
  rendition_not_found: { status: 404, source: 'client', retry: 'never' },
  hls_invalid_request: { status: 400, source: 'client', retry: 'never' },
  webhook_not_found: { status: 404, source: 'client', retry: 'never' },
  tunnel_not_found: { status: 404, source: 'client', retry: 'never' },
  tunnel_exists: { status: 409, source: 'client', retry: 'never' },
  tunnel_busy: { status: 503, source: 'client', retry: 'same' },
  tunnel_not_running: { status: 503, source: 'client', retry: 'same' },
  endpoint_not_found: { status: 404, source: 'client', retry: 'never' },
  endpoint_address_forbidden: { status: 400, source: 'client', retry: 'never' },
  no_endpoints: { status: 404, source: 'client', retry: 'never' },
  missing_endpoint_id: { status: 400, source: 'client', retry: 'never' },
  invalid_endpoint_id: { status: 400, source: 'client', retry: 'never' },
  invalid_tunnel_id: { status: 400, source: 'client', retry: 'never' },
  invalid_config: { status: 400, source: 'client', retry: 'never' },
  invalid_permission: { status: 400, source: 'client', retry: 'never' },
  share_not_found: { status: 404, source: 'client', retry: 'never' },
  api_key_not_found: { status: 404, source: 'client', retry: 'never' },
  quota_exceeded: { status: 409, source: 'client', retry: 'never' },
  service_not_found: { status: 404, source: 'client', retry: 'never' },
  service_exists: { status: 409, source: 'client', retry: 'never' },
  service_read_only: { status: 409, source: 'client', retry: 'never' },
  service_route_taken: { status: 409, source: 'client', retry: 'never' },
  service_disabled: { status: 503, source: 'client', retry: 'same' },
  ambiguous_path: { status: 400, source: 'client', retry: 'never' },
  listener_unavailable: { status: 409, source: 'config', retry: 'never' },
  route_not_found: { status: 404, source: 'client', retry: 'never' },
  no_failover_configured: { status: 400, source: 'client', retry: 'never' },
  failover_target_unknown: { status: 400, source: 'client', retry: 'never' },
  drill_refused: { status: 409, source: 'client', retry: 'same' },
  drill_not_found: { status: 404, source: 'client', retry: 'never' },
  capture_not_found: { status: 404, source: 'client', retry: 'never' },
  range_not_satisfiable: { status: 416, source: 'client', retry: 'never' },
  resolver_disabled: { status: 400, source: 'client', retry: 'never' },
  resolver_unavailable: { status: 503, source: 'config', retry: 'never' },
  broadcast_not_found: { status: 404, source: 'client', retry: 'never' },
  broadcast_failed: { status: 500, source: 'upstream', retry: 'same' },
  broadcast_limit: { status: 503, source: 'client', retry: 'same' },
  too_many_viewers: { status: 503, source: 'client', retry: 'same' },
  too_many_streams: { status: 503, source: 'client', retry: 'same' },
  not_implemented_yet: { status: 501, source: 'client', retry: 'never' },
  transcode_profile_unknown: { status: 400, source: 'client', retry: 'never' },
  transcode_profile_invalid: { status: 400, source: 'client', retry: 'never' },
  transcode_raw_arguments_refused: { status: 403, source: 'client', retry: 'never' },
  transcode_limit: { status: 503, source: 'client', retry: 'same' },
  transcode_unavailable: { status: 503, source: 'config', retry: 'never' },
  upstream_unreachable: { status: 502, source: 'upstream', retry: 'other' },
  upstream_refused: { status: 502, source: 'upstream', retry: 'other' },
  upstream_not_media: { status: 502, source: 'upstream', retry: 'other' },
  upstream_ended: { status: 502, source: 'upstream', retry: 'other' },
  upstream_timeout: { status: 504, source: 'upstream', retry: 'other' },
  upstream_address_forbidden: { status: 502, source: 'upstream', retry: 'never' },
  endpoint_unreachable: { status: 502, source: 'upstream', retry: 'same' },
  endpoint_broken: { status: 502, source: 'upstream', retry: 'same' },
  endpoint_timeout: { status: 504, source: 'upstream', retry: 'same' },
  no_endpoint_usable: { status: 503, source: 'upstream', retry: 'same' },
  endpoints_busy: { status: 503, source: 'upstream', retry: 'same' },
  connect_not_supported: { status: 501, source: 'client', retry: 'never' },
  loop_detected: { status: 508, source: 'config', retry: 'never' },
  failover_failed: { status: 500, source: 'upstream', retry: 'same' },
  store_unavailable: { status: 503, source: 'internal', retry: 'same' },
  invalid_configuration: { status: 500, source: 'config', retry: 'never' },
  internal_error: { status: 500, source: 'internal', retry: 'never' },
} as const satisfies Record<string, ErrorClass>

interface ErrorClass {
  readonly status: number
  readonly source: 'upstream' | 'client' | 'internal' | 'config'
  readonly retry: 'never' | 'same' | 'other'
}

export type ErrorCode = keyof typeof REGISTRY

export const errorCodes = Object.keys(REGISTRY) as readonly ErrorCode[]

/** An error with a code from the registry; its message names the value, where it stood, and what is allowed. */
export class HoldfastError extends Error {
  readonly code: ErrorCode
  readonly status: number
  readonly source: ErrorClass['source']
  readonly retry: ErrorClass['retry']

  constructor(code: ErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options)
    this.name = 'HoldfastError'
    this.code = code
    const entry = REGISTRY[code]
    this.status = entry.status
    this.source = entry.source
    this.retry = entry.retry
  }
}

/** The message of whatever was thrown. */
export function errorMessage(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
