/** Why a message is refused: the status for the client, and what is wrong in words that name the rule. */
export interface Refusal {
  readonly status: number
  readonly detail: string
}

/**
 * Every reason for which a head is refused. A message that two parsers could read differently is never repaired: the
 * connection it came on is closed (RFC 9112 section 11.2 on request smuggling).
 */
export const refusals = {
  bare_line_break: { status: 400, detail: 'A line ends with CR LF; a CR or LF alone is not allowed (RFC 9112, 2.2).' },
  control_character: { status: 400, detail: 'The head contains a control character (RFC 9110, 5.5).' },
  invalid_request_line: {
    status: 400,
    detail: 'A request begins with "method SP target SP HTTP/1.1" and nothing else (RFC 9112, 3).',
  },
  invalid_method: { status: 400, detail: 'The method is not a token of at most 32 characters (RFC 9110, 9.1).' },
  invalid_target: {
    status: 400,
    detail: 'The request target is not in a form that its method allows (RFC 9112, 3.2).',
  },
  target_too_long: { status: 414, detail: 'The request target is longer than this server accepts.' },
  unsupported_version: { status: 505, detail: 'Only HTTP/1.0 and HTTP/1.1 are spoken here.' },
  invalid_status_line: { status: 400, detail: 'A response begins with "HTTP/1.1 SP status" (RFC 9112, 4).' },
  folded_field: { status: 400, detail: 'A field may not go on in the next line (obs-fold; RFC 9112, 5.2).' },
  space_before_colon: { status: 400, detail: 'A space stands before the colon of a field (RFC 9112, 5.1).' },
  invalid_field_name: { status: 400, detail: 'A field name is empty or not a token (RFC 9110, 5.1).' },
  too_many_fields: { status: 431, detail: 'The head has more fields than this server accepts.' },
  head_too_large: { status: 431, detail: 'The head is larger than this server accepts.' },
  repeated_content_length: { status: 400, detail: 'Content-Length is given more than once (RFC 9112, 6.3).' },
  invalid_content_length: {
    status: 400,
    detail: 'Content-Length is not a number of at most 15 digits (RFC 9110, 8.6).',
  },
  length_and_coding: {
    status: 400,
    detail: 'Content-Length and Transfer-Encoding exclude each other (RFC 9112, 6.1).',
  },
  invalid_transfer_encoding: {
    status: 400,
    detail: 'Transfer-Encoding is not exactly "chunked", once, on HTTP/1.1 (RFC 9112, 6.1 and 7).',
  },
  unsupported_transfer_encoding: { status: 501, detail: 'Of the transfer codings only "chunked" is known here.' },
  missing_host: { status: 400, detail: 'A request with HTTP/1.1 has a Host field (RFC 9112, 3.2).' },
  repeated_host: { status: 400, detail: 'Host is given more than once (RFC 9112, 3.2).' },
  invalid_host: { status: 400, detail: 'Host is not a name or address with an optional port (RFC 9110, 7.2).' },
  host_mismatch: { status: 400, detail: 'Host and the target of the request name different hosts (RFC 9112, 3.2.2).' },
  unsupported_expectation: {
    status: 417,
    detail: 'The only expectation known here is 100-continue (RFC 9110, 10.1.1).',
  },
  closing_interim_response: { status: 400, detail: 'An interim response may not end the connection.' },
  invalid_chunk: { status: 400, detail: 'The chunked body does not follow RFC 9112, 7.1.' },
  chunk_extensions_too_large: { status: 400, detail: 'The chunk extensions are larger than this server accepts.' },
  trailers_too_large: { status: 431, detail: 'The trailer section is larger than this server accepts.' },
  forbidden_trailer: { status: 400, detail: 'A trailer may not frame or route the message (RFC 9110, 6.5.1).' },
} as const satisfies Record<string, Refusal>

export type RefusalReason = keyof typeof refusals
