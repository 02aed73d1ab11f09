import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Framing } from '../lab/fault.ts'
import { FaultOrigin } from '../lab/fault-origin.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { Scene } from '../lab/scene.ts'

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start()
})
after(async () => await gateway[Symbol.asyncDispose]())

describe('a source is asked', () => {
  test('with the user agent and the headers of the stream, and for no compression', async () => {
    await using scene = await Scene.open({
      gateway,
      origins: [{ name: 'primary' }],
      stream: { user_agent: 'Custom-Agent/1.0', headers: { Referer: 'http://panel.example/', 'X-Key': 'abc' } },
    })
    await scene.watching()
    const headers = scene.origin(0).requests[0]?.headers ?? {}
    assert.equal(headers['user-agent'], 'Custom-Agent/1.0')
    assert.equal(headers['referer'], 'http://panel.example/')
    assert.equal(headers['x-key'], 'abc')
    assert.ok(!/gzip|deflate|br/.test(headers['accept-encoding'] ?? ''), headers['accept-encoding'])
  })

  test('with the credentials of its URL as basic authentication', async () => {
    await using scene = await Scene.open({
      gateway,
      origins: [{ name: 'primary' }],
      primaryUrl: ({ url }) => url.replace('http://', 'http://alice:won%20der@'),
    })
    const viewer = scene.watch()
    await viewer.sees(scene.origin(0).name)
    const expected = `Basic ${Buffer.from('alice:won der').toString('base64')}`
    assert.equal(scene.origin(0).requests[0]?.headers['authorization'], expected)
    assert.ok(!JSON.stringify(gateway.logs).includes('won%20der'), 'the log hides the password')
  })

  test('through a chain of redirects of every kind', async () => {
    await using end = await FaultOrigin.start({ name: 'end-of-chain' })
    let location = end.url
    const hops: FaultOrigin[] = []
    for (const status of [301, 302, 303, 307, 308]) {
      const hop = await FaultOrigin.start({ name: `hop-${status}`, answer: { kind: 'redirect', location, status } })
      location = hop.url
      hops.push(hop)
    }
    try {
      const streamId = await gateway.api.stream([location])
      using viewer = gateway.watch(streamId)
      await viewer.sees('end-of-chain')
    } finally {
      for (const hop of hops) await hop[Symbol.asyncDispose]()
    }
  })

  test('without the credentials of a URL after a redirect to another host', async () => {
    await using end = await FaultOrigin.start({ name: 'elsewhere' })
    const location = end.url.replace('127.0.0.1', 'localhost')
    await using first = await FaultOrigin.start({ name: 'here', answer: { kind: 'redirect', location } })
    const streamId = await gateway.api.stream([first.url.replace('http://', 'http://alice:secret@')])
    using viewer = gateway.watch(streamId)
    // A redirect to a private address on a host that the operator never named may be refused altogether.
    await viewer.answered()
    assert.equal(end.requests[0]?.headers['authorization'], undefined)
  })
})

describe('a live body may end by', { concurrency: 3 }, () => {
  for (const framing of ['close', 'chunked', 'content_length'] as const satisfies readonly Framing[]) {
    test(framing, async () => {
      await using scene = await Scene.open({ gateway, origins: [{ name: 'primary', framing }] })
      const viewer = await scene.watching()
      await viewer.hasRead(100_000)
      assert.equal(viewer.record.misalignedBytes, 0)
      assert.match(String(viewer.headers['content-type']), /^video\/mp2t/i)
    })
  }
})

test('a URL without an extension is a live stream', async () => {
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }],
    primaryUrl: ({ url }) => url.replace(/\/live\/.*/, '/u/p/12345'),
  })
  const viewer = await scene.watching()
  assert.ok(viewer.isAlive)
})
