import type { AccessControl } from '../../http/access.ts'
import { HoldfastError } from '../../lib/errors.ts'
import { isOwnAuthorization, KEY_PARAMETER, queryOf } from '../forward/own-keys.ts'
import type { KeyJudge } from '../forward/own-keys.ts'
import { fieldValue } from '../wire/fields.ts'
import type { Fields } from '../wire/fields.ts'
import type { RequestHead } from '../wire/head.ts'
import { NameSet } from '../wire/name-set.ts'

/** A request that may go on, and what is taken off it so that no endpoint learns a key of ours. */
export interface Admitted {
  readonly kind: 'admitted'
  /** The target without our key; undefined when it had none. */
  readonly path: string | undefined
  /** Names of fields that end here. */
  readonly without: NameSet | undefined
}

export interface Refused {
  readonly kind: 'refused'
  readonly error: HoldfastError
}

const TOKEN_ALONE = new NameSet(['x-api-token'])
const BOTH = new NameSet(['x-api-token', 'authorization'])
/** Methods that only read (RFC 9110 §9.2.1). */
const READING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])
const FIELDS_JUDGED = ['x-api-token', 'authorization', 'host', 'origin', 'sec-fetch-site'] as const

/** Whether a request to a service that is not public may go on: any API key of this gateway will do. */
export function admit(access: Pick<AccessControl, 'callerOf'> & KeyJudge, head: RequestHead): Admitted | Refused {
  const { path, method, fields } = head
  const query = queryOf(path)
  const headers: Record<string, string> = {}
  for (const name of FIELDS_JUDGED) {
    const value = fieldValue(fields, name)
    if (value !== undefined) headers[name] = value
  }
  const caller = access.callerOf({ headers, query, method, streamId: undefined })
  if (caller === undefined) {
    const text = 'The service takes an API key: X-API-Token, Authorization: Bearer, or api_token in the query'
    return { kind: 'refused', error: new HoldfastError('unauthorized', text) }
  }
  if (caller.role === 'viewer' && !READING.has(method)) {
    return {
      kind: 'refused',
      error: new HoldfastError('forbidden', `A key with the role viewer may not send ${method}`),
    }
  }
  return {
    kind: 'admitted',
    path: KEY_PARAMETER in query ? withoutKey(path) : undefined,
    without: keyFields(access, fields),
  }
}

/** `X-API-Token` is always ours; `Authorization` only where it is one of our keys: any other is the endpoint's. */
function keyFields(access: KeyJudge, fields: Fields): NameSet | undefined {
  const hasToken = fieldValue(fields, 'x-api-token') !== undefined
  const authorization = fieldValue(fields, 'authorization')
  if (authorization !== undefined && isOwnAuthorization(authorization, access)) return BOTH
  return hasToken ? TOKEN_ALONE : undefined
}

/** The target with every other parameter exactly as it was. */
export function withoutKey(path: string): string {
  const at = path.indexOf('?')
  if (at < 0) return path
  const kept = path
    .slice(at + 1)
    .split('&')
    .filter((pair) => new URLSearchParams(pair).keys().next().value !== KEY_PARAMETER)
  return kept.length === 0 ? path.slice(0, at) : `${path.slice(0, at)}?${kept.join('&')}`
}
