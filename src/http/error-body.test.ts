import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { HoldfastError } from '../lib/errors.ts'
import { BodyUnreadable, errorAnswer, RequestInvalid } from './error-body.ts'

const bodyOf = (thrown: unknown, style: 'peer' | 'problem' = 'peer') => errorAnswer(thrown, style).body

test('an error of ours keeps its status and message, without credentials', () => {
  const answer = errorAnswer(
    new HoldfastError('upstream_refused', 'http://u:p@a.example/x?token=abc answered 403'),
    'peer',
  )
  assert.equal(answer.status, 502)
  assert.deepEqual(answer.body, { detail: 'http://***:***@a.example/x?token=*** answered 403' })
})

test('a defect shows nothing of itself', () => {
  const thrown: readonly unknown[] = [
    new TypeError('secret'),
    'secret',
    undefined,
    null,
    { statusCode: 200 },
    { statusCode: 500, message: 'secret' },
    new HoldfastError('internal_error', 'secret'),
  ]
  for (const one of thrown) {
    const answer = errorAnswer(one, 'peer')
    assert.deepEqual([answer.status, answer.body, answer.isDefect], [500, { detail: 'Internal Server Error' }, true])
  }
})

test('issues are worded as FastAPI words them', () => {
  const schema = z.object({
    list: z.array(z.object({ a: z.string() })),
    text: z.string().max(2),
    count: z.number(),
    low: z.number().min(1),
    high: z.int().max(5),
    many: z.array(z.string()).max(1),
    map: z.record(z.string(), z.string()),
  })
  const result = schema.safeParse({ list: [{ a: 1 }], text: 'abc', low: 0, high: 6, many: ['', ''], map: [] })
  assert.ok(!result.success)
  const { body, status } = errorAnswer(new RequestInvalid(result.error.issues, 'body'), 'peer')
  assert.equal(status, 422)
  const { detail } = body as { detail: readonly { loc: unknown; type: string }[] }
  assert.deepEqual(
    detail.map(({ loc, type }) => [loc, type]),
    [
      [['body', 'list', 0, 'a'], 'string_type'],
      [['body', 'text'], 'string_too_long'],
      [['body', 'count'], 'missing'],
      [['body', 'low'], 'greater_than_equal'],
      [['body', 'high'], 'less_than_equal'],
      [['body', 'many'], 'too_long'],
      [['body', 'map'], 'dict_type'],
    ],
  )
})

test('the part of the request is named as FastAPI names it', () => {
  const result = z.object({ a: z.string() }).safeParse({})
  assert.ok(!result.success)
  for (const [context, part] of [
    ['querystring', 'query'],
    ['params', 'path'],
    ['headers', 'header'],
    ['body', 'body'],
  ]) {
    assert.deepEqual(bodyOf(new RequestInvalid(result.error.issues, context)), {
      detail: [{ loc: [part, 'a'], msg: 'Field required', type: 'missing' }],
    })
  }
})

test('routes of our own answer with problem details', () => {
  const answer = errorAnswer(new HoldfastError('stream_not_found', 'Stream not found'), 'problem')
  assert.equal(answer.contentType, 'application/problem+json')
  assert.deepEqual(answer.body, {
    type: 'urn:holdfast:error:stream_not_found',
    title: 'stream not found',
    status: 404,
    code: 'stream_not_found',
    detail: 'Stream not found',
  })
})

test('a body that is no JSON is 422 for clients of the peer and 400 in problem details', () => {
  const thrown = new BodyUnreadable({ loc: ['body'], msg: 'JSON decode error', type: 'json_invalid' })
  assert.equal(errorAnswer(thrown, 'peer').status, 422)
  assert.equal(errorAnswer(thrown, 'problem').status, 400)
})

test('an unauthorized answer says which scheme is asked for', () => {
  assert.deepEqual(errorAnswer(new HoldfastError('unauthorized', 'x'), 'peer').headers, {
    'www-authenticate': 'Bearer',
  })
})

test('the coded form has a code in capitals, 400 for what does not validate, and a defect’s own code', () => {
  const result = z.object({ url: z.string() }).safeParse({})
  assert.ok(!result.success)
  const cases: readonly (readonly [unknown, number, string, string])[] = [
    [new HoldfastError('tunnel_not_found', 'No such tunnel'), 404, 'TUNNEL_NOT_FOUND', 'No such tunnel'],
    [new HoldfastError('unauthorized', 'A key'), 401, 'AUTH_REQUIRED', 'A key'],
    [new HoldfastError('store_unavailable', 'Full'), 503, 'SERVICE_UNAVAILABLE', 'Full'],
    [new RequestInvalid(result.error.issues, 'body'), 400, 'INVALID_REQUEST', 'body.url: Field required'],
    [new Error('password=hunter2'), 500, 'STATUS_FAILED', 'Internal Server Error'],
  ]
  for (const [thrown, status, code, message] of cases) {
    const answer = errorAnswer(thrown, 'coded', 'STATUS_FAILED')
    assert.equal(answer.status, status, code)
    assert.deepEqual({ ...(answer.body as object), error: '' }, { error: '', code, message })
  }
  assert.match(JSON.stringify(errorAnswer(new Error('x'), 'coded').body), /INTERNAL_ERROR/)
})
