import { fieldValue } from '../wire/fields.ts'
import type { RequestHead } from '../wire/head.ts'

/** Methods for which sending twice is the same as sending once (RFC 9110 section 9.2.2). */
const idempotentMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/**
 * Whether a request may be sent again although an upstream may have acted on it: by its method, by an Idempotency-Key, by
 * which the upstream knows it again, or because the operator says so.
 */
export function maySendTwice({ method, fields }: RequestHead, retryNonIdempotent: boolean): boolean {
  if (idempotentMethods.has(method)) return true
  return retryNonIdempotent || fieldValue(fields, 'idempotency-key') !== undefined
}
