import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { defaultHeadLimits, parseRequestHead, parseResponseHead } from '../wire/head.ts'
import type { RequestHead, ResponseHead } from '../wire/head.ts'
import { continues, repeatedBytes, resumingRequest, resumptionPlan, totalBytes } from './resumption.ts'

function request(lines = '', method = 'GET'): RequestHead {
  const bytes = Buffer.from(`${method} /film HTTP/1.1\r\nHost: a.example\r\n${lines}\r\n`)
  const parsed = parseRequestHead(bytes, 0, bytes.length, defaultHeadLimits)
  assert.ok(parsed.kind === 'head')
  return parsed.head
}

function response(status: number, lines: string): ResponseHead {
  const bytes = Buffer.from(`HTTP/1.1 ${status} X\r\n${lines}\r\n`)
  const parsed = parseResponseHead(bytes, 0, bytes.length, defaultHeadLimits, 'GET')
  assert.ok(parsed.kind === 'head')
  return parsed.head
}

const whole = 'ETag: "v1"\r\nContent-Length: 1000\r\n'
const rest = (range: string, etag = '"v1"') => response(206, `ETag: ${etag}\r\nContent-Range: ${range}\r\n`)

test('a strong tag allows to go on; a weak one, none, or a refusal of ranges do not', () => {
  const isPossible = (lines: string, status = 200) => resumptionPlan(request(), response(status, lines)) !== undefined
  assert.ok(isPossible(whole))
  assert.ok(!isPossible('ETag: W/"v1"\r\nContent-Length: 1000\r\n'))
  assert.ok(!isPossible('Content-Length: 1000\r\n'))
  assert.ok(!isPossible(`${whole}Accept-Ranges: none\r\n`))
  assert.ok(!isPossible(whole, 404))
})

test('a date allows it when the representation had not changed for a minute', () => {
  const dated = (modified: string) =>
    resumptionPlan(request(), response(200, `Date: Fri, 20 Nov 2026 10:10:00 GMT\r\nLast-Modified: ${modified}\r\n`))
  assert.equal(dated('Fri, 20 Nov 2026 10:09:00 GMT')?.validator, 'Fri, 20 Nov 2026 10:09:00 GMT')
  assert.equal(dated('Fri, 20 Nov 2026 10:09:01 GMT'), undefined)
  assert.equal(dated('yesterday'), undefined)
})

test('only a GET without a body is gone on with', () => {
  assert.equal(resumptionPlan(request('', 'DELETE'), response(200, whole)), undefined)
  assert.equal(resumptionPlan(request('Content-Length: 5\r\n'), response(200, whole)), undefined)
})

test('what is asked for is what is missing, on the condition that it is the same', () => {
  const original = request('Range: bytes=0-\r\nIf-None-Match: "x"\r\nAccept: */*\r\n')
  const plan = resumptionPlan(original, response(200, whole))
  assert.ok(plan !== undefined)
  const { fields } = resumingRequest(original, plan, 300)
  assert.deepEqual(fields, ['Host', 'a.example', 'Accept', '*/*', 'Range', 'bytes=300-999', 'If-Range', '"v1"'])
})

test('inside a range the places count from the beginning of the representation', () => {
  const plan = resumptionPlan(request(), response(206, 'ETag: "v1"\r\nContent-Range: bytes 500-799/1000\r\n'))
  assert.ok(plan !== undefined)
  assert.ok(resumingRequest(request(), plan, 100).fields.includes('bytes=600-799'))
  assert.ok(continues(plan, 100, rest('bytes 600-799/1000')))
  assert.equal(totalBytes(plan, rest('bytes 600-799/1000')), 300)
})

test('an answer that is not exactly the rest is refused', () => {
  const plan = resumptionPlan(request(), response(200, whole))
  assert.ok(plan !== undefined)
  const accepts = (answer: ResponseHead) => continues(plan, 300, answer)
  assert.ok(accepts(rest('bytes 300-999/1000')))
  assert.ok(!accepts(response(200, whole)), 'the whole again')
  assert.ok(!accepts(rest('bytes 299-999/1000')), 'another beginning')
  assert.ok(!accepts(rest('bytes 300-998/1000')), 'another end')
  assert.ok(!accepts(rest('bytes 300-999/2000')), 'another length')
  assert.ok(!accepts(rest('bytes 300-999/1000', '"v2"')), 'another version')
  assert.ok(!accepts(response(206, 'ETag: "v1"\r\n')), 'no place')
  const lying = response(206, 'ETag: "v1"\r\nContent-Range: bytes 300-999/1000\r\nContent-Length: 10\r\n')
  assert.ok(!accepts(lying), 'a length that does not fit')
})

test('without a known length the rest must say that it goes to the end', () => {
  const plan = resumptionPlan(request(), response(200, 'ETag: "v1"\r\nTransfer-Encoding: chunked\r\n'))
  assert.ok(plan !== undefined)
  assert.ok(continues(plan, 300, rest('bytes 299-999/1000')))
  assert.ok(!continues(plan, 300, rest('bytes 299-998/1000')))
  assert.ok(!continues(plan, 300, rest('bytes 299-999/*')))
})

test('without a known length the last byte is asked for again: perhaps it was the last of all', () => {
  const plan = resumptionPlan(request(), response(200, 'ETag: "v1"\r\nTransfer-Encoding: chunked\r\n'))
  assert.ok(plan !== undefined)
  assert.ok(resumingRequest(request(), plan, 1_000).fields.includes('bytes=999-'))
  assert.equal(repeatedBytes(plan, 1_000), 1)
  assert.ok(continues(plan, 1_000, rest('bytes 999-999/1000')))
  assert.equal(totalBytes(plan, rest('bytes 999-999/1000')), 1_000)
  assert.ok(resumingRequest(request(), plan, 0).fields.includes('bytes=0-'))
})

test('whatever broke off where: what is asked for and what came make the whole', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), fc.double({ min: 0, max: 1, noNaN: true }), (length, share) => {
      const received = Math.min(length - 1, Math.floor(length * share))
      const plan = resumptionPlan(request(), response(200, `ETag: "v"\r\nContent-Length: ${length}\r\n`))
      if (plan === undefined) return false
      const range = resumingRequest(request(), plan, received).fields.at(-3)?.replace('bytes=', '')
      const answer = response(206, `ETag: "v"\r\nContent-Range: bytes ${range}/${length}\r\n`)
      const [first, last] = (range ?? '').split('-').map(Number)
      return (
        continues(plan, received, answer) &&
        received + ((last ?? 0) - (first ?? 0) + 1) === length &&
        totalBytes(plan, answer) === length
      )
    }),
  )
})
