import assert from 'node:assert/strict'
import { test } from 'node:test'
import { patternBytes, sha256 } from '../lab/fault-upstream.ts'
import type { UpstreamMode } from '../lab/fault-upstream.ts'
import { ForwardLab } from '../lab/forward-lab.ts'

/** The failure table: one of two replicas misbehaves in every way, the other is well. */

const modes: readonly (readonly [string, UpstreamMode])[] = [
  ['refuse', { kind: 'refuse' }],
  ['reset before the response', { kind: 'reset_before_response' }],
  ['reset in the head', { kind: 'reset_in_head', afterBytes: 20 }],
  ['reset in the body', { kind: 'reset_in_body', afterBytes: 300 }],
  ['end in the body', { kind: 'fin_in_body', afterBytes: 300 }],
  ['503', { kind: 'status', status: 503 }],
  ['503 with Retry-After', { kind: 'status', status: 503, fields: 'Retry-After: 1\r\n' }],
  ['502', { kind: 'status', status: 502 }],
  ['hang', { kind: 'hang' }],
  ['half open', { kind: 'half_open' }],
  ['a length that is not kept', { kind: 'wrong_length', missingBytes: 10 }],
  ['a chunk that is none', { kind: 'bad_chunk' }],
  ['no HTTP', { kind: 'no_http' }],
]
const CLIENTS = 8
const ROUNDS = 4

for (const [name, mode] of modes) {
  test(`no client sees a replica fail: ${name}`, async () => {
    await using lab = await ForwardLab.start()
    await lab.upstream('b').become(mode)
    const expected = sha256(patternBytes(0, 1_024))
    await Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        for (let round = 0; round < ROUNDS; round += 1) {
          const answer = await lab.ask('/')
          assert.equal(answer.status, 200, answer.error ?? answer.body.toString())
          assert.equal(answer.headers['x-upstream'], 'a')
          assert.equal(sha256(answer.body), expected)
          assert.ok(answer.isWhole)
        }
      }),
    )
    await lab.hasTold(CLIENTS * ROUNDS)
    assert.equal(lab.access.length, CLIENTS * ROUNDS)
    assert.ok(lab.access.every(({ ending }) => ending === 'served'))
    assert.ok(
      lab.access.some(({ retries }) => retries > 0),
      'nobody met the bad replica',
    )
    const sick = lab.group.endpoints.find(({ endpoint }) => endpoint.id === 'b')
    // How many of the requests that run at once it gets to fail is chance.
    assert.notEqual(sick?.health, 'healthy')
    await lab.isQuiet()
    assert.deepEqual(lab.faults, [])
  })
}
