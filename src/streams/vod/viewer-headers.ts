import type { IncomingHttpHeaders } from 'node:http'

/** A Range longer than this is nonsense, and like one it is ignored (RFC 9110 §14.2). */
const RANGE_LENGTH_MAX = 512
const CONDITION_LENGTH_MAX = 1024
/** The conditions of RFC 9110 §13.1: only the source can judge them. */
const CONDITIONS = ['if-range', 'if-none-match', 'if-modified-since', 'if-match', 'if-unmodified-since'] as const

/** What describes the body or its caching; everything else in a source's head is between it and the gateway. */
const PASSED = [
  'accept-ranges',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-range',
  'content-type',
  'etag',
  'expires',
  'last-modified',
] as const

/** What a viewer asks for, as it is passed on to a source. */
export interface ViewerWish {
  readonly range: string | undefined
  readonly conditions: Readonly<Record<string, string>>
}

/** The Range as it is, even if it is nonsense: the source's answer to it is the truth. */
export function viewerWish(headers: IncomingHttpHeaders): ViewerWish {
  const conditions: Record<string, string> = {}
  for (const name of CONDITIONS) {
    const value = headers[name]
    if (isPlainText(value, CONDITION_LENGTH_MAX)) conditions[name] = value
  }
  return { range: isPlainText(headers.range, RANGE_LENGTH_MAX) ? headers.range : undefined, conditions }
}

function isPlainText(value: string | string[] | undefined, lengthMax: number): value is string {
  return typeof value === 'string' && value.length <= lengthMax && /^[\x20-\x7e]+$/.test(value)
}

/** The headers of a source's answer that its viewer gets, unchanged. */
export function passedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const passed: Record<string, string> = {}
  for (const name of PASSED) {
    const value = headers[name]
    if (value !== undefined) passed[name] = value
  }
  return passed
}
