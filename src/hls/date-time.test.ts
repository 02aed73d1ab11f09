import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDateTime, parseDateTime } from './date-time.ts'

const READ: readonly (readonly [string, string | undefined])[] = [
  ['2026-02-28T23:59:59.500+01:00', '2026-02-28T22:59:59.500Z'],
  ['2026-02-28T23:59:59Z', '2026-02-28T23:59:59.000Z'],
  ['2026-02-28T23:59:59.123456+0000', '2026-02-28T23:59:59.123Z'],
  ['2024-02-29T00:00:00-05:30', '2024-02-29T05:30:00.000Z'],
  ['20260228T235959Z', '2026-02-28T23:59:59.000Z'],
  ['2026-02-28 23:59:59', '2026-02-28T23:59:59.000Z'],
  ['1969-12-31T23:59:59.250Z', '1969-12-31T23:59:59.250Z'],
  ['2000-03-01T00:00:00+14', '2000-02-29T10:00:00.000Z'],
  ['2026-02-28', undefined],
  ['2026-13-01T00:00:00Z', undefined],
  ['yesterday', undefined],
  ['', undefined],
]
for (const [text, expected] of READ) {
  test(`${JSON.stringify(text)} is ${expected ?? 'no date'}`, () => {
    const ms = parseDateTime(text)
    assert.equal(ms === undefined ? undefined : formatDateTime(Math.floor(ms)), expected)
  })
}

test('dates are those of the language, for any moment that has four digits of a year', () => {
  fc.assert(
    fc.property(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), (ms) => {
      const text = new Date(ms).toISOString()
      assert.equal(formatDateTime(ms), text)
      assert.ok(Math.abs((parseDateTime(text) ?? NaN) - ms) < 0.01)
    }),
  )
})

test('a fraction of a millisecond is kept', () => {
  assert.equal(parseDateTime('1970-01-01T00:00:00.0005Z'), 0.5)
})
