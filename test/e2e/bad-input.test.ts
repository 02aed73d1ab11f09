import assert from 'node:assert/strict'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: { ...unhurried, MAX_CLIENTS_PER_SHARED_STREAM: '3' } })
})
after(async () => {
  // Whatever it was fed, it still serves.
  assert.equal((await gateway.api.call('GET', '/health')).status, 200)
  await gateway[Symbol.asyncDispose]()
})

const URL_OK = 'http://127.0.0.1:9/live/1.ts'

describe('POST /streams refuses', () => {
  const bodies: readonly (readonly [string, unknown, readonly number[]])[] = [
    ['an empty body', '', [400, 422]],
    ['malformed JSON', '{"url": ', [400, 422]],
    ['an array', [], [422]],
    ['null', 'null', [400, 422]],
    ['no url', {}, [422]],
    ['a url that is a number', { url: 7 }, [422]],
    ['an empty url', { url: '' }, [422]],
    ['a url that is none', { url: 'not a url' }, [422]],
    ['a file URL', { url: 'file:///etc/passwd' }, [422]],
    ['an ftp URL', { url: 'ftp://127.0.0.1/x.ts' }, [422]],
    ['a javascript URL', { url: 'javascript:alert(1)' }, [422]],
    ['a data URL', { url: 'data:video/mp2t;base64,AAAA' }, [422]],
    ['a line break in a URL', { url: 'http://127.0.0.1/a\r\nX-Injected: 1' }, [422]],
    ['a url of 10 kB', { url: `http://127.0.0.1/${'a'.repeat(10_240)}` }, [422]],
    ['failover URLs that are a string', { url: URL_OK, failover_urls: URL_OK }, [422]],
    ['a bad one among the failover URLs', { url: URL_OK, failover_urls: [URL_OK, 'gopher://x/'] }, [422]],
    [
      '1,000 failover URLs',
      { url: URL_OK, failover_urls: Array.from({ length: 1_000 }, (_, i) => `${URL_OK}?${i}`) },
      [422],
    ],
    ['a header with a line break', { url: URL_OK, headers: { 'X-A': 'a\r\nX-B: b' } }, [422]],
    ['a header name with a space', { url: URL_OK, headers: { 'X A': 'a' } }, [422]],
    ['metadata that is nested', { url: URL_OK, metadata: { a: { b: 1 } } }, [422]],
    ['a user agent with a line break', { url: URL_OK, user_agent: 'a\r\nX-B: b' }, [422]],
    ['a resolver that is no URL', { url: URL_OK, failover_resolver_url: 'nope' }, [422]],
  ]
  for (const [name, body, statuses] of bodies) {
    test(name, async () => {
      const answer = await gateway.api.call<{ detail?: unknown }>('POST', '/streams', body)
      assert.ok(statuses.includes(answer.status), `${answer.status}: ${answer.text}`)
      assert.ok(answer.body?.detail !== undefined, answer.text)
    })
  }

  test('a body of 20 MB, without reading it all', async () => {
    const answer = await gateway.api
      .call('POST', '/streams', JSON.stringify({ url: URL_OK, metadata: { a: 'x'.repeat(20_000_000) } }))
      .catch(() => ({ status: 413 }))
    assert.equal(answer.status, 413)
  })

  test('another content type', async () => {
    const answer = await gateway.api.call('POST', '/streams', 'url=x', { 'content-type': 'text/plain' })
    assert.ok([400, 415, 422].includes(answer.status), `${answer.status}`)
  })
})

test('every refusal names what is wrong in the shape of the reference', async () => {
  const answer = await gateway.api.call<{ detail: readonly { loc: unknown; msg: unknown; type: unknown }[] }>(
    'POST',
    '/streams',
    { url: 7 },
  )
  assert.equal(answer.status, 422)
  const [first] = answer.body.detail
  assert.deepEqual(first?.loc, ['body', 'url'])
  assert.equal(typeof first?.msg, 'string')
  assert.equal(typeof first?.type, 'string')
})

test('a repeated POST of the same URL keeps the stream and its viewers', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }, { name: 'backup' }] })
  const viewer = await scene.watching()
  const again = await gateway.api.stream([scene.origin(0).url, scene.origin(1).url])
  assert.equal(again, scene.streamId)
  await viewer.hasRead(viewer.totalBytes + 50_000)
  assert.equal(scene.origin(0).connectionsEver, 1)
})

