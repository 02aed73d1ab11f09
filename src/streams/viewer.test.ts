import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { StreamRing } from './ring.ts'
import { Viewer } from './viewer.ts'

/** A socket whose kernel buffer is full until `takes`; below `highWaterMark` it does not ask anybody to wait. */
class FullSocket extends EventEmitter {
  readonly written: string[] = []
  readonly #callbacks: (() => void)[] = []
  readonly #highWaterMark: number
  destroyed = false
  writableLength = 0
  #isFull = true

  constructor(highWaterMark: number) {
    super()
    this.#highWaterMark = highWaterMark
  }

  setNoDelay(): void {}

  write(data: Buffer, callback?: () => void): boolean {
    if (data.length > 0) this.written.push(data.toString())
    if (!this.#isFull) return true
    this.writableLength += data.length
    if (callback !== undefined) this.#callbacks.push(callback)
    return this.writableLength < this.#highWaterMark
  }

  takes(): void {
    const askedToWait = this.writableLength >= this.#highWaterMark
    this.writableLength = 0
    this.#isFull = false
    for (const callback of this.#callbacks.splice(0)) callback()
    if (askedToWait) this.emit('drain')
  }
}

for (const [name, highWaterMark] of [
  ['that asks to wait', 1],
  ['that was given less than its high-water mark, and tells nobody when that has gone out', 1_000],
] as const) {
  test(`goes on when a full socket has taken what it was given: one ${name}`, () => {
    const socket = new FullSocket(highWaterMark)
    const response = Object.assign(new EventEmitter(), {
      ...{ socket, destroyed: false },
      ...{ writeHead: () => {}, flushHeaders: () => {} },
    })
    const viewer = new Viewer({
      ...{ clientId: 'c', userAgent: '', ipAddress: '', username: undefined, createdWallMs: 0 },
      response: response as unknown as ServerResponse,
      nowMs: () => 0,
      onClosed: () => {},
    })
    const ring = new StreamRing({ bytesMax: 1_000, ageMsMax: 1_000 }, () => 0)
    viewer.attach(ring, {}, () => {})
    for (const text of ['one', 'two']) {
      ring.append(Buffer.from(text), [], () => Buffer.alloc(0))
      ring.publish()
      viewer.pump()
    }
    assert.deepEqual(socket.written, ['one'])
    assert.equal(viewer.blocked, true)
    socket.takes()
    assert.deepEqual(socket.written, ['one', 'two'])
    assert.equal(viewer.blocked, false)
  })
}
