import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'node:test'
import { systemClock } from './clock.ts'

/** Nothing of this process runs for so long, as when it is not given the processor. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

test('what came while the process stood still is read before a timer that fell due meanwhile', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const sender = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [reader] = await accepted
  const order: string[] = []
  reader.on('data', () => order.push('data'))
  const isOver = new Promise<void>((resolve) => {
    // From a callback of the loop, where nothing that comes later is known yet when timers are looked at.
    setImmediate(() => {
      systemClock.schedule(10, () => {
        order.push('timer')
        resolve()
      })
      sender.write('x')
      standStill(300)
    })
  })
  await isOver
  for (const socket of [sender, reader]) socket.destroy()
  server.close()
  assert.deepEqual(order, ['data', 'timer'])
})

test('a timer that is late can still be cancelled', async () => {
  const order: string[] = []
  const later = Promise.withResolvers<void>()
  setImmediate(() => {
    const late = systemClock.schedule(10, () => order.push('late'))
    setTimeout(() => {
      late.cancel()
      order.push('cancelled')
      setImmediate(() => setImmediate(later.resolve))
    }, 20)
    standStill(300)
  })
  await later.promise
  assert.deepEqual(order, ['cancelled'])
})
