import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestInvalid } from '../../http/error-body.ts'
import { requireAllowedProtocols, sourceUrl } from './source-url.ts'

test('addresses of every scheme that can be allowed are taken as they are written', () => {
  for (const url of [
    'http://h/a b',
    'rtsp://user:pass@10.0.0.1:554/ch?x=1',
    'srt://h:9000?mode=caller&passphrase=0123456789',
    'rtmp://h/app/key',
    'udp://@239.1.1.1:1234',
    'rtp://[ff02::1]:5000',
    'file:///srv/films/a%20film.ts?loop=1',
  ]) {
    assert.equal(sourceUrl.parse(url), url)
  }
})

test('what is no address of a source is refused', () => {
  for (const url of [
    'ftp://h/x',
    'javascript:alert(1)',
    'data:text/plain,x',
    'rtsp:/h',
    'rtsp://h/a b',
    'rtsp://h/"',
    'udp://:1234',
    'file://host/etc/passwd',
    'concat:/etc/passwd',
    'pipe:0',
    'tcp://h:1',
    '-i',
  ]) {
    assert.equal(sourceUrl.safeParse(url).success, false, url)
  }
})

test('a scheme that is not allowed is named, wherever it stands', () => {
  const source = (url: string) => ({ url, priority: 0, weight: 1, headers: {} })
  const request = { url: 'http://h/a', sources: [source('http://h/a'), source('udp://239.0.0.1:1')] }
  assert.throws(
    () => requireAllowedProtocols(request, ['http', 'rtsp']),
    (error) =>
      error instanceof RequestInvalid && /does not allow udp, only http, rtsp/.test(error.issues[0]?.message ?? ''),
  )
  requireAllowedProtocols(request, ['http', 'udp'])
})
