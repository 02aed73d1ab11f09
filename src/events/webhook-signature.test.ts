import assert from 'node:assert/strict'
import { test } from 'node:test'
import { webhookSignature } from './webhook-signature.ts'

test('signs time and body as OpenSSL does', () => {
  // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'a secret of the receiver'
  assert.equal(
    webhookSignature('a secret of the receiver', 1_700_000_000, '{"a":1}'),
    't=1700000000,v1=719d43160dd8091f1cdca2473a26871d7f4f701b9c72dd2391c6e537c2ec685b',
  )
})

test('another time, body or secret gives another signature', () => {
  const signatures = new Set([
    webhookSignature('secret', 1, 'body'),
    webhookSignature('secret', 2, 'body').replace('t=2', 't=1'),
    webhookSignature('secret', 1, 'Body'),
    webhookSignature('Secret', 1, 'body'),
  ])
  assert.equal(signatures.size, 4)
})
