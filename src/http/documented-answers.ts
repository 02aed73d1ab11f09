import { z } from 'zod'
import type { ErrorStyle } from './error-body.ts'

/** An answer that is no JSON, for `schema.response`: `types` are its media types. */
export function mediaAnswer(description: string, types: readonly [string, ...string[]]) {
  return { description, content: Object.fromEntries(types.map((type) => [type, { schema: z.any() }])) }
}

/** Response objects of OpenAPI 3.1 for a route's refusals and failures: every route can be answered by them. */
export function failureAnswers(style: ErrorStyle): Readonly<Record<'4xx' | '5xx', object>> {
  const content = CONTENT[style]
  return {
    '4xx': { description: 'What was wrong with the request', content },
    '5xx': { description: 'What is wrong with the gateway, or with what it asked', content },
  }
}

const issue = {
  type: 'object',
  required: ['loc', 'msg', 'type'],
  properties: {
    loc: { type: 'array', items: { type: ['string', 'integer'] } },
    msg: { type: 'string' },
    type: { type: 'string' },
  },
} as const

/** What error-body.ts makes. */
const CONTENT: Readonly<Record<ErrorStyle, object>> = {
  peer: {
    'application/json': {
      schema: {
        type: 'object',
        required: ['detail'],
        properties: { detail: { anyOf: [{ type: 'string' }, { type: 'array', items: issue }] } },
      },
    },
  },
  problem: {
    'application/problem+json': {
      schema: {
        type: 'object',
        required: ['type', 'title', 'status', 'code', 'detail'],
        properties: {
          ...{ type: { type: 'string' }, title: { type: 'string' }, status: { type: 'integer' } },
          ...{ code: { type: 'string' }, detail: { type: 'string' }, errors: { type: 'array', items: issue } },
        },
      },
    },
  },
  coded: {
    'application/json': {
      schema: {
        type: 'object',
        required: ['error', 'code', 'message'],
        properties: { error: { type: 'string' }, code: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
}
