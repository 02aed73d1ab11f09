import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cookieValue, factReader, networkFinder } from './request-facts.ts'
import type { FactSource } from './request-facts.ts'

const request = (more: Partial<FactSource> = {}): FactSource => ({
  path: '/a/b?c',
  fields: [],
  clientAddress: '203.0.113.7',
  ...more,
})

test('the key of a request is the header, the cookie, the path or the address that the strategy names', () => {
  const keyOf = (hash: Parameters<typeof factReader>[0] & { kind: 'active_active' }, more: Partial<FactSource> = {}) =>
    factReader(hash, undefined)(request(more)).key
  const base = { kind: 'active_active', loadFactor: 1.25 } as const
  assert.equal(keyOf({ ...base, hash: { kind: 'header', name: 'x-user' } }, { fields: ['X-User', 'ann'] }), 'ann')
  assert.equal(keyOf({ ...base, hash: { kind: 'header', name: 'x-user' } }), undefined)
  assert.equal(keyOf({ ...base, hash: { kind: 'cookie', name: 'sid' } }, { fields: ['Cookie', 'a=b; sid=7'] }), '7')
  assert.equal(keyOf({ ...base, hash: { kind: 'path' } }), '/a/b')
  assert.equal(keyOf({ ...base, hash: { kind: 'client_address' } }), '203.0.113.7')
  assert.equal(keyOf(base), undefined)
})

test('a cookie is found by its exact name, in any of several fields', () => {
  assert.equal(cookieValue(['Cookie', 'Sid=1; sid=2'], 'sid'), '2')
  assert.equal(cookieValue(['Cookie', 'a=1', 'Cookie', 'sid=x=y'], 'sid'), 'x=y')
  assert.equal(cookieValue(['Cookie', 'xsid=1'], 'sid'), undefined)
  assert.equal(cookieValue([], 'sid'), undefined)
})

test('the region of a request is ours, that of a header, or that of the client’s network', () => {
  const regionOf = (region: { kind: 'own' } | { kind: 'header'; name: string }, more: Partial<FactSource> = {}) =>
    factReader({ kind: 'geographic', region, regions: [] }, 'eu')(request(more)).region
  assert.equal(regionOf({ kind: 'own' }), 'eu')
  assert.equal(regionOf({ kind: 'header', name: 'x-region' }, { fields: ['X-Region', 'us'] }), 'us')
  assert.equal(regionOf({ kind: 'header', name: 'x-region' }), 'eu')
  const networks = [{ network: '203.0.113.0/24', region: 'asia' }]
  const byNetwork = factReader({ kind: 'geographic', regions: [], region: { kind: 'client_networks', networks } }, 'eu')
  assert.equal(byNetwork(request()).region, 'asia')
  assert.equal(byNetwork(request({ clientAddress: '198.51.100.1' })).region, 'eu')
})

test('of several networks the one with the longest prefix counts', () => {
  const find = networkFinder([
    { network: '10.0.0.0/8', region: 'wide' },
    { network: '10.1.0.0/16', region: 'narrow' },
    { network: '10.1.2.3', region: 'one' },
    { network: 'fd00::/8', region: 'six' },
  ])
  assert.equal(find('10.9.9.9'), 'wide')
  assert.equal(find('10.1.9.9'), 'narrow')
  assert.equal(find('10.1.2.3'), 'one')
  assert.equal(find('fd00::1'), 'six')
  assert.equal(find('192.0.2.1'), undefined)
  assert.equal(find(''), undefined)
})
