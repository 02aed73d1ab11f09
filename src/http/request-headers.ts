import { z } from 'zod'

const HEADERS_MAX = 50
const NAME_CHARACTERS_MAX = 128
const VALUE_CHARACTERS_MAX = 4096

/** `token` of RFC 9110 §5.6.2. */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** `field-value` of RFC 9110 §5.5: no control characters, so no line breaks; only what one byte can hold. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** They frame the message, name its target or belong to one connection (RFC 9110 §7.6.1, RFC 9112 §6). */
const RESERVED: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Headers that an operator names for requests of the gateway, safe to be written as they are. `alsoReserved` matches, in
 * lower case, those that this kind of request sets itself.
 */
export function requestHeaders(description: string, alsoReserved = /^$/) {
  return z
    .record(z.string(), z.string())
    .superRefine((headers, context) => {
      const entries = Object.entries(headers)
      if (entries.length > HEADERS_MAX) {
        context.addIssue({ code: 'custom', message: `must have at most ${HEADERS_MAX} headers, has ${entries.length}` })
        return
      }
      for (const [name, value] of entries) {
        const problem = headerProblem(name, value, alsoReserved)
        if (problem !== undefined) context.addIssue({ code: 'custom', path: [name], message: problem })
      }
    })
    .meta({ description })
}

function headerProblem(name: string, value: string, alsoReserved: RegExp): string | undefined {
  if (name.length > NAME_CHARACTERS_MAX || !NAME.test(name)) {
    return `a header name must be 1 to ${NAME_CHARACTERS_MAX} of the characters that RFC 9110 allows in a token`
  }
  const lower = name.toLowerCase()
  if (RESERVED.has(lower) || alsoReserved.test(lower)) return 'this header is set by the gateway itself'
  if (value.length > VALUE_CHARACTERS_MAX) return `a header value must have at most ${VALUE_CHARACTERS_MAX} characters`
  return VALUE.test(value) ? undefined : 'a header value must not contain line breaks or other control characters'
}
