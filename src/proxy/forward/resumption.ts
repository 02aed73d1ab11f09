import { fieldValue } from '../wire/fields.ts'
import type { RequestHead, ResponseHead } from '../wire/head.ts'

/**
 * How a body that broke off can be gone on with elsewhere: the bytes that are asked for, and by what the other answer is
 * known to be of the same representation (RFC 9110 sections 13.1.5 and 14).
 */
export interface ResumptionPlan {
  /** A strong ETag, or the Last-Modified of a representation that had not changed for long. */
  readonly validator: string
  readonly isTag: boolean
  /** The place of the body's first byte in the representation, and of its last one where that is known. */
  readonly firstByte: number
  readonly lastByte: number | undefined
  /** Length of the whole representation, where it is known. */
  readonly completeBytes: number | undefined
}

/** A Last-Modified so much older than the answer is a strong validator (RFC 9110 section 8.8.2.2 asks for one second). */
const STRONG_DATE_AGE_MS = 60_000
const contentRange = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/

/** The plan for an answer that is being passed on; undefined when there is no proof that another one is the same. */
export function resumptionPlan(request: RequestHead, response: ResponseHead): ResumptionPlan | undefined {
  if (request.method !== 'GET' || request.framing.kind !== 'none') return undefined
  const { fields, status, contentLength } = response
  if (/\bnone\b/i.test(fieldValue(fields, 'accept-ranges') ?? '')) return undefined
  const proof = strongValidator(response)
  if (proof === undefined) return undefined
  if (status === 200) {
    const lastByte = contentLength === undefined ? undefined : contentLength - 1
    return { ...proof, firstByte: 0, lastByte, completeBytes: contentLength }
  }
  if (status !== 206) return undefined
  const range = rangeOf(response)
  if (range === undefined) return undefined
  return { ...proof, firstByte: range.first, lastByte: range.last, completeBytes: range.complete }
}

function strongValidator({ fields }: ResponseHead): Pick<ResumptionPlan, 'validator' | 'isTag'> | undefined {
  const tag = fieldValue(fields, 'etag')
  if (tag !== undefined) return tag.startsWith('"') ? { validator: tag, isTag: true } : undefined
  const modified = fieldValue(fields, 'last-modified')
  if (modified === undefined) return undefined
  const ageMs = Date.parse(fieldValue(fields, 'date') ?? '') - Date.parse(modified)
  return ageMs >= STRONG_DATE_AGE_MS ? { validator: modified, isTag: false } : undefined
}

function rangeOf({ fields }: ResponseHead): { first: number; last: number; complete: number | undefined } | undefined {
  const match = contentRange.exec(fieldValue(fields, 'content-range') ?? '')
  if (match === null) return undefined
  const [first, last] = [Number(match[1]), Number(match[2])]
  if (last < first) return undefined
  return { first, last, complete: match[3] === '*' ? undefined : Number(match[3]) }
}

/**
 * How many of the bytes that are there are asked for once more, to be dropped. Where the length is not known all may be
 * there already, and only a range that is not empty is answered by saying so.
 */
export function repeatedBytes({ lastByte }: ResumptionPlan, receivedBytes: number): number {
  return lastByte === undefined && receivedBytes > 0 ? 1 : 0
}

/** The request that asks for what is missing after `receivedBytes` of the body. */
export function resumingRequest(request: RequestHead, plan: ResumptionPlan, receivedBytes: number): RequestHead {
  const fields: string[] = []
  for (let index = 0; index < request.fields.length; index += 2) {
    const name = request.fields[index] ?? ''
    if (/^(?:range|if-[a-z-]+)$/i.test(name)) continue
    fields.push(name, request.fields[index + 1] ?? '')
  }
  const last = plan.lastByte ?? ''
  fields.push('Range', `bytes=${firstMissing(plan, receivedBytes)}-${last}`, 'If-Range', plan.validator)
  return { ...request, fields }
}

function firstMissing(plan: ResumptionPlan, receivedBytes: number): number {
  return plan.firstByte + receivedBytes - repeatedBytes(plan, receivedBytes)
}

/** Whether an answer is exactly what is missing: the same representation, from the right byte to the right end. */
export function continues(plan: ResumptionPlan, receivedBytes: number, answer: ResponseHead): boolean {
  if (answer.status !== 206) return false
  const range = rangeOf(answer)
  if (range === undefined || range.first !== firstMissing(plan, receivedBytes)) return false
  if (!endsWhereItMust(plan, range)) return false
  const bytes = range.last - range.first + 1
  if (answer.contentLength !== undefined && answer.contentLength !== bytes) return false
  return plan.isTag
    ? fieldValue(answer.fields, 'etag') === plan.validator
    : fieldValue(answer.fields, 'last-modified') === plan.validator && fieldValue(answer.fields, 'etag') === undefined
}

function endsWhereItMust(plan: ResumptionPlan, range: { last: number; complete: number | undefined }): boolean {
  if (plan.completeBytes !== undefined && range.complete !== undefined && range.complete !== plan.completeBytes) {
    return false
  }
  if (plan.lastByte !== undefined) return range.last === plan.lastByte
  // Where the end was not known it is the end of the whole, which the answer must then say.
  return range.complete !== undefined && range.last === range.complete - 1
}

/** Bytes of the body in all, as an answer that continues it says. */
export function totalBytes(plan: ResumptionPlan, answer: ResponseHead): number {
  return (rangeOf(answer)?.last ?? plan.firstByte - 1) - plan.firstByte + 1
}
