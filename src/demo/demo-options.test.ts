import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDemoOptions } from './demo-options.ts'

test('without options the demo runs until it is interrupted and breaks a source every 20 s', () => {
  assert.deepEqual(parseDemoOptions([]), { durationMs: undefined, breakEveryMs: 20_000, showsLog: false })
})

test('durations are given in seconds', () => {
  const options = parseDemoOptions(['--seconds', '30', '--every', '5', '--log'])
  assert.deepEqual(options, { durationMs: 30_000, breakEveryMs: 5_000, showsLog: true })
})

test('a wrong option says what is allowed', () => {
  assert.throws(() => parseDemoOptions(['--fast']), /unknown option --fast\nusage: npm run demo/)
  for (const value of ['1', '0', '-5', '5.5', 'x', '86401']) {
    assert.throws(
      () => parseDemoOptions(['--seconds', value]),
      /--seconds takes a whole number of seconds from 2 to 86400/,
    )
  }
  assert.throws(() => parseDemoOptions(['--every']), /--every takes/)
})
