import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createAnalyser } from './analyser.ts'
import { FINDINGS, PLACES_MAX } from './finding.ts'
import type { AnalyserReport } from './report.ts'
import { buildStream } from './stream-builder.fixture.ts'

const STREAM = Buffer.concat(buildStream({ frames: 40 }))

function analyse(bytes: Buffer, sizes: readonly number[]): AnalyserReport {
  const analyser = createAnalyser()
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1
    analyser.push(bytes.subarray(at, at + size))
    at += size
  }
  return analyser.report()
}

function assertSound(report: AnalyserReport): void {
  for (const { code, count, places, worst } of report.findings) {
    assert.ok(code in FINDINGS)
    assert.ok(count >= 1 && places.length >= 1 && places.length <= Math.min(count, PLACES_MAX), code)
    assert.ok(worst === undefined || Number.isFinite(worst), `${code}: ${worst}`)
  }
  assert.ok(report.packets * 188 <= report.bytes)
  assert.ok(JSON.stringify(report).length < 1_000_000)
}

const sizes = fc.array(fc.integer({ min: 1, max: 2_000 }), { minLength: 1, maxLength: 6 })
const damage = fc.array(
  fc.record({
    at: fc.nat(STREAM.length - 1),
    kind: fc.constantFrom('flip', 'cut', 'insert', 'repeat'),
    amount: fc.integer({ min: 1, max: 600 }),
  }),
  { minLength: 1, maxLength: 12 },
)

test('how the bytes are cut into pieces does not change the report', () => {
  const whole = analyse(STREAM, [STREAM.length])
  fc.assert(
    fc.property(sizes, (pieces) => {
      assert.deepEqual(analyse(STREAM, pieces), whole)
    }),
    { numRuns: 25 },
  )
})

test('a damaged stream gives a sound report, the same however it is cut into pieces', () => {
  fc.assert(
    fc.property(damage, sizes, (wounds, pieces) => {
      let bytes = Buffer.from(STREAM)
      for (const { at, kind, amount } of wounds) {
        const here = Math.min(at, bytes.length - 1)
        const [head, tail] = [bytes.subarray(0, here), bytes.subarray(here)]
        if (kind === 'flip') bytes[here] = (bytes[here] ?? 0) ^ (amount & 0xff)
        else if (kind === 'cut') bytes = Buffer.concat([head, tail.subarray(amount)])
        else if (kind === 'insert') bytes = Buffer.concat([head, Buffer.alloc(amount, 0x47), tail])
        else bytes = Buffer.concat([head, tail.subarray(0, amount), tail])
        if (bytes.length === 0) return
      }
      const report = analyse(bytes, pieces)
      assertSound(report)
      assert.deepEqual(report, analyse(bytes, [bytes.length]))
    }),
    { numRuns: 60 },
  )
})

test('bytes that are anything never throw', () => {
  const bytes = fc.uint8Array({ maxLength: 3_000, size: 'max' })
  fc.assert(
    fc.property(bytes, sizes, fc.boolean(), (array, pieces, isAligned) => {
      const data = Buffer.from(array)
      if (isAligned) for (let at = 0; at < data.length; at += 188) data[at] = 0x47
      assertSound(analyse(data, pieces))
    }),
    { numRuns: 100 },
  )
})

test('a report in between does not change what follows on whole packets', () => {
  const analyser = createAnalyser()
  const half = Math.floor(STREAM.length / 376) * 188
  analyser.push(STREAM.subarray(0, half))
  analyser.report()
  analyser.push(STREAM.subarray(half))
  const { findings, packets } = analyser.report()
  assert.deepEqual(findings, [])
  assert.equal(packets, STREAM.length / 188)
})

test('what it holds does not grow with the length of the stream', () => {
  const analyser = createAnalyser()
  const run = Buffer.concat(buildStream({ frames: 250 }))
  // Each round jumps back in time, so that everything that remembers findings is fed.
  for (let round = 0; round < 40; round += 1) analyser.push(run)
  const { findings } = analyser.report()
  assert.ok(findings.length > 3 && findings.length < 40)
  for (const { places } of findings) assert.ok(places.length <= PLACES_MAX)
})