describe('an unknown id is 404 with a reason', () => {
  const routes = [
    ['GET', '/streams/unknown'],
    ['DELETE', '/streams/unknown'],
    ['GET', '/stream/unknown'],
    ['HEAD', '/stream/unknown'],
    ['POST', '/streams/unknown/failover'],
    ['GET', '/no/such/route'],
    ['GET', `/stream/${'a'.repeat(5_000)}`],
    ['GET', '/stream/..%2f..%2fetc%2fpasswd'],
    ['GET', '/static/..%2fmain.py'],
    ['GET', '/static/%2fetc%2fpasswd'],
  ] as const
  for (const [method, path] of routes) {
    test(`${method} ${path.slice(0, 60)}`, async () => {
      const answer = await gateway.api.call<{ detail?: unknown }>(method, path)
      assert.ok(answer.status === 404 || answer.status === 414, `${answer.status}`)
      if (method !== 'HEAD') assert.equal(typeof answer.body?.detail, 'string', answer.text)
    })
  }
})

describe('a nonsensical Range on a live stream is ignored', { concurrency: 4 }, () => {
  for (const range of ['bytes=9-1', 'bytes=abc', 'bytes=0-1,5-9', 'lines=1-2', `bytes=${'9'.repeat(400)}-`]) {
    test(range.slice(0, 40), async () => {
      await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
      const viewer = scene.watch({ headers: { range } })
      await viewer.sees(scene.origin(0).name)
      assert.equal(viewer.status, 200)
    })
  }
})

test('one viewer too many is refused with 503, and there is room again when one leaves', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
  const [first] = [await scene.watching(), await scene.watching(), await scene.watching()]
  const refused = scene.watch()
  await refused.finished()
  assert.equal(refused.status, 503)
  assert.equal(typeof (refused.json as { detail: unknown }).detail, 'string')
  first?.close()
  await until(async () => (await gateway.api.streamObject(scene.streamId)).client_count === 2, { what: 'room' })
  await scene.watching()
})

const CRLF = '\r\n'

function open(text: string): Socket {
  const socket = connect(gateway.port, '127.0.0.1', () => socket.write(text))
  socket.on('error', () => {})
  return socket
}

async function answerTo(text: string): Promise<string> {
  const socket = open(text)
  let answer = ''
  socket.on('data', (bytes: Buffer) => {
    answer += bytes.toString('latin1')
  })
  await until(() => socket.destroyed || socket.readableEnded, { what: `an end after ${text.slice(0, 40)}` })
  return answer
}

test('a request that is not HTTP is 400 and the connection is closed', async () => {
  assert.match(await answerTo(`\x16\x03\x01\x02${CRLF}${CRLF}`), /^HTTP\/1\.1 400/)
  assert.match(await answerTo(`GET / HTTP/1.1${CRLF}Host: x${CRLF}Bad Header: 1${CRLF}${CRLF}`), /^HTTP\/1\.1 400/)
})

test('a request with headers of 100 kB is refused', async () => {
  const answer = await answerTo(`GET / HTTP/1.1${CRLF}Host: x${CRLF}X-Big: ${'a'.repeat(100_000)}${CRLF}${CRLF}`)
  assert.match(answer, /^HTTP\/1\.1 4(31|00)/)
})

test('fifty connections that never finish their request do not keep anybody else waiting', async () => {
  const loris = Array.from({ length: 50 }, () => open(`GET /streams HTTP/1.1${CRLF}X-A: `))
  try {
    await until(() => loris.every((socket) => socket.readyState === 'open'), { what: 'fifty connections' })
    assert.equal((await gateway.api.call('GET', '/health')).status, 200)
    assert.ok(
      loris.every((socket) => socket.readyState === 'open'),
      'it was answered when some of them had been closed',
    )
  } finally {
    for (const socket of loris) socket.destroy()
  }
})

test('viewers that vanish without a FIN being answered leave nothing behind', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
  const watching = await scene.watching()
  const sockets = [1, 2].map(() => open(`GET /stream/${scene.streamId} HTTP/1.1${CRLF}Host: x${CRLF}${CRLF}`))
  await until(async () => (await gateway.api.streamObject(scene.streamId)).client_count === 3, {
    what: 'three viewers',
  })
  for (const socket of sockets) socket.resetAndDestroy()
  await until(async () => (await gateway.api.streamObject(scene.streamId)).client_count === 1, { what: 'one viewer' })
  assert.ok(watching.isAlive)
})
