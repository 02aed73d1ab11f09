import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { systemClock } from '../../lib/clock.ts'
import { RawOrigin } from '../sources/raw-origin.fixture.ts'
import { VodGateway, fileOrigin, film, readAll, sha256 } from './vod.fixture.ts'
import type { Fault } from './vod.fixture.ts'

const ETAG = '"v1"'
const DATE = 'Wed, 21 Oct 2026 07:28:00 GMT'

test('passes a whole file with the headers that describe it', async () => {
  const file = film(300_000, 1)
  await using origin = await fileOrigin({ file, etag: ETAG, lastModified: DATE })
  await using gateway = await VodGateway.listen([origin.url])
  const { status, headers, body, isCut } = await gateway.read()
  assert.equal(status, 200)
  assert.equal(sha256(body), sha256(file))
  assert.equal(isCut, false)
  assert.equal(headers['content-length'], '300000')
  assert.equal(headers['content-type'], 'video/mp4')
  assert.equal(headers['etag'], ETAG)
  assert.equal(headers['last-modified'], DATE)
  assert.equal(headers['accept-ranges'], 'bytes')
  assert.equal(gateway.bytes, 300_000)
  assert.deepEqual(gateway.failovers, [])
})

test('passes ranges as the source answers them: 206, 416, and 200 where it ignores them', async () => {
  const file = film(10_000, 2)
  await using origin = await fileOrigin({ file, etag: ETAG })
  await using gateway = await VodGateway.listen([origin.url])
  const parts: readonly [range: string, first: number, end: number][] = [
    ['bytes=0-0', 0, 1],
    ['bytes=100-199', 100, 200],
    ['bytes=9990-', 9_990, 10_000],
    ['bytes=-10', 9_990, 10_000],
    ['bytes=0-99999', 0, 10_000],
  ]
  for (const [range, first, end] of parts) {
    const { status, headers, body } = await gateway.read({ range })
    assert.equal(status, 206, range)
    assert.equal(headers['content-range'], `bytes ${first}-${end - 1}/10000`, range)
    assert.equal(headers['content-length'], String(end - first), range)
    assert.deepEqual(body, file.subarray(first, end), range)
  }
  const beyond = await gateway.read({ range: 'bytes=10000-' })
  assert.equal(beyond.status, 416)
  assert.equal(beyond.headers['content-range'], 'bytes */10000')
  for (const range of ['bytes=abc', 'bytes=5-2-3', 'lines=1-2']) {
    const nonsense = await gateway.read({ range })
    assert.equal(nonsense.status, 200, range)
    assert.equal(origin.requests.at(-1)?.headers['range'], range)
    assert.equal(nonsense.body.length, 10_000)
  }
  await using old = await fileOrigin({ file, ignoresRange: true })
  await using beforeOld = await VodGateway.listen([old.url])
  const ignored = await beforeOld.read({ range: 'bytes=5-9' })
  assert.equal(ignored.status, 200)
  assert.equal(sha256(ignored.body), sha256(file))
})

test('an If-Range of the viewer reaches the source, so that parts of two files are never mixed', async () => {
  await using origin = await fileOrigin({ file: film(1_000, 3), etag: ETAG })
  await using gateway = await VodGateway.listen([origin.url])
  assert.equal((await gateway.read({ range: 'bytes=10-', 'if-range': ETAG })).status, 206)
  assert.equal((await gateway.read({ range: 'bytes=10-', 'if-range': '"old"' })).status, 200)
})

test('a cached copy that is still good is told so, without a body', async () => {
  await using origin = await RawOrigin.listen(({ socket }) => {
    socket.end('HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n')
  })
  await using gateway = await VodGateway.listen([origin.url])
  assert.equal((await gateway.read({ 'if-none-match': ETAG })).status, 304)
  assert.equal((await gateway.read()).status, 502)
})

