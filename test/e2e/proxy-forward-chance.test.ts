import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBreaker, defaultHealth } from '../../src/failover/group.ts'
import { defaultForwardPolicy } from '../../src/proxy/forward/forward-policy.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { patternBytes, sha256 } from '../lab/fault-upstream.ts'
import type { UpstreamMode } from '../lab/fault-upstream.ts'
import { ForwardLab } from '../lab/forward-lab.ts'

/** Two of three replicas fail by chance, from request to request; the third is well. */

const CLIENTS = 12
const ROUNDS = 25
const LARGE = 300_000

function modeBy(chance: number, bytes: number): UpstreamMode {
  const modes: readonly UpstreamMode[] = [
    { kind: 'ok' },
    { kind: 'ok' },
    { kind: 'reset_before_response' },
    { kind: 'reset_in_head', afterBytes: bytes % 60 },
    { kind: 'reset_in_body', afterBytes: bytes },
    { kind: 'fin_in_body', afterBytes: bytes },
    { kind: 'status', status: 503 },
    { kind: 'bad_chunk' },
    { kind: 'no_http' },
    { kind: 'hang' },
  ]
  return modes[Math.floor(chance * modes.length)] ?? { kind: 'ok' }
}

const isHedgingBy = [false, true] as const

for (const isHedging of isHedgingBy) {
  for (const seed of [1, 2, 3]) {
    test(`every client gets exactly its bytes (${isHedging ? 'hedging, ' : ''}seed ${seed})`, async () => {
      const random = seededRandom(seed)
      // What a retry may cost is another test's matter.
      const budget = { share: 1, retriesMin: 10_000, windowMs: 10_000 }
      await using lab = await ForwardLab.start({
        upstreams: [{}, { framing: 'chunked' }, {}],
        policy: {
          firstByteMs: 150,
          retry: { ...defaultForwardPolicy.retry, budget, retriesMax: 8 },
          hedge: isHedging ? { afterMs: 30, budget } : undefined,
        },
        // Nobody is ejected for good, so that the sick ones are asked again and again.
        group: {
          health: { ...defaultHealth, failureThreshold: 1e9, rateThreshold: 2 },
          breaker: { ...defaultBreaker, failureThreshold: 1e9 },
        },
      })
      await Promise.all(
        Array.from({ length: CLIENTS }, async () => {
          for (let round = 0; round < ROUNDS; round += 1) {
            const length = random.next() < 0.3 ? LARGE : Math.floor(random.next() * 3_000)
            for (const name of ['b', 'c']) {
              const mode = modeBy(random.next(), Math.floor(random.next() * Math.max(1, length)))
              lab.upstream(name).nextModes.push(mode)
            }
            const answer = await lab.ask(`/bytes/${length}`)
            const shown = `${length} bytes, seed ${seed}: ${answer.status} ${answer.error ?? answer.body.subarray(0, 300).toString()}`
            assert.ok(answer.status === 200 && answer.isWhole, shown)
            assert.equal(sha256(answer.body), sha256(patternBytes(0, length)), shown)
          }
        }),
      )
      assert.deepEqual(lab.faults, [])
      await lab.isQuiet()
      assert.ok(lab.access.some(({ resumptions }) => resumptions > 0))
      assert.ok(lab.access.some(({ retries }) => retries > 0))
    })
  }
}
