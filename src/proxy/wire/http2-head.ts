import { fieldValue, findControl, controlReason } from './fields.ts'
import { requestHead } from './head.ts'
import type { HeadLimits, RequestHead } from './head.ts'
import type { RefusalReason } from './refusal.ts'
import { readRequestLine } from './request-line.ts'

interface PseudoFields {
  method: string
  authority: string | undefined
  path: string | undefined
}

/**
 * The head of a request over HTTP/2 as one over HTTP/1.1 has it, or why it is refused: the same rules hold for both, so
 * that what goes on to an endpoint does not depend on how it came in. `rawFields` are name, value, name, value as Node.js
 * gives them, pseudo-header fields first; `hasBody` is false where the head ended the stream.
 */
export function http2RequestHead(
  rawFields: readonly string[],
  hasBody: boolean,
  limits: HeadLimits,
): RequestHead | RefusalReason {
  if (rawFields.length > 2 * limits.fieldsMax) return 'too_many_fields'
  const pseudo: PseudoFields = { method: '', authority: undefined, path: undefined }
  const fields: string[] = []
  const fault = readFields(rawFields, pseudo, fields)
  if (fault !== undefined) return fault
  const { method, authority, path } = pseudo
  const target = method === 'CONNECT' ? authority : path
  // The absolute form belongs to HTTP/1.1 (RFC 9113 section 8.3.1).
  if (target === undefined || (method !== 'CONNECT' && !/^[/*]/.test(target))) return 'invalid_target'
  const line = readRequestLine(`${method} ${target} HTTP/1.1`, limits.targetBytesMax)
  if (typeof line === 'string') return line
  if (authority !== undefined && fieldValue(fields, 'host') === undefined) fields.unshift('host', authority)
  const head = requestHead({ ...line, authority }, fields)
  if (typeof head === 'string') return head
  const isOpen = hasBody && head.framing.kind === 'none' && fieldValue(fields, 'content-length') === undefined
  return { ...head, receivedProtocol: '2.0', framing: isOpen ? { kind: 'chunked' } : head.framing }
}

/** Fields of the connection have no place in HTTP/2 (RFC 9113 section 8.2.2). */
const ofConnection = new Set(['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade'])

function readFields(raw: readonly string[], pseudo: PseudoFields, fields: string[]): RefusalReason | undefined {
  let cookieAt = -1
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? ''
    const value = raw[index + 1] ?? ''
    const control = findControl(value)
    if (control >= 0) return controlReason(value, control)
    if (name.startsWith(':')) takePseudo(pseudo, name, value)
    else if (ofConnection.has(name)) return 'invalid_field_name'
    else if (name === 'cookie' && cookieAt >= 0) {
      // Cookies may come one by one and are one field elsewhere (RFC 9113 section 8.2.3).
      fields[cookieAt] = `${fields[cookieAt]}; ${value}`
    } else {
      fields.push(name, value)
      if (name === 'cookie') cookieAt = fields.length - 1
    }
  }
  return undefined
}

/** Unknown and repeated ones end the stream before they come here (RFC 9113 section 8.3). */
function takePseudo(pseudo: PseudoFields, name: string, value: string): void {
  if (name === ':method') pseudo.method = value
  else if (name === ':authority') pseudo.authority = value
  else if (name === ':path') pseudo.path = value
}
