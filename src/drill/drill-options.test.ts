import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDrillOptions } from './drill-options.ts'
import { describeDrill } from './drill-report.ts'

test('a stream is enough, and the token comes from the environment', () => {
  const options = parseDrillOptions(['abc'], { API_TOKEN: 'secret' })
  assert.deepEqual(
    { ...options, gateway: options.gateway.href },
    {
      ...{ stream: 'abc', gateway: 'http://127.0.0.1:8085/', token: 'secret', mode: 'switch', target: undefined },
      ...{ staySeconds: 5, returns: true, printsJson: false },
    },
  )
  const given = parseDrillOptions(
    ['--target', '2', '--stay', '1.5', '--no-return', '--json', '--mode', 'stall', 'x'],
    {},
  )
  assert.deepEqual(
    [given.target, given.staySeconds, given.returns, given.printsJson, given.mode, given.token],
    [2, 1.5, false, true, 'stall', undefined],
  )
})

test('what cannot be meant is refused with what is allowed', () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /no stream is named/],
    [['a', 'b'], /one stream at a time/],
    [['a', '--stay', '0'], /1 to 300 seconds, not 0/],
    [['a', '--stay'], /--stay needs a value/],
    [['a', '--gateway', 'ftp://x'], /http or https URL/],
    [['a', '--fast'], /unknown option --fast/],
  ]
  for (const [args, message] of cases) assert.throws(() => parseDrillOptions(args, {}), { message })
})

test('a report that lacks something is still told, and credentials are not', () => {
  const lines = describeDrill({
    ...{ mode: 'stall', stream_id: 'abc', verdict: 'visible', findings: ['Audio hole'], media: null },
    steps: [{ step: 'out', old_url: 'http://user:pass@a/1.ts', gap_ms: 40, detection_ms: null }],
  })
  assert.match(lines.join('\n'), /^drill stall of stream abc: VISIBLE$/m)
  assert.match(lines.join('\n'), /gap 40 ms, outage -/)
  assert.doesNotMatch(lines.join('\n'), /pass/)
})
