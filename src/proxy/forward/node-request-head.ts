import type { IncomingMessage } from 'node:http'
import { Http2ServerRequest } from 'node:http2'
import type { BodyFraming, RequestHead } from '../wire/head.ts'
import { NO_BODY } from '../wire/head.ts'
import type { TargetForm } from '../wire/request-line.ts'

/** The head of a request that Node.js has parsed, as the wire has it. `Expect` has been answered by then. */
export function nodeRequestHead(request: IncomingMessage | Http2ServerRequest, isUpgrade: boolean): RequestHead {
  const { method = 'GET', url = '/', rawHeaders, headers } = request
  const connection = (headers.connection ?? '')
    .toLowerCase()
    .split(',')
    .map((option) => option.trim())
    .filter((option) => option !== '')
  const authority = headers[':authority']
  const host = typeof authority === 'string' ? authority : (headers.host ?? '')
  return {
    method,
    target: url,
    form: formOf(method, url),
    path: method === 'CONNECT' ? '' : url,
    authority: undefined,
    versionMinor: request.httpVersionMinor === 0 && request.httpVersionMajor === 1 ? 0 : 1,
    // HTTP/2 has the request line among its fields.
    fields: rawHeaders.some((name) => name.startsWith(':')) ? withoutPseudoFields(rawHeaders) : rawHeaders,
    host,
    framing: framingOf(request),
    keepAlive: true,
    expectsContinue: false,
    upgrade: isUpgrade ? headers.upgrade : undefined,
    connection,
  }
}

function formOf(method: string, url: string): TargetForm {
  if (method === 'CONNECT') return 'authority'
  return url === '*' ? 'asterisk' : 'origin'
}

function framingOf(request: IncomingMessage | Http2ServerRequest): BodyFraming {
  const { headers } = request
  const length = headers['content-length']
  if (headers['transfer-encoding'] !== undefined) return { kind: 'chunked' }
  if (length !== undefined) return Number(length) === 0 ? NO_BODY : { kind: 'length', bytes: Number(length) }
  if (request instanceof Http2ServerRequest) return request.stream.endAfterHeaders ? NO_BODY : { kind: 'chunked' }
  return NO_BODY
}

function withoutPseudoFields(rawHeaders: readonly string[]): readonly string[] {
  const fields: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (!name.startsWith(':')) fields.push(name, rawHeaders[index + 1] ?? '')
  }
  return fields
}
