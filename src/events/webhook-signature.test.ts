import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { systemClock } from '../lib/clock.ts'
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

test('the check that docs/EVENTS.md shows accepts what is signed and nothing else', async () => {
  const page = await readFile(new URL('../../docs/EVENTS.md', import.meta.url), 'utf8')
  const [, shown = ''] = /```js\n(import[^`]*?function isSigned[\s\S]*?)```/.exec(page) ?? []
  const url = `data:text/javascript,${encodeURIComponent(`${shown}\nexport { isSigned }`)}`
  const { isSigned } = (await import(url)) as { isSigned: (header: unknown, body: string, secret: string) => boolean }
  const now = Math.floor(systemClock.wallMs() / 1_000)
  const header = webhookSignature('secret', now, 'body')
  assert.equal(isSigned(header, 'body', 'secret'), true)
  assert.equal(isSigned(header, 'bodY', 'secret'), false)
  assert.equal(isSigned(header, 'body', 'other'), false)
  assert.equal(isSigned(header.replace(/^t=\d+/, `t=${now - 1}`), 'body', 'secret'), false)
  assert.equal(isSigned(webhookSignature('secret', now - 301, 'body'), 'body', 'secret'), false)
  assert.equal(isSigned(undefined, 'body', 'secret'), false)
})
