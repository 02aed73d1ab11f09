import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../lib/random.ts'
import { CONDITIONS } from './conditions.ts'
import { SourceMonitor } from './monitor.ts'
import { programme } from './programme.fixture.ts'

const PACKET_BYTES = 188
const base = Buffer.concat(programme({ seconds: 4 }).map(({ packets }) => packets))

function makeMonitor(): SourceMonitor {
  return new SourceMonitor({
    actionOf: () => 'fail',
    hasAlternative: () => true,
    bitRateFloor: { bytesPerSecondMin: 1_000, checkIntervalMs: 1_000, intervalsMax: 3, gracePeriodMs: 0 },
    silence: { thresholdDb: -50, holdMs: 10_000, checks: undefined },
    decoders: undefined,
  })
}

/** Feeds aligned runs with join offsets and times as wild as the media, and checks what may always be relied on. */
function feed(media: Buffer, seed: number): void {
  const random = seededRandom(seed)
  const monitor = makeMonitor()
  let nowMs = 0
  for (let at = 0; at < media.length;) {
    const packets = 1 + Math.floor(random.next() * 60)
    const run = media.subarray(at, at + packets * PACKET_BYTES)
    at += run.length
    nowMs += random.next() < 0.1 ? 5_000 * random.next() : 20 * random.next()
    const joins = Array.from({ length: Math.floor(random.next() * 3) }, (_, index) => index * 5 * PACKET_BYTES)
    if (random.next() < 0.05) monitor.resumed(nowMs)
    monitor.observe(run, nowMs, joins)
    const verdict = monitor.verdict()
    const findings = monitor.findings()
    assert.equal(verdict, findings.find(({ action }) => action === 'fail') === undefined ? undefined : verdict)
    for (const { condition, sinceMs, detectedMs, message, evidence } of findings) {
      assert.ok(CONDITIONS.includes(condition))
      assert.ok(
        sinceMs <= detectedMs && detectedMs <= nowMs,
        `${condition} from ${sinceMs} to ${detectedMs} at ${nowMs}`,
      )
      assert.ok(message !== '' && !/NaN|undefined|Infinity/.test(message), message)
      assert.ok(
        !/NaN|null,|undefined/.test(JSON.stringify(evidence).replace('"pcr":null', '')),
        JSON.stringify(evidence),
      )
    }
    monitor.takeWarnings(nowMs)
  }
}

test('damaged media never throws and never makes a finding that says nothing', () => {
  fc.assert(
    fc.property(fc.integer(), fc.double({ min: 0, max: 0.05, noNaN: true }), (seed, damage) => {
      const random = seededRandom(seed)
      const media = Buffer.from(base)
      for (let at = 0; at < media.length; at += 1) {
        if (at % PACKET_BYTES !== 0 && random.next() < damage) media[at] = Math.floor(random.next() * 256)
      }
      feed(media, seed)
    }),
    { numRuns: 60 },
  )
})

test('packets dropped, repeated and put out of order never throw', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = seededRandom(seed)
      const packets = Array.from({ length: base.length / PACKET_BYTES }, () => {
        const from = Math.floor((random.next() * base.length) / PACKET_BYTES) * PACKET_BYTES
        return base.subarray(from, from + PACKET_BYTES)
      })
      feed(Buffer.concat(packets), seed)
    }),
    // One table came back while the other was missing: the same condition, begun after it was first found.
    { numRuns: 60, examples: [[1_139_848_981]] },
  )
})

test('noise in the shape of packets never throws', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: PACKET_BYTES, maxLength: PACKET_BYTES * 400 }),
      fc.integer(),
      (bytes, seed) => {
        const media = Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % PACKET_BYTES)))
        for (let at = 0; at < media.length; at += PACKET_BYTES) media[at] = 0x47
        feed(media, seed)
      },
    ),
    { numRuns: 100 },
  )
})
