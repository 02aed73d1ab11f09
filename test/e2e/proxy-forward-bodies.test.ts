import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import type { UpstreamMode } from '../lab/fault-upstream.ts'
import { patternBytes, sha256 } from '../lab/fault-upstream.ts'
import { ForwardLab } from '../lab/forward-lab.ts'

/** Bodies in both directions: what is sent twice and what never is, and answers that break off. */

const LARGE = 1_000_000

const sentAndLost: readonly (readonly [string, UpstreamMode, number])[] = [
  ['reset before the response', { kind: 'reset_before_response' }, 502],
  ['reset in the body', { kind: 'reset_in_body', afterBytes: 300 }, 502],
  ['hang', { kind: 'hang' }, 504],
  ['503', { kind: 'status', status: 503 }, 503],
]

for (const [name, mode, status] of sentAndLost) {
  test(`a POST reaches an upstream exactly once: ${name}`, async () => {
    await using lab = await ForwardLab.start({ endpoint: (id) => ({ weight: id === 'b' ? 1 : 0 }) })
    await lab.upstream('b').become(mode)
    const answer = await lab.ask('/', { method: 'POST', body: 'order one' })
    assert.equal(answer.status, status)
    assert.equal(lab.received, 1)
    assert.equal(lab.upstream('b').requests[0]?.bodyBytes, 9)
  })
}

test('a POST goes elsewhere as long as nothing was sent', async () => {
  await using lab = await ForwardLab.start({ endpoint: (id) => ({ weight: id === 'b' ? 1 : 0 }) })
  await lab.upstream('b').become({ kind: 'refuse' })
  const answer = await lab.ask('/', { method: 'POST', body: 'order one' })
  assert.equal(answer.headers['x-upstream'], 'a')
  assert.equal(lab.upstream('a').requests[0]?.bodySha256, sha256(Buffer.from('order one')))
})

test('a POST with an Idempotency-Key, or by the policy, is sent again', async () => {
  await using lab = await ForwardLab.start({ endpoint: (id) => ({ weight: id === 'b' ? 1 : 0 }) })
  await lab.upstream('b').become({ kind: 'reset_before_response' })
  const answer = await lab.ask('/', { method: 'POST', body: 'x', headers: { 'Idempotency-Key': '1' } })
  assert.equal(answer.headers['x-upstream'], 'a')
  await using bold = await ForwardLab.start({
    endpoint: (id) => ({ weight: id === 'b' ? 1 : 0 }),
    policy: { retryNonIdempotent: true },
  })
  await bold.upstream('b').become({ kind: 'reset_before_response' })
  assert.equal((await bold.ask('/', { method: 'POST', body: 'x' })).headers['x-upstream'], 'a')
})

test('a body within the replay limit is sent again byte for byte, a longer one is not', async () => {
  await using lab = await ForwardLab.start({ endpoint: (id) => ({ weight: id === 'b' ? 1 : 0 }) })
  await lab.upstream('b').become({ kind: 'reset_before_response' })
  const short = patternBytes(0, 65_536)
  assert.equal((await lab.ask('/', { method: 'PUT', body: short })).headers['x-upstream'], 'a')
  assert.equal(lab.upstream('a').requests[0]?.bodySha256, sha256(short))
  const chunked = await lab.ask('/', { method: 'PUT', body: short, headers: { 'Transfer-Encoding': 'chunked' } })
  assert.equal(chunked.headers['x-upstream'], 'a')
  assert.equal(lab.upstream('a').requests[1]?.bodySha256, sha256(short))
  const long = await lab.ask('/', { method: 'PUT', body: patternBytes(0, 65_537) })
  assert.equal(long.status, 502)
  assert.equal(lab.upstream('a').requests.length, 2)
})

test('a large body goes elsewhere while no connection was made', async () => {
  await using lab = await ForwardLab.start({ endpoint: (id) => ({ weight: id === 'b' ? 1 : 0 }) })
  await lab.upstream('b').become({ kind: 'refuse' })
  const body = patternBytes(0, LARGE)
  const answer = await lab.ask('/', { method: 'POST', body })
  assert.equal(answer.status, 200, answer.body.toString())
  assert.equal(lab.upstream('a').requests[0]?.bodySha256, sha256(body))
})

