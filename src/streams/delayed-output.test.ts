import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimulatedClock } from '../lib/simulated-clock.ts'
import { DelayedOutput } from './delayed-output.ts'
import { StreamRing } from './ring.ts'

const noPreamble = () => Buffer.alloc(0)

function setUp(delayMs: number) {
  const clock = createSimulatedClock()
  const ring = new StreamRing({ bytesMax: 1_000_000, ageMsMax: 60_000 }, () => clock.nowMs())
  const urgent: boolean[] = []
  const settings = { delayMs }
  const output = new DelayedOutput({
    ...{ ring, clock, delayMs: () => settings.delayMs },
    onReleased: (isUrgent) => {
      urgent.push(isUrgent)
      ring.publish()
    },
  })
  const send = (text: string, arrivedAtMs = clock.nowMs()) => {
    output.append(Buffer.from(text), [], noPreamble, arrivedAtMs)
    output.settle(false)
  }
  const out = (): string => {
    let text = ''
    for (let at = ring.oldestSequence; at < ring.nextSequence; at += 1) text += ring.at(at)?.data.toString() ?? ''
    return text
  }
  return { clock, output, send, out, urgent, settings }
}

test('without a delay everything goes out at once', () => {
  const { send, out } = setUp(0)
  send('a')
  assert.equal(out(), 'a')
})

test('with a delay each piece goes out so long after it arrived', async () => {
  const { clock, send, out } = setUp(1_000)
  send('a')
  await clock.advance(400)
  send('b')
  await clock.advance(599)
  assert.equal(out(), '')
  await clock.advance(1)
  assert.equal(out(), 'a')
  await clock.advance(400)
  assert.equal(out(), 'ab')
})

test('what arrived long ago follows at once, in order', async () => {
  const { clock, send, out, output } = setUp(2_000)
  send('a')
  await clock.advance(1_000)
  const arrivedAtMs = clock.nowMs() - 1_000
  assert.equal(output.dueMs(arrivedAtMs) - clock.nowMs(), 1_000, 'when the piece before it is due')
  send('b', arrivedAtMs - 500)
  send('c', arrivedAtMs + 300)
  await clock.advance(1_000)
  assert.equal(out(), 'ab')
  await clock.advance(300)
  assert.equal(out(), 'abc')
})

test('a piece that viewers wait for is said to be urgent', async () => {
  const { clock, output, urgent } = setUp(500)
  output.append(Buffer.from('a'), [], noPreamble, clock.nowMs())
  output.settle(true)
  await clock.advance(500)
  assert.deepEqual(urgent, [true])
})

test('a delay that is taken away does not turn the order round', async () => {
  const { clock, send, out, settings } = setUp(1_000)
  send('a')
  settings.delayMs = 0
  send('b')
  assert.equal(out(), '')
  await clock.advance(1_000)
  assert.equal(out(), 'ab')
  send('c')
  assert.equal(out(), 'abc')
})

test('flush lets go of everything, clear forgets it', async () => {
  const { clock, send, out, output } = setUp(1_000)
  send('a')
  output.flush()
  assert.equal(out(), 'a')
  send('b')
  output.clear()
  await clock.advance(5_000)
  assert.equal(out(), 'a')
  assert.equal(output.waitingBytes, 0)
})

test('a source that sends far faster than real time is not kept without bound', () => {
  const { clock, output } = setUp(10_000)
  const block = Buffer.alloc(1_048_576)
  for (let count = 0; count < 100; count += 1) {
    output.append(block, [], noPreamble, clock.nowMs())
    output.settle(false)
  }
  assert.ok(output.waitingBytes <= 67_108_864)
  assert.equal(output.takenBytes, 100 * block.length)
})
