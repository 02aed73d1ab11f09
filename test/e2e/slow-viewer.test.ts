import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

const MiB = 1024 * 1024

/** How long a viewer that takes nothing is kept. */
const WRITE_TIMEOUT_SECONDS = 6

let gateway: GatewayProcess
before(async () => {
  const env = { STREAM_BUFFER_BYTES: `${2 * MiB}`, LIVE_TV_WRITE_TIMEOUT: `${WRITE_TIMEOUT_SECONDS}` }
  gateway = await GatewayProcess.start({ env: { ...unhurried, ...env } })
})
after(async () => await gateway[Symbol.asyncDispose]())

test('a viewer at a quarter of the rate skips in whole packets and disturbs nobody', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary', videoKbps: 8_000 }] })
  const fast = await scene.watching()
  const slow = scene.watch({ bytesPerSecond: 250_000 })
  await slow.sees(scene.origin(0).name)
  await fast.hasRead(fast.totalBytes + 6 * MiB)
  // The source plays a megabyte a second, of which it takes a quarter.
  assert.ok(slow.totalBytes < 4 * MiB, `${slow.totalBytes} bytes: nobody waited for the slow viewer`)
  assert.equal(fast.record.misalignedBytes, 0)
  assert.equal(slow.record.misalignedBytes, 0)
  assert.equal(slow.state, 'reading')
  assert.equal(scene.origin(0).connectionsEver, 1)
})

test('a viewer that stops reading is dropped after the configured time, and nobody else', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary', videoKbps: 8_000 }] })
  const stuck = await scene.watching()
  const fast = await scene.watching()
  stuck.pause()
  await until(async () => (await gateway.api.streamObject(scene.streamId)).client_count === 1, {
    what: 'the stuck viewer dropped',
    deadlineMs: 20_000,
  })
  assert.equal(fast.state, 'reading')
  const gapMs = fast.longestGapMs()
  // Whoever had to wait for the stuck viewer would have waited as long as that was kept.
  assert.ok(gapMs < WRITE_TIMEOUT_SECONDS * 1_000, `the fast viewer had a gap of ${gapMs} ms`)
})

test('thirty viewers that stop reading do not grow the gateway', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary', videoKbps: 8_000 }] })
  const fast = await scene.watching()
  const before = (await gateway.facts()).rssBytes
  const stuck = Array.from({ length: 30 }, () => scene.watch())
  await Promise.all(stuck.map((viewer) => viewer.sees(scene.origin(0).name)))
  for (const viewer of stuck) viewer.pause()
  await fast.hasRead(fast.totalBytes + 6 * MiB)
  const grown = (await gateway.facts()).rssBytes - before
  // Thirty private buffers of what was missed would be 180 MiB and more.
  assert.ok(grown < 120 * MiB, `grew by ${Math.round(grown / MiB)} MiB`)
})

test('the source is held back when its only viewer reads slower than an unlimited source sends', async () => {
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary', videoKbps: 8_000, pace: { kind: 'unlimited' } }],
  })
  // Fast enough for the kernel, whose buffers hold up to 10 MiB, to tell of progress within the time of a viewer that stopped.
  const viewer = scene.watch({ bytesPerSecond: 8 * MiB })
  await viewer.hasRead(24 * MiB)
  assert.equal(viewer.record.misalignedBytes, 0)
  assert.equal(scene.origin(0).connectionsEver, 1)
})
