import { isToken } from './fields.ts'
import { isHost } from './host.ts'
import type { RefusalReason } from './refusal.ts'

/** The four forms of a request target (RFC 9112 section 3.2). */
export type TargetForm = 'origin' | 'absolute' | 'authority' | 'asterisk'

export interface RequestLine {
  /** As sent: methods are case-sensitive. */
  readonly method: string
  /** The target as it was sent. */
  readonly target: string
  readonly form: TargetForm
  /** The target in origin form, which is how it is passed on; `*` for OPTIONS of the server, empty for CONNECT. */
  readonly path: string
  /** The authority that an absolute or authority form names. */
  readonly authority: string | undefined
  readonly versionMinor: 0 | 1
}

/** Method, two blanks and version beside the target in a request line. */
export const LINE_BYTES_BESIDE_TARGET = 64
const METHOD_LENGTH_MAX = 32
/** Visible ASCII without the fragment mark, which no target has (RFC 9112 section 3.2.1). */
const targetCharacters = /^[!-"$-~]+$/
const absoluteForm = /^https?:\/\/([^/?]+)([/?].*)?$/i

/** Parses a request line without its CR LF (RFC 9112 section 3), or says why it is refused. */
export function readRequestLine(line: string, targetBytesMax: number): RequestLine | RefusalReason {
  if (line.length > targetBytesMax + LINE_BYTES_BESIDE_TARGET) return 'target_too_long'
  const methodEnd = line.indexOf(' ')
  const targetEnd = line.indexOf(' ', methodEnd + 1)
  if (methodEnd <= 0 || targetEnd < 0) return 'invalid_request_line'
  if (methodEnd > METHOD_LENGTH_MAX || !isToken(line, 0, methodEnd)) return 'invalid_method'
  const targetBytes = targetEnd - methodEnd - 1
  if (targetBytes > targetBytesMax) return 'target_too_long'
  const versionMinor = readVersion(line, targetEnd + 1)
  if (typeof versionMinor === 'string') return versionMinor
  const target = line.slice(methodEnd + 1, targetEnd)
  if (!targetCharacters.test(target)) return 'invalid_target'
  return readTarget(line.slice(0, methodEnd), target, versionMinor)
}

function readVersion(line: string, from: number): 0 | 1 | RefusalReason {
  if (line.length === from + 8) {
    if (line.endsWith('HTTP/1.1')) return 1
    if (line.endsWith('HTTP/1.0')) return 0
    // The preface of HTTP/2 (RFC 9113 section 3.4) is one of these too.
    if (/HTTP\/\d\.\d$/.test(line)) return 'unsupported_version'
  }
  return 'invalid_request_line'
}

function readTarget(method: string, target: string, versionMinor: 0 | 1): RequestLine | RefusalReason {
  if (method === 'CONNECT') {
    const isAuthority = isHost(target) && /:\d+$/.test(target)
    if (!isAuthority) return 'invalid_target'
    return { method, target, form: 'authority', path: '', authority: target, versionMinor }
  }
  if (target.startsWith('/')) {
    return { method, target, form: 'origin', path: target, authority: undefined, versionMinor }
  }
  if (target === '*') {
    if (method !== 'OPTIONS') return 'invalid_target'
    return { method, target, form: 'asterisk', path: '*', authority: undefined, versionMinor }
  }
  const match = absoluteForm.exec(target)
  const authority = match?.[1]
  if (authority === undefined || !isHost(authority)) return 'invalid_target'
  const rest = match?.[2]
  // OPTIONS of an absolute form without a path means the server as a whole (RFC 9112 section 3.2.4).
  const bare = method === 'OPTIONS' ? '*' : '/'
  const path = rest === undefined ? bare : rest.startsWith('/') ? rest : `/${rest}`
  return { method, target, form: 'absolute', path, authority, versionMinor }
}
