import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { References } from './reference.ts'
import type { Reference } from './reference.ts'

const references = new References('a secret of the gateway', 'stream-one')
const segment: Reference = {
  kind: 'segment',
  span: 3,
  candidateId: 'abc.1',
  url: 'http://origin.example/live/seg-104.ts?token=geheim',
  byteRange: undefined,
}

function sealed(reference: Reference, by = references): string {
  const name = by.seal(reference)
  assert.ok(name !== undefined)
  return name
}

test('a name leads back to exactly what it was made of, whatever that is', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('segment', 'part', 'map', 'key', 'data', 'playlist', 'assets'),
      fc.webUrl({ withQueryParameters: true, withFragments: true }),
      fc.nat(),
      fc.option(fc.record({ offset: fc.maxSafeNat(), length: fc.maxSafeNat() }, { noNullPrototype: true }), {
        nil: undefined,
      }),
      (kind, url, span, byteRange) => {
        const reference = { kind, url, span, byteRange, candidateId: 'x.1' } as const
        assert.deepEqual(references.open(sealed(reference)), reference)
      },
    ),
    { numRuns: 300 },
  )
})

test('the same thing has the same name, also for a gateway that was started again; another span has another', () => {
  const again = new References('a secret of the gateway', 'stream-one')
  assert.equal(sealed(segment), sealed(segment, again))
  assert.notEqual(sealed(segment), sealed({ ...segment, span: 4 }))
  assert.notEqual(sealed(segment), sealed({ ...segment, candidateId: 'abc.2' }))
  assert.notEqual(sealed(segment), sealed({ ...segment, byteRange: { offset: 0, length: 10 } }))
})

test('a name shows nothing of the address and ends as players expect', () => {
  const name = sealed(segment)
  assert.match(name, /^s\/[A-Za-z0-9_-]+\.ts$/)
  const bytes = Buffer.from(name.slice(2, -3), 'base64url').toString('latin1')
  for (const secret of ['origin', 'geheim', 'seg-104']) assert.ok(!bytes.includes(secret))
  assert.match(sealed({ ...segment, url: 'https://o.example/a/b.m4s?x=.ts' }), /^s\/.*\.m4s$/)
  assert.match(sealed({ ...segment, url: 'https://o.example/a/b.php?x=.m4s' }), /\.ts$/)
  assert.match(sealed({ ...segment, kind: 'key' }), /^k\/.*\.key$/)
  assert.match(sealed({ ...segment, kind: 'playlist' }), /^l\/.*\.m3u8$/)
})

test('a name that was altered anywhere, or is of another stream or gateway, leads nowhere', () => {
  const name = sealed(segment)
  const others = [new References('a secret of the gateway', 'stream-two'), new References('another', 'stream-one')]
  for (const other of others) assert.equal(other.open(name), undefined)
  for (let at = 0; at < name.length; at += 1) {
    const flipped = name[at] === 'A' ? 'B' : 'A'
    assert.equal(references.open(name.slice(0, at) + flipped + name.slice(at + 1)), undefined, `changed at ${at}`)
  }
  const token = name.slice(2, -3)
  const forged = [
    '',
    's/.ts',
    `m/${token}.mp4`,
    `s/${token}.m4s`,
    `s/${token}`,
    `s/${token}.ts/`,
    `/s/${token}.ts`,
    `s/../s/${token}.ts`,
    `s/${token}=.ts`,
    `s/${'A'.repeat(20_000)}.ts`,
    `s/${Buffer.from('s\n1\nabc.1\n\nhttp://127.0.0.1/').toString('base64url')}.ts`,
    's/http%3A%2F%2F127.0.0.1%2F.ts',
  ]
  for (const path of forged) assert.equal(references.open(path), undefined, path.slice(0, 40))
})

test('random names lead nowhere and never throw', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (text) => references.open(text) === undefined),
    { numRuns: 500 },
  )
})

test('an address that no request line could hold has no name', () => {
  assert.equal(references.seal({ ...segment, url: `http://o.example/${'x'.repeat(9_000)}` }), undefined)
})
