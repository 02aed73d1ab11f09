import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OutputTap } from './output-tap.ts'
import { StreamRing } from './ring.ts'

function tapped(bytesMax = 1_000_000) {
  const ring = new StreamRing({ bytesMax, ageMsMax: 60_000 }, () => 0)
  const taken: string[] = []
  const room = { left: Number.POSITIVE_INFINITY }
  const sink = {
    write: (media: Buffer) => {
      taken.push(media.toString())
      room.left -= 1
      return room.left > 0
    },
    end: () => void taken.push('END'),
  }
  let disposed = 0
  const publish = (text: string, preamble?: string) => {
    const joins = preamble === undefined ? [] : [0]
    ring.append(Buffer.from(text), joins, () => Buffer.from(preamble ?? ''))
    ring.publish()
  }
  const create = () => new OutputTap({ ring, sink, onDisposed: () => (disposed += 1), onRejected: () => {} })
  return { ring, taken, room, publish, create, disposals: () => disposed }
}

test('begins at the latest place where a decoder can begin, behind what it needs first', () => {
  const { taken, publish, create } = tapped()
  publish('old', 'tables')
  publish('key', 'tables')
  publish('more')
  create()
  publish('later')
  assert.deepEqual(taken, ['tables', 'key', 'more', 'later'])
})

test('waits where there is no such place yet', () => {
  const { taken, publish, create } = tapped()
  create()
  publish('nothing to begin with')
  assert.deepEqual(taken, [])
  publish('key', '')
  assert.deepEqual(taken, ['key'])
})

test('a sink that is full gets the rest when it has room, or what is left of it', () => {
  const { taken, room, publish, create } = tapped(600_000)
  const tap = create()
  room.left = 1
  publish('first', '')
  publish('second')
  assert.deepEqual(taken, ['first'])
  room.left = 10
  tap.resume()
  assert.deepEqual(taken, ['first', 'second'])
  room.left = 1
  publish('third')
  for (let count = 0; count < 4; count += 1) publish('x'.repeat(200_000))
  publish('key', '')
  room.left = 10
  tap.resume()
  assert.deepEqual(taken.slice(2), ['third', 'key'])
  assert.equal(tap.skips, 1)
})

test('after the ring began anew it goes on with what is new', () => {
  const { ring, taken, publish, create } = tapped()
  create()
  publish('first', '')
  ring.clear()
  publish('again', '')
  assert.deepEqual(taken, ['first', 'again'])
})

test('the end is told once, and after it nothing more is given', () => {
  const { taken, publish, create, disposals } = tapped()
  const tap = create()
  publish('first', '')
  tap.end()
  tap.end()
  tap[Symbol.dispose]()
  publish('second')
  assert.deepEqual(taken, ['first', 'END'])
  assert.equal(disposals(), 1)
})
