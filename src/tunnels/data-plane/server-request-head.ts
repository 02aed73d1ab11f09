import type { IncomingMessage } from 'node:http'
import { findControl } from '../../proxy/wire/fields.ts'
import { defaultHeadLimits, requestHead } from '../../proxy/wire/head.ts'
import type { RequestHead } from '../../proxy/wire/head.ts'
import type { RefusalReason } from '../../proxy/wire/refusal.ts'
import { readRequestLine } from '../../proxy/wire/request-line.ts'

/**
 * The head of a request that Node.js has parsed, or why it is refused. It is judged once more by the rules of our own
 * parser, so that what goes on to an endpoint does not depend on the port that it came in by.
 */
export function serverRequestHead(request: IncomingMessage): RequestHead | RefusalReason {
  const { method = '', url = '', httpVersion, rawHeaders } = request
  const line = readRequestLine(`${method} ${url} HTTP/${httpVersion}`, defaultHeadLimits.targetBytesMax)
  if (typeof line === 'string') return line
  if (rawHeaders.length > 2 * defaultHeadLimits.fieldsMax) return 'too_many_fields'
  if (rawHeaders.some((text) => findControl(text) >= 0)) return 'control_character'
  return requestHead(line, rawHeaders)
}
