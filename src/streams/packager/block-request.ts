import { HoldfastError } from '../../lib/errors.ts'
import type { OpenSegment } from './segment.ts'

/** What a request for a playlist waits for: `_HLS_msn` and `_HLS_part` (draft-pantos-hls-rfc8216bis §6.2.5.2). */
export interface BlockRequest {
  readonly sequence: number
  /** Undefined: the whole segment. */
  readonly part: number | undefined
}

/** What a rendition has. */
export interface Progress {
  /** After the newest complete segment. */
  readonly nextSequence: number
  /** The segment at work, where its parts can be had. */
  readonly open: Pick<OpenSegment, 'sequence' | 'parts'> | undefined
}

/** A request may ask for segments up to so many ahead of the newest. */
const AHEAD_MAX = 2

/** Undefined where nothing is waited for. Throws hls_invalid_request for what is no number, or absurdly far ahead. */
export function blockRequest(
  query: Readonly<Record<string, string>>,
  { nextSequence }: Pick<Progress, 'nextSequence'>,
): BlockRequest | undefined {
  const sequence = directive(query, '_HLS_msn')
  const part = directive(query, '_HLS_part')
  if (sequence === undefined) {
    if (part !== undefined) throw new HoldfastError('hls_invalid_request', '_HLS_part needs _HLS_msn beside it')
    return undefined
  }
  const last = nextSequence - 1
  if (sequence > last + AHEAD_MAX) {
    throw new HoldfastError(
      'hls_invalid_request',
      `_HLS_msn=${sequence} is too far ahead: the newest segment is ${last}, and it may be at most ${AHEAD_MAX} more`,
    )
  }
  return { sequence, part }
}

/** Whether a playlist has what was asked for. */
export function isAnswerable({ sequence, part }: BlockRequest, { nextSequence, open }: Progress): boolean {
  if (sequence < nextSequence) return true
  return part !== undefined && open?.sequence === sequence && part < open.parts.length
}

function directive(query: Readonly<Record<string, string>>, name: string): number | undefined {
  const text = query[name]
  if (text === undefined) return undefined
  if (!/^\d{1,15}$/.test(text)) {
    throw new HoldfastError(
      'hls_invalid_request',
      `${name} has to be a whole number, not ${JSON.stringify(text.slice(0, 40))}`,
    )
  }
  return Number(text)
}
