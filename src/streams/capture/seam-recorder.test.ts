import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import type { Slice } from '../ring.ts'
import { SeamRecorder } from './seam-recorder.ts'

const GOP = 8
const TABLES = Buffer.from('tables ')

/** A stream that publishes a numbered slice each 250 ms, of which every eighth begins with a keyframe. */
function playing({ captureBytesMax = 1_000_000 } = {}) {
  const clock = createSimulatedClock()
  const captured = new Map<string, string>()
  const recorder = new SeamRecorder({
    clock,
    captureBytesMax,
    onCaptured: (receiptId, pieces) => captured.set(receiptId, Buffer.concat(pieces).toString()),
  })
  let sequence = 0
  const play = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 250) {
      await clock.advance(250)
      const slice: Slice = {
        sequence,
        offset: 0,
        publishedAtMs: clock.nowMs(),
        data: Buffer.from(`${sequence} `),
        preamble: sequence % GOP === 0 ? TABLES : undefined,
      }
      recorder.published(slice)
      sequence += 1
    }
  }
  return { clock, captured, recorder, play }
}

test('a capture holds ten seconds of either side, and begins with a keyframe behind its tables', async () => {
  const { clock, captured, recorder, play } = playing()
  await play(60_000)
  recorder.switched('seam', clock.nowMs(), 0)
  await play(9_750)
  assert.equal(captured.size, 0)
  await play(10_000)
  const [head = '', ...numbers] = (captured.get('seam') ?? '').trim().split(' ')
  assert.equal(head, 'tables')
  const first = Number(numbers[0])
  assert.equal(first % GOP, 0)
  assert.ok(first > 190 && first <= 200, `begins with ${first}`)
  assert.deepEqual(
    numbers.map(Number),
    Array.from({ length: numbers.length }, (_, index) => first + index),
  )
  assert.ok(Number(numbers.at(-1)) >= 278 && Number(numbers.at(-1)) <= 280, `ends with ${numbers.at(-1)}`)
})

test('with a delay of the output the seam is still in the middle', async () => {
  const { clock, captured, recorder, play } = playing()
  await play(60_000)
  recorder.switched('seam', clock.nowMs(), 5_000)
  await play(20_000)
  const numbers = (captured.get('seam') ?? '').trim().split(' ').slice(1).map(Number)
  assert.ok((numbers[0] ?? 0) > 210 && (numbers[0] ?? 0) <= 220, `begins with ${numbers[0]}`)
  assert.ok((numbers.at(-1) ?? 0) >= 298, `ends with ${numbers.at(-1)}`)
})

test('a capture stays within its bytes', async () => {
  const { clock, captured, recorder, play } = playing({ captureBytesMax: 100 })
  await play(60_000)
  recorder.switched('seam', clock.nowMs(), 0)
  await play(20_000)
  assert.ok((captured.get('seam') ?? '').length <= 100 + TABLES.length)
  assert.ok((captured.get('seam') ?? '').length > 50)
})

test('a capture that is full has no holes, though a smaller slice would still fit', () => {
  const clock = createSimulatedClock()
  const captured: string[] = []
  const onCaptured = (_id: string, pieces: readonly Buffer[]) => captured.push(Buffer.concat(pieces).toString())
  const recorder = new SeamRecorder({ clock, captureBytesMax: 10, onCaptured })
  recorder.switched('seam', clock.nowMs(), 0)
  for (const [sequence, text] of ['first ', 'too long ', 'tiny'].entries()) {
    recorder.published({ sequence, offset: 0, publishedAtMs: 0, data: Buffer.from(text), preamble: undefined })
  }
  recorder.end()
  assert.deepEqual(captured, ['first '])
})

test('a stream that ends leaves what it has of a capture, and holds nothing on', async () => {
  const { clock, captured, recorder, play } = playing()
  await play(30_000)
  recorder.switched('seam', clock.nowMs(), 0)
  await play(1_000)
  recorder.end()
  assert.match(captured.get('seam') ?? '', /^tables /)
  assert.equal(clock.pending, 0)
})
