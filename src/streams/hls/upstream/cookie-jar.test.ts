import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CookieJar } from './cookie-jar.ts'

const AT = new URL('https://cdn.example.com/live/one/index.m3u8')

function jarOf(...setCookies: readonly string[]) {
  const time = { ms: 1_000_000 }
  const jar = new CookieJar(() => time.ms)
  jar.store(AT, setCookies)
  return { jar, time, sent: (url: string) => jar.header(new URL(url)) }
}

test('a cookie goes back to its host and path, and nowhere else', () => {
  const { sent } = jarOf('a=1')
  assert.equal(sent('https://cdn.example.com/live/one/seg.ts'), 'a=1')
  assert.equal(sent('https://cdn.example.com/live/other/seg.ts'), undefined)
  assert.equal(sent('https://cdn.example.com/live/oneself'), undefined)
  assert.equal(sent('https://other.example.com/live/one/seg.ts'), undefined)
  assert.equal(sent('https://sub.cdn.example.com/live/one/seg.ts'), undefined)
})

test('a domain widens it to names below, never to a foreign or a top-level one', () => {
  const { sent } = jarOf('a=1; Domain=.example.com; Path=/', 'b=2; Domain=evil.test; Path=/', 'c=3; Domain=com; Path=/')
  assert.equal(sent('https://seg.example.com/x'), 'a=1')
  assert.equal(sent('https://notexample.com/x'), undefined)
  const address = new CookieJar(() => 0)
  address.store(new URL('http://10.0.0.1/'), ['a=1; Domain=0.0.1; Path=/'])
  assert.equal(address.size, 0)
})

test('a secure cookie does not go out in the clear', () => {
  const { sent } = jarOf('a=1; Secure; Path=/')
  assert.equal(sent('http://cdn.example.com/'), undefined)
  assert.equal(sent('https://cdn.example.com/'), 'a=1')
})

test('cookies end with Max-Age, which goes before Expires, and are taken back with an old date', () => {
  const { jar, time, sent } = jarOf('a=1; Path=/; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT', 'b=2; Path=/')
  assert.equal(sent('https://cdn.example.com/'), 'a=1; b=2')
  time.ms += 10_000
  assert.equal(sent('https://cdn.example.com/'), 'b=2')
  jar.store(AT, ['b=2; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT'])
  assert.equal(jar.size, 0)
})

test('the longer path comes first, and a newer value takes the place of the old one', () => {
  const { jar, sent } = jarOf('a=1; Path=/', 'a=2; Path=/live')
  jar.store(AT, ['a=3; Path=/'])
  assert.equal(sent('https://cdn.example.com/live/x'), 'a=2; a=3')
})

test('what would write into the request is not kept, nor more than a handful', () => {
  const { jar } = jarOf('a=1\r\nX-Evil: 1', '=x', `b=${'x'.repeat(5_000)}`)
  assert.equal(jar.size, 0)
  jar.store(
    AT,
    Array.from({ length: 500 }, (_, index) => `c${index}=1; Path=/`),
  )
  assert.equal(jar.size, 64)
})
