import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createSimulatedClock } from '../../../lib/simulated-clock.ts'
import type { SegmentPiece, SegmentReader } from '../upstream/segment.ts'
import { headersOf, hold, rangeOf, slice } from './segment-answer.ts'

const head = {
  ...{ status: 200, headers: { etag: '"x"', 'set-cookie': 'a=b', server: 'origin' }, contentLength: 6 },
  ...{ contentType: 'video/mp2t', finalUrl: 'http://origin.example/a.ts' },
}
const data = (text: string): SegmentPiece => ({ kind: 'data', bytes: Buffer.from(text) })

/** A reader whose pieces come when they are resolved. */
function reader(pieces: readonly (SegmentPiece | Promise<SegmentPiece>)[]): SegmentReader {
  const left = [...pieces]
  return {
    head: async () => ({ kind: 'answered', head }),
    next: async () => left.shift() ?? { kind: 'end' },
    close: () => {},
  }
}

test('a segment is held until it is complete, and then told with its length', async () => {
  const held = await hold(reader([data('abc'), data('def'), { kind: 'end' }]), createSimulatedClock(), false)
  assert.ok(held.kind === 'held')
  assert.equal(held.rest, undefined)
  assert.equal(held.bytes, 6)
  assert.deepEqual(headersOf(held, 's/name.ts'), {
    'content-type': 'video/mp2t',
    'accept-ranges': 'bytes',
    'x-content-type-options': 'nosniff',
    etag: '"x"',
    'content-length': 6,
  })
})

test('one that breaks off while it is held has failed, whatever came of it', async () => {
  const failure = { kind: 'incomplete_body', message: 'broke off' } as const
  const held = await hold(reader([data('abc'), { kind: 'failed', failure }]), createSimulatedClock(), false)
  assert.deepEqual(held, { kind: 'failed', failure })
})

test('one that comes slowly is sent as it comes after some seconds, unless the whole is needed', async () => {
  const clock = createSimulatedClock()
  const rest = Promise.withResolvers<SegmentPiece>()
  const slow = () => reader([data('abc'), rest.promise, { kind: 'end' }])
  const impatient = hold(slow(), clock, false)
  const patient = hold(slow(), clock, true)
  await clock.advance(5_000)
  const held = await impatient
  assert.ok(held.kind === 'held' && held.rest !== undefined)
  assert.equal(held.bytes, 3)
  rest.resolve(data('def'))
  assert.deepEqual(await held.rest, data('def'))
  const whole = await patient
  assert.ok(whole.kind === 'held' && whole.rest === undefined)
  assert.equal(clock.pending, 0)
})

test('what a Range header asks for', () => {
  const cases: readonly (readonly [string | undefined, ReturnType<typeof rangeOf>])[] = [
    [undefined, undefined],
    ['bytes=0-9', { start: 0, end: 10 }],
    ['bytes=5-', { start: 5, end: 100 }],
    ['bytes=-5', { start: 95, end: 100 }],
    ['bytes=-500', { start: 0, end: 100 }],
    ['bytes=90-500', { start: 90, end: 100 }],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=9-5', undefined],
    ['bytes=0-1,5-6', undefined],
    ['bytes=', undefined],
    ['bytes=-', undefined],
    ['items=0-1', undefined],
    ['bytes=a-b', undefined],
    [`bytes=0-${'9'.repeat(40)}`, undefined],
  ]
  for (const [header, expected] of cases) assert.deepEqual(rangeOf(header, 100), expected, header)
})

test('a slice of pieces is the slice of the whole, however it is cut', () => {
  const property = fc.property(
    fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 8 }),
    fc.nat(100),
    fc.nat(100),
    (arrays, from, length) => {
      const pieces = arrays.map((array) => Buffer.from(array))
      const whole = Buffer.concat(pieces)
      const span = { start: Math.min(from, whole.length), end: Math.min(from + length, whole.length) }
      assert.deepEqual(Buffer.concat(slice(pieces, span)), whole.subarray(span.start, span.end))
    },
  )
  fc.assert(property, { numRuns: 300 })
})
