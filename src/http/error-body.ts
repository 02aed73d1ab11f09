import { STATUS_CODES } from 'node:http'
import type { z } from 'zod'
import { HoldfastError } from '../lib/errors.ts'
import type { ErrorCode } from '../lib/errors.ts'
import { redactUrlsIn } from '../lib/redact.ts'

/**
 * How a route words its errors: as m3u-proxy does, as RFC 9457 problem details, or as the tunnel API does, with a code in
 * capitals (`{ error, code, message }`).
 */
export type ErrorStyle = 'peer' | 'problem' | 'coded'

export interface ErrorAnswer {
  readonly status: number
  readonly contentType: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
  /** True when the fault is ours: log the cause, which the answer does not show. */
  readonly isDefect: boolean
}

/** Where a value stood, as FastAPI writes it: `['body', 'failover_urls', 3]`. */
type Location = readonly (string | number)[]

interface InputIssue {
  readonly loc: Location
  readonly msg: string
  readonly type: string
}

/** A request that does not fit its schema. `validationContext` is set by Fastify: which part of the request. */
export class RequestInvalid extends Error {
  readonly issues: readonly z.core.$ZodIssue[]
  validationContext: string | undefined

  constructor(issues: readonly z.core.$ZodIssue[], validationContext?: string) {
    super('the request is not valid')
    this.name = 'RequestInvalid'
    this.issues = issues
    this.validationContext = validationContext
  }
}

/** A body that is not JSON. */
export class BodyUnreadable extends Error {
  readonly issue: InputIssue

  constructor(issue: InputIssue) {
    super(issue.msg)
    this.name = 'BodyUnreadable'
    this.issue = issue
  }
}

interface Described {
  readonly status: number
  readonly code: ErrorCode
  readonly message: string
  readonly issues?: readonly InputIssue[]
  readonly isDefect?: boolean
}

const JSON_TYPE = 'application/json; charset=utf-8'

/**
 * The one place where whatever was thrown becomes an answer. Shows no stack trace, no cause, no credentials. `defectCode`
 * is what the coded style calls a defect.
 */
export function errorAnswer(thrown: unknown, style: ErrorStyle, defectCode?: string): ErrorAnswer {
  const described = describe(thrown, style)
  const headers: Record<string, string> = {}
  if (described.status === 401) headers['www-authenticate'] = 'Bearer'
  const { status, isDefect = false } = described
  const facts = { status, headers, isDefect }
  switch (style) {
    case 'peer':
      return { ...facts, contentType: JSON_TYPE, body: peerBody(described) }
    case 'problem':
      return { ...facts, contentType: 'application/problem+json', body: problemBody(described) }
    case 'coded':
      return codedAnswer(described, facts, defectCode)
    default:
      return style satisfies never
  }
}

/** Where the tunnel API's code is not our own in capitals. */
const CODES: Partial<Record<ErrorCode, string>> = {
  unauthorized: 'AUTH_REQUIRED',
  malformed_body: 'INVALID_REQUEST',
  store_unavailable: 'SERVICE_UNAVAILABLE',
}

function codedAnswer(
  { status, code, message, isDefect }: Described,
  facts: Pick<ErrorAnswer, 'status' | 'headers' | 'isDefect'>,
  defectCode: string | undefined,
): ErrorAnswer {
  const name = isDefect === true && defectCode !== undefined ? defectCode : (CODES[code] ?? code.toUpperCase())
  const words = name.replaceAll('_', ' ').toLowerCase()
  const error = words.charAt(0).toUpperCase() + words.slice(1)
  return {
    ...facts,
    // That API answers 400 to what does not validate.
    status: status === 422 ? 400 : status,
    contentType: JSON_TYPE,
    body: { error, code: name, message: redactUrlsIn(message) },
  }
}

function peerBody({ message, issues }: Described): unknown {
  return { detail: issues ?? redactUrlsIn(message) }
}

/** RFC 9457 §3.1; docs/ERRORS.md has every code. */
function problemBody({ status, code, message, issues }: Described): unknown {
  const detail = redactUrlsIn(message)
  const base = { type: `urn:holdfast:error:${code}`, title: code.replaceAll('_', ' '), status, code, detail }
  return issues === undefined ? base : { ...base, errors: issues }
}

function describe(thrown: unknown, style: ErrorStyle): Described {
  if (thrown instanceof HoldfastError) {
    if (thrown.code === 'internal_error') return defect()
    return { status: thrown.status, code: thrown.code, message: thrown.message }
  }
  if (thrown instanceof RequestInvalid) {
    const issues = thrown.issues.map((issue) => inputIssue(issue, partOf(thrown.validationContext)))
    const message = issues.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; ')
    return { status: 422, code: 'invalid_request', message, issues }
  }
  if (thrown instanceof BodyUnreadable) {
    const status = style === 'peer' ? 422 : 400
    return { status, code: 'malformed_body', message: thrown.message, issues: [thrown.issue] }
  }
  return describeServerError(thrown)
}

/** What Fastify and Node.js throw carries a status of its own; its message may quote the request and is not shown. */
function describeServerError(thrown: unknown): Described {
  const status = numberField(thrown, 'statusCode')
  if (status === undefined || status < 400 || status > 499) return defect()
  if (status === 413) return { status, code: 'body_too_large', message: 'The body is longer than the limit' }
  if (status === 404) return { status, code: 'route_not_found', message: 'Not Found' }
  return { status, code: 'invalid_request', message: STATUS_CODES[status] ?? 'Bad Request' }
}

function defect(): Described {
  return { status: 500, code: 'internal_error', message: 'Internal Server Error', isDefect: true }
}

function partOf(context: string | undefined): string {
  if (context === 'querystring') return 'query'
  if (context === 'params') return 'path'
  if (context === 'headers') return 'header'
  return 'body'
}

function inputIssue(issue: z.core.$ZodIssue, part: string): InputIssue {
  const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)))
  const loc = [part, ...path]
  const received = issue.code === 'invalid_type' ? /received (\w+)$/.exec(issue.message)?.[1] : undefined
  // No body at all arrives as null.
  if (received === 'undefined' || (received === 'null' && path.length === 0)) {
    return { loc, msg: 'Field required', type: 'missing' }
  }
  return { loc, msg: redactUrlsIn(issue.message), type: issueType(issue) }
}

/** pydantic's names for the kinds of issues that clients tell apart. */
function issueType(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return PYDANTIC_TYPES[issue.expected] ?? 'value_error'
    case 'too_big':
      if (isNumber(issue.origin)) return 'less_than_equal'
      return issue.origin === 'string' ? 'string_too_long' : 'too_long'
    case 'too_small':
      if (isNumber(issue.origin)) return 'greater_than_equal'
      return issue.origin === 'string' ? 'string_too_short' : 'too_short'
    default:
      return 'value_error'
  }
}

function isNumber(origin: string): boolean {
  return origin === 'number' || origin === 'int' || origin === 'bigint'
}

const PYDANTIC_TYPES: Readonly<Record<string, string>> = {
  string: 'string_type',
  number: 'float_parsing',
  int: 'int_parsing',
  boolean: 'bool_parsing',
  array: 'list_type',
  object: 'dict_type',
  record: 'dict_type',
}

function numberField(thrown: unknown, name: string): number | undefined {
  if (typeof thrown !== 'object' || thrown === null) return undefined
  const value = Reflect.get(thrown, name) as unknown
  return typeof value === 'number' ? value : undefined
}