for (const framing of ['length', 'chunked'] as const) {
  test(`a large answer that breaks off is gone on with elsewhere, byte for byte (${framing})`, async () => {
    await using lab = await ForwardLab.start({ upstreams: [{ framing }, { framing }, { framing }] })
    for (const name of ['b', 'c']) {
      await lab.upstream(name).become({ kind: 'reset_in_body', afterBytes: 300_000 })
    }
    for (let round = 0; round < 3; round += 1) {
      const answer = await lab.ask(`/bytes/${LARGE}`)
      assert.ok(answer.isWhole, answer.error)
      assert.equal(sha256(answer.body), sha256(patternBytes(0, LARGE)))
    }
    const resumed = lab.access.reduce((sum, { resumptions }) => sum + resumptions, 0)
    assert.ok(resumed >= 2, `${resumed} resumptions`)
    const asked = lab.upstreams.flatMap(({ requests }) => requests.flatMap(({ fields }) => fields.get('range') ?? []))
    assert.ok(
      asked.every((range) => /^bytes=[1-9]\d*-\d*$/.test(range)),
      asked.join(', '),
    )
    await lab.isQuiet()
  })
}

test('an answer of unknown length that breaks off behind its last byte is known to be whole from elsewhere', async () => {
  await using lab = await ForwardLab.start({
    upstreams: [{}, { framing: 'chunked' }],
    endpoint: (id) => ({ weight: id === 'b' ? 1 : 0 }),
  })
  await lab.upstream('b').become({ kind: 'reset_in_body', afterBytes: LARGE })
  const answer = await lab.ask(`/bytes/${LARGE}`)
  assert.ok(answer.isWhole, answer.error)
  assert.equal(sha256(answer.body), sha256(patternBytes(0, LARGE)))
  assert.equal(lab.upstream('a').requests[0]?.fields.get('range'), `bytes=${LARGE - 1}-`)
})

test('a range that breaks off is gone on with inside the range', async () => {
  await using lab = await ForwardLab.start({ endpoint: (id) => ({ weight: id === 'b' ? 1 : 0 }) })
  await lab.upstream('b').become({ kind: 'fin_in_body', afterBytes: 100_000 })
  const answer = await lab.ask(`/bytes/${LARGE}`, { headers: { Range: 'bytes=500-499999' } })
  assert.equal(answer.status, 206)
  assert.equal(sha256(answer.body), sha256(patternBytes(500, 500_000)))
  assert.equal(lab.upstream('a').requests[0]?.fields.get('range'), 'bytes=100500-499999')
})

const unprovable = [
  ['no validator', { etag: undefined }, { etag: undefined }],
  ['a weak one', { etag: 'W/"1"' }, { etag: 'W/"1"' }],
  ['another version elsewhere', { etag: '"1"' }, { etag: '"2"', shift: 1 }],
] as const

for (const [name, a, b] of unprovable) {
  test(`what cannot be proven to be the same is cut, never ended (${name})`, async () => {
    await using lab = await ForwardLab.start({ upstreams: [a, b], endpoint: (id) => ({ weight: id === 'b' ? 1 : 0 }) })
    await lab.upstream('b').become({ kind: 'fin_in_body', afterBytes: 100_000 })
    const answer = await lab.ask(`/bytes/${LARGE}`)
    // A reset may overtake what was sent before it.
    assert.ok(answer.status === 200 || answer.status === 0)
    assert.equal(answer.isWhole, false)
    assert.ok(answer.error !== undefined)
    const expected = patternBytes(0, LARGE, 'shift' in b ? b.shift : 0)
    assert.ok(answer.body.equals(expected.subarray(0, answer.body.length)), 'bytes of another version')
    await lab.hasTold(1)
    assert.equal(lab.access[0]?.ending, 'cut')
    assert.ok((lab.group.endpoints.find(({ endpoint }) => endpoint.id === 'b')?.failures ?? 0) > 0, 'not charged')
  })
}

test('a chunked answer without a known length is held while it is short', async () => {
  await using lab = await ForwardLab.start({
    upstreams: [{ framing: 'chunked' }, { framing: 'chunked', etag: undefined }],
    endpoint: (id) => ({ weight: id === 'b' ? 1 : 0 }),
  })
  await lab.upstream('b').become({ kind: 'reset_in_body', afterBytes: 500 })
  const answer = await lab.ask('/')
  assert.equal(sha256(answer.body), sha256(patternBytes(0, 1_024)))
  assert.equal(answer.headers['x-upstream'], 'a')
})

test('a slow answer of known length is passed on unfinished after a while', async () => {
  const holdBack = { bytesMax: 65_536, knownLengthMs: 60, unknownLengthMs: 30 }
  await using lab = await ForwardLab.start({ upstreams: [{}], policy: { holdBack } })
  const body = patternBytes(0, 1_024)
  let finish: () => void = () => undefined
  await lab.upstream('a').become({
    kind: 'custom',
    answer: (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n')
      socket.write(body.subarray(0, 256))
      finish = () => socket.write(body.subarray(256))
    },
  })
  const [response] = (await once(get({ port: lab.port, agent: lab.agent }), 'response')) as [IncomingMessage]
  // The head is here, and the rest has not even been sent.
  finish()
  assert.equal(sha256(Buffer.concat(await response.toArray())), sha256(body))
})
