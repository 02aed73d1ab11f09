import type { Fields } from '../wire/fields.ts'

/** Gateways in a row may have one name; more rounds than this are no row. */
const ROUNDS_MAX = 8

/**
 * Whether a request has been here so often that it goes in a circle: an endpoint that leads back to its own service or
 * tunnel. Told by what was added to Via (RFC 9110 §7.6.3) under `pseudonym`; without it each request would go round until
 * its head is too large.
 */
export function isGoingInCircles(fields: Fields, pseudonym: string): boolean {
  let rounds = 0
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] ?? ''
    if (name.length !== 3 || name.toLowerCase() !== 'via') continue
    for (const hop of (fields[index + 1] ?? '').split(',')) {
      const [, receivedBy] = hop.trim().split(/[ \t]+/)
      if (receivedBy === pseudonym) rounds += 1
    }
  }
  return rounds >= ROUNDS_MAX
}
