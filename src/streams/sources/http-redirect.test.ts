import assert from 'node:assert/strict'
import { test } from 'node:test'
import { REDIRECTS_MAX, firstHop, followRedirect } from './http-redirect.ts'
import type { Hop } from './http-redirect.ts'

function hopTo(url: string, headers: Readonly<Record<string, string>> = {}): Hop {
  const hop = firstHop(url, headers)
  assert.ok(hop !== undefined, url)
  return hop
}

function followed(hop: Hop, location: string, status = 302): Hop {
  const decision = followRedirect(hop, status, location)
  assert.equal(decision.kind, 'follow', location)
  return decision.kind === 'follow' ? decision.hop : hop
}

test('takes credentials out of the URL and into Basic authorization', () => {
  const hop = hopTo('http://us%3Aer:p%40ss@origin.test:8080/live?x=1#part')
  assert.equal(hop.url.href, 'http://origin.test:8080/live?x=1')
  assert.equal(hop.authorization, `Basic ${Buffer.from('us:er:p@ss').toString('base64')}`)
  assert.equal(hopTo('http://origin.test/').authorization, undefined)
})

test('only http and https are asked', () => {
  for (const url of ['file:///etc/passwd', 'ftp://a/b', 'rtsp://a/b', 'javascript:1', 'nonsense', '']) {
    assert.equal(firstHop(url, {}), undefined, url)
  }
})

test('follows only the statuses that carry the same request on', () => {
  const hop = hopTo('http://a.test/x')
  for (const status of [301, 302, 303, 307, 308]) assert.equal(followRedirect(hop, status, '/y').kind, 'follow')
  for (const status of [200, 206, 300, 304, 305, 404]) assert.equal(followRedirect(hop, status, '/y').kind, 'answer')
})

test('resolves relative locations', () => {
  const hop = hopTo('http://a.test/dir/x?q=1')
  assert.equal(followed(hop, 'y?z').url.href, 'http://a.test/dir/y?z')
  assert.equal(followed(hop, '/y').url.href, 'http://a.test/y')
  assert.equal(followed(hop, '//b.test/y').url.href, 'http://b.test/y')
})

test('credentials and secret headers stay with their origin, also on the way back', () => {
  const headers = { Authorization: 'Bearer x', cookie: 'a=b', 'X-Access-Token': 't', Host: 'h', Referer: 'r' }
  const hop = hopTo('http://user:pass@a.test/x', headers)
  const same = followed(hop, 'http://a.test/y')
  assert.equal(same.authorization, hop.authorization)
  assert.deepEqual(same.headers, headers)
  for (const elsewhere of ['http://b.test/y', 'http://a.test:81/y', 'https://a.test/y', 'http://sub.a.test/y']) {
    const other = followed(hop, elsewhere)
    assert.equal(other.authorization, undefined, elsewhere)
    assert.deepEqual(other.headers, { Referer: 'r' }, elsewhere)
    const back = followed(other, 'http://a.test/z')
    assert.equal(back.authorization, undefined)
    assert.deepEqual(back.headers, { Referer: 'r' })
  }
})

test('stops circles and long chains, and shows no secrets of where they led', () => {
  const hop = hopTo('http://a.test/0')
  const circle = followRedirect(followed(hop, '/1'), 302, 'http://u:p@a.test/0')
  assert.equal(circle.kind === 'fail' ? circle.failure.kind : '', 'too_many_redirects')
  let last = hop
  for (let step = 1; step <= REDIRECTS_MAX; step += 1) last = followed(last, `/${step}`)
  const tooLong = followRedirect(last, 302, '/live/user/secret/1.ts?token=abc')
  assert.equal(tooLong.kind, 'fail')
  if (tooLong.kind !== 'fail') return
  assert.equal(tooLong.failure.kind, 'too_many_redirects')
  assert.doesNotMatch(JSON.stringify(tooLong.failure), /secret|abc/)
})

test('a redirect without a usable Location is a failure, not an answer', () => {
  const hop = hopTo('http://a.test/0')
  for (const location of [undefined, '', 'file:///x', 'http://', 'http://a.test:99999/', `/${'x'.repeat(9_000)}`]) {
    const decision = followRedirect(hop, 301, location)
    assert.equal(decision.kind === 'fail' ? decision.failure.kind : decision.kind, 'bad_redirect', location)
  }
})