test('HEAD is asked as HEAD, and of a source that refuses it as one byte', async () => {
  const file = film(5_000, 4)
  await using origin = await fileOrigin({ file, etag: ETAG })
  await using refusing = await RawOrigin.listen(({ socket, method }) => {
    if (method === 'HEAD') socket.end('HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n')
    else socket.end('HTTP/1.1 206 P\r\nContent-Range: bytes 0-0/5000\r\nContent-Length: 1\r\nETag: "v1"\r\n\r\nx')
  })
  for (const { url } of [origin, refusing]) {
    await using gateway = await VodGateway.listen([url])
    const { status, headers, body } = await gateway.read({}, 'HEAD')
    assert.equal(status, 200)
    assert.equal(headers['content-length'], '5000')
    assert.equal(headers['content-range'], undefined)
    assert.equal(headers['accept-ranges'], 'bytes')
    assert.equal(headers['etag'], ETAG)
    assert.equal(body.length, 0)
  }
  assert.equal(origin.requests[0]?.method, 'HEAD')
  assert.equal(refusing.requests[1]?.headers['range'], 'bytes=0-0')
})

test('before the head is sent any failure moves to the next source, and the viewer sees nothing of it', async () => {
  const file = film(50_000, 5)
  const heads: readonly [reason: string, answer: string][] = [
    ['http_404', 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'],
    ['http_503', 'HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n'],
    ['http_403', 'HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n'],
    ['not_media', 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<b/>'],
    ['empty_body', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['empty_body', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['bad_answer', 'HTTP/1.1 206 P\r\nContent-Range: bytes 0-3/9\r\nContent-Length: 4\r\n\r\nabcd'],
    ['incomplete_body', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n'],
  ]
  await using backup = await fileOrigin({ file, etag: ETAG })
  for (const [reason, answer] of heads) {
    await using bad = await RawOrigin.listen(({ socket }) => {
      socket.end(answer)
    })
    await using gateway = await VodGateway.listen([bad.url, backup.url])
    const { status, body } = await gateway.read()
    assert.equal(status, 200, reason)
    assert.equal(sha256(body), sha256(file), reason)
    assert.deepEqual(gateway.failovers, [{ fromIndex: 0, toIndex: 1, reason, atByte: 0 }])
  }
  const closed = await RawOrigin.listen(() => {})
  const closedUrl = closed.url
  await closed[Symbol.asyncDispose]()
  await using mute = await RawOrigin.listen(() => {})
  await using gateway = await VodGateway.listen([closedUrl, mute.url, backup.url], { firstByteTimeoutMs: 1_000 })
  assert.equal((await gateway.read()).status, 200)
  assert.deepEqual(gateway.failovers, [{ fromIndex: 1, toIndex: 2, reason: 'answer_timeout', atByte: 0 }])
  assert.match(gateway.logged.join('\n'), /Source 0 failed: the connection was refused/)
})

test('when no source delivers, the viewer gets an error that says why each did not', async () => {
  await using first = await RawOrigin.listen(({ socket }) => {
    socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')
  })
  await using second = await RawOrigin.listen(() => {})
  await using gateway = await VodGateway.listen([first.url, second.url], { readTimeoutMs: 1_000 })
  const { status, headers, body } = await gateway.read()
  assert.equal(status, 504)
  assert.equal(headers['x-code'], 'upstream_timeout')
  assert.match(body.toString(), /primary: http 404; failover 1: answer timeout/)
  await second.until(() => second.connectionCount === 0)
})

test('goes on at the exact byte on the other replica after a reset, an early end and a stall', async () => {
  const file = film(1_000_000, 6)
  for (const framing of ['length', 'chunked'] as const) {
    for (const kind of ['rst', 'fin', 'stall'] as const) {
      for (const afterBytes of [1, 65_536, 999_999]) {
        const title = `${framing} ${kind} after ${afterBytes}`
        const fault: Fault = { kind, afterBytes }
        // The same URL breaks again at once, so that the replica has to go on.
        const again: Fault = { kind: 'fin', afterBytes: 0 }
        await using primary = await fileOrigin({ file, etag: ETAG, framing, faults: [fault, again, again] })
        await using replica = await fileOrigin({ file, etag: ETAG, framing })
        const limits = kind === 'stall' ? { vodReadTimeoutMs: 500 } : {}
        await using gateway = await VodGateway.listen([primary.url, replica.url], limits)
        const { status, body, isCut } = await gateway.read()
        assert.equal(status, 200, title)
        assert.equal(isCut, false, title)
        assert.equal(sha256(body), sha256(file), title)
        assert.equal(gateway.bytes, file.length, title)
        assert.equal(gateway.failovers.length, 1, title)
        assert.equal(gateway.failovers[0]?.toIndex, 1, title)
        const { atByte } = gateway.failovers[0] ?? {}
        const range = replica.requests[0]?.headers['range']
        assert.equal(range, framing === 'length' ? `bytes=${atByte}-999999` : `bytes=${atByte}-`, title)
        assert.equal(primary.requests[1]?.headers['if-range'], ETAG, title)
      }
    }
  }
})

test('tries the same URL first, and keeps to the range that the viewer asked for', async () => {
  const file = film(200_000, 7)
  await using origin = await fileOrigin({ file, faults: [{ kind: 'rst', afterBytes: 50_000 }] })
  await using unused = await fileOrigin({ file })
  await using gateway = await VodGateway.listen([origin.url, unused.url])
  const { status, body, headers } = await gateway.read({ range: 'bytes=1000-150999' })
  assert.equal(status, 206)
  assert.equal(headers['content-range'], 'bytes 1000-150999/200000')
  assert.equal(sha256(body), sha256(file.subarray(1_000, 151_000)))
  assert.equal(origin.requests[1]?.headers['range'], 'bytes=51000-150999')
  assert.equal(unused.requests.length, 0)
  assert.deepEqual(gateway.failovers, [])
})

test('cuts instead of mixing: a replica of another length, tag or offset, or without ranges, is not used', async () => {
  const file = film(100_000, 8)
  const fault: Fault = { kind: 'rst', afterBytes: 40_000 }
  const again: Fault = { kind: 'fin', afterBytes: 0 }
  const faults = [fault, again, again, again, again, again]
  const longer = film(100_001, 8)
  const replicas = [
    () => fileOrigin({ file: longer, etag: ETAG }),
    () => fileOrigin({ file, etag: '"v2"' }),
    () => fileOrigin({ file, etag: ETAG, ignoresRange: true }),
    () =>
      RawOrigin.listen(({ socket }) => {
        socket.end('HTTP/1.1 206 P\r\nContent-Range: bytes 0-9/100000\r\nContent-Length: 10\r\n\r\n0123456789')
      }),
  ]
  for (const [at, replica] of replicas.entries()) {
    await using primary = await fileOrigin({ file, etag: ETAG, faults })
    await using other = await replica()
    await using gateway = await VodGateway.listen([primary.url, other.url])
    const { body, isCut } = await gateway.read()
    assert.equal(isCut, true, `replica ${at}`)
    assert.deepEqual(body, file.subarray(0, body.length), `replica ${at}`)
    assert.ok(body.length <= 40_000)
    assert.equal(other.requests.length, 1, 'a source that holds something else is asked once')
    assert.equal(primary.requests.length, 6, 'five attempts follow the first request')
    assert.match(gateway.logged.join('\n'), /vod_viewer_cut/)
  }
})

test('equal length is enough where neither side has a tag; without either the viewer is cut', async () => {
  const file = film(100_000, 9)
  const faults: Fault[] = [
    { kind: 'rst', afterBytes: 40_000 },
    ...Array.from({ length: 5 }, (): Fault => ({ kind: 'fin', afterBytes: 0 })),
  ]
  await using primary = await fileOrigin({ file, faults })
  await using replica = await fileOrigin({ file, lastModified: DATE })
  await using gateway = await VodGateway.listen([primary.url, replica.url])
  assert.equal(sha256((await gateway.read()).body), sha256(file))

  await using nameless = await fileOrigin({ file, faults, framing: 'chunked' })
  await using beforeNameless = await VodGateway.listen([nameless.url, replica.url])
  assert.equal((await beforeNameless.read()).isCut, true)
  assert.equal(nameless.requests.length, 1)
})

test('a paused viewer holds its source back, and a source that is lost meanwhile is replaced when it reads on', async () => {
  const file = film(24 * 1024 * 1024, 10)
  await using primary = await fileOrigin({ file, etag: ETAG })
  await using replica = await fileOrigin({ file, etag: ETAG })
  await using gateway = await VodGateway.listen([primary.url, replica.url], { vodReadTimeoutMs: 250 })
  const response = await gateway.open()
  response.pause()
  // Everything between origin and viewer fills up and stands still.
  let before = -1
  let looksAlike = 0
  for (let look = 0; look < 100 && looksAlike < 4; look += 1) {
    looksAlike = gateway.bytes === before && gateway.bytes > 0 ? looksAlike + 1 : 0
    before = gateway.bytes
    // Sockets fill up in real time; there is no event for "nothing more comes".
    await systemClock.sleep(100)
  }
  assert.equal(looksAlike, 4, 'the source was never held back')
  assert.ok(gateway.queuedBytesMax <= 262_144, `${gateway.queuedBytesMax} bytes waited in the gateway`)
  const upstream = primary.requests[0]?.socket
  assert.ok(gateway.bytes < file.length / 2, `${gateway.bytes} bytes went to a viewer who does not read`)
  assert.ok((upstream?.writableLength ?? 0) > 0, 'the origin was not held back')
  assert.equal(primary.requests.length, 1, 'a pause is not a stall')
  await primary[Symbol.asyncDispose]()
  assert.equal(replica.requests.length, 0, 'nobody needs a source while the viewer is paused')
  const { body, isCut } = await readAll(response)
  assert.equal(isCut, false)
  assert.equal(sha256(body), sha256(file))
  assert.equal(gateway.failovers.length, 1)
  assert.equal(primary.connectionCount, 0)
})

test('a viewer that goes away closes its source at once, before the answer and in the middle', async () => {
  await using mute = await RawOrigin.listen(() => {})
  await using waiting = await VodGateway.listen([mute.url])
  const early = connect(waiting.port, '127.0.0.1', () => early.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
  await mute.until(() => mute.requests.length === 1)
  early.destroy()
  await mute.until(() => mute.connectionCount === 0)

  await using origin = await fileOrigin({
    file: film(8_000_000, 11),
    faults: [{ kind: 'stall', afterBytes: 4_000_000 }],
  })
  await using gateway = await VodGateway.listen([origin.url], { vodReadTimeoutMs: 60_000 })
  const response = await gateway.open()
  response.destroy()
  await origin.until(() => origin.connectionCount === 0)
})

test('closing the stream cuts its viewers and their sources', async () => {
  await using origin = await fileOrigin({ file: film(8_000_000, 12), faults: [{ kind: 'stall', afterBytes: 100_000 }] })
  await using gateway = await VodGateway.listen([origin.url], { vodReadTimeoutMs: 60_000 })
  const response = await gateway.open()
  const reading = readAll(response)
  gateway.abort.abort()
  assert.equal((await reading).isCut, true)
  await origin.until(() => origin.connectionCount === 0)
})

test('a viewer that takes no byte for too long is dropped', async () => {
  await using origin = await fileOrigin({ file: film(24 * 1024 * 1024, 13) })
  await using gateway = await VodGateway.listen([origin.url], { vodViewerStallMs: 100 })
  const response = await gateway.open()
  response.pause()
  await origin.until(() => origin.requests.length === 1 && origin.connectionCount === 0)
  assert.equal((await readAll(response)).isCut, true)
})

test('a source that fails again and again survives as long as each attempt makes progress', async () => {
  const file = film(6_000_000, 14)
  const faults = Array.from({ length: 12 }, (): Fault => ({ kind: 'fin', afterBytes: 400_000 }))
  await using origin = await fileOrigin({ file, etag: ETAG, faults })
  await using gateway = await VodGateway.listen([origin.url])
  const { body, isCut } = await gateway.read()
  assert.equal(isCut, false)
  assert.equal(sha256(body), sha256(file))
  assert.equal(origin.requests.length, 13)
})
