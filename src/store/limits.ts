import { HoldfastError } from '../lib/errors.ts'
import type { Json } from './store.ts'

/** UTF-8 bytes of one value as JSON: a stream with a hundred failover URLs of the greatest length fits several times. */
export const VALUE_BYTES_MAX = 4 * 1_048_576
/** Records that one read returns. */
export const READ_LIMIT_MAX = 1_000
const KEY = /^[-/_=.A-Za-z0-9]{1,256}$/

/** Throws internal_error for a key that not every store can keep. */
export function checkKey(key: string): void {
  if (!KEY.test(key)) {
    throw new HoldfastError(
      'internal_error',
      `the key ${JSON.stringify(key.slice(0, 300))} is not 1 to 256 characters out of A-Z a-z 0-9 - / _ = .`,
    )
  }
}

/** Throws internal_error for a limit outside 1 to READ_LIMIT_MAX. */
export function checkReadLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > READ_LIMIT_MAX) {
    throw new HoldfastError(
      'internal_error',
      `a read of ${limit} records was asked for; 1 to ${READ_LIMIT_MAX} are allowed`,
    )
  }
}

/** The value as JSON text; throws internal_error when it is larger than VALUE_BYTES_MAX. */
export function toText(value: Json): string {
  const text = JSON.stringify(value)
  const bytes = Buffer.byteLength(text)
  if (bytes > VALUE_BYTES_MAX) {
    throw new HoldfastError(
      'internal_error',
      `a value of ${bytes} bytes is too large for the store; ${VALUE_BYTES_MAX} is the most`,
    )
  }
  return text
}
