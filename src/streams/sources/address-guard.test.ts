import assert from 'node:assert/strict'
import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { test } from 'node:test'
import { isPublicAddress, publicOnlyLookup } from './address-guard.ts'

const PUBLIC = [
  '1.1.1.1',
  '9.255.255.255',
  '11.0.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '223.255.255.255',
  '2606:4700:4700::1111',
  '[2a00:1450:4001:82b::200e]',
  '::ffff:8.8.8.8',
  '64:ff9b::8.8.8.8',
]

const NOT_PUBLIC = [
  '0.0.0.0',
  '10.0.0.1',
  '100.64.0.1',
  '100.100.100.200',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '168.63.129.16',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.192',
  '192.168.1.1',
  '198.18.0.1',
  '224.0.0.1',
  '239.255.255.255',
  '255.255.255.255',
  '::',
  '::1',
  '[::1]',
  '::127.0.0.1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '0:0:0:0:0:ffff:10.0.0.1',
  '64:ff9b::10.0.0.1',
  '64:ff9b::127.0.0.1',
  '64:ff9b:1::8.8.8.8',
  '2001::1',
  '2001:db8::1',
  '2002:7f00:1::',
  'fc00::1',
  'fd00:ec2::254',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'ff02::1',
  '',
  'localhost',
  '127.1',
  '1.2.3.4.5',
]

test('tells addresses that the whole internet reaches from all others', () => {
  for (const ip of PUBLIC) assert.equal(isPublicAddress(ip), true, ip)
  for (const ip of NOT_PUBLIC) assert.equal(isPublicAddress(ip), false, ip)
})

const resolvingTo =
  (...addresses: readonly string[]): LookupFunction =>
  (_hostname, _options, callback) => {
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  }

interface Answer {
  readonly error: NodeJS.ErrnoException | null
  readonly addresses: string | LookupAddress[]
  readonly family: number | undefined
}

function lookUp(lookup: LookupFunction, all: boolean): Promise<Answer> {
  return new Promise((resolve) => {
    lookup('name.test', { all }, (error, addresses, family) => resolve({ error, addresses, family }))
  })
}

test('a name keeps only its public addresses, and fails when it has none', async () => {
  const mixed = publicOnlyLookup(resolvingTo('10.0.0.1', '1.1.1.1', '::1'))
  assert.deepEqual((await lookUp(mixed, true)).addresses, [{ address: '1.1.1.1', family: 4 }])
  assert.equal((await lookUp(mixed, false)).addresses, '1.1.1.1')
  for (const all of [true, false]) {
    const { error } = await lookUp(publicOnlyLookup(resolvingTo('10.0.0.1', '::1')), all)
    assert.equal(error?.code, 'HOLDFAST_ADDRESS_FORBIDDEN')
    assert.match(error?.message ?? '', /name\.test/)
  }
})

test('who may reach more than public addresses is told by whoever asks', async () => {
  const opened = publicOnlyLookup(resolvingTo('10.0.0.1', '1.1.1.1', '::1'), (ip) => ip === '10.0.0.1')
  assert.equal((await lookUp(opened, false)).addresses, '10.0.0.1')
})

test('a failure of the resolver passes through as it is', async () => {
  const failing: LookupFunction = (_hostname, _options, callback) => {
    callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), '', 0)
  }
  assert.equal((await lookUp(publicOnlyLookup(failing), true)).error?.code, 'ENOTFOUND')
})
