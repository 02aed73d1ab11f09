const seconds = /^\d{1,9}$/

/**
 * Retry-After in milliseconds: seconds, or the time until a date (RFC 9110 section 10.2.3). 0 for a date that has passed;
 * undefined for what is neither. `wallMs` is now, milliseconds since 1970.
 */
export function retryAfterMs(value: string | undefined, wallMs: number): number | undefined {
  if (value === undefined) return undefined
  if (seconds.test(value)) return Number(value) * 1_000
  // Only dates with a name of a day: Date.parse also reads much that is no date of HTTP.
  if (!/^[A-Z][a-z]{2,8},? /.test(value)) return undefined
  const atMs = Date.parse(value)
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - wallMs)
}
