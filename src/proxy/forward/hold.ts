import { fieldValue } from '../wire/fields.ts'
import type { ResponseHead } from '../wire/head.ts'
import type { HoldBackPolicy } from './forward-policy.ts'

/** What of an answer is kept back until it is known to be whole. */
export type Hold =
  /** Nothing: it is passed on as it comes. */
  | { readonly kind: 'none' }
  /** All of it, since it is so many bytes. */
  | { readonly kind: 'length'; readonly bytes: number }
  /** Its beginning: it may turn out to be short. */
  | { readonly kind: 'unknown' }

const NONE: Hold = { kind: 'none' }
const UNKNOWN: Hold = { kind: 'unknown' }

export function holdOf({ framing, fields }: ResponseHead, { bytesMax }: HoldBackPolicy): Hold {
  if (framing.kind === 'none') return { kind: 'length', bytes: 0 }
  if (framing.kind === 'length') {
    return framing.bytes <= bytesMax ? { kind: 'length', bytes: framing.bytes } : NONE
  }
  if (bytesMax === 0) return NONE
  const type = fieldValue(fields, 'content-type')
  // Whoever listens to events is shown at once that the channel is open.
  return type !== undefined && /^text\/event-stream\b/i.test(type) ? NONE : UNKNOWN
}
