import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GopCache } from './gop-cache.ts'

const VIDEO_PID = 0x100

/** A packet of a PID; `mark` tells packets apart; a keyframe has its random access indicator set. */
function packet(pid: number, mark: number, isKeyframe = false): Buffer {
  const bytes = Buffer.alloc(188, mark)
  bytes.writeUInt32BE(0x47000010 | (pid << 8) | (isKeyframe ? 0x20 : 0), 0)
  bytes[4] = isKeyframe ? 1 : 0
  bytes[5] = isKeyframe ? 0x40 : 0
  return bytes
}

const marksOf = (packets: Buffer): readonly (number | undefined)[] =>
  Array.from({ length: packets.length / 188 }, (_, at) => packets[at * 188 + 187])

test('a new reader is given the tables before the last keyframe and everything since', () => {
  const cache = new GopCache({ videoPid: VIDEO_PID })
  const sent = [packet(0, 1), packet(0x1000, 2), packet(VIDEO_PID, 3, true), packet(VIDEO_PID, 4), packet(0, 5)]
  cache.push(Buffer.concat(sent))
  cache.push(Buffer.concat([packet(0x1000, 6), packet(VIDEO_PID, 7, false)]))
  assert.deepEqual(marksOf(cache.snapshot()), [1, 2, 3, 4, 5, 6, 7])
  cache.push(Buffer.concat([packet(0x101, 8), packet(0, 9), packet(0x1000, 10), packet(VIDEO_PID, 11, true)]))
  assert.deepEqual(marksOf(cache.snapshot()), [9, 10, 11])
})

test('packets that are cut anywhere by the pipe come out whole', () => {
  const stream = Buffer.concat([packet(0, 1), packet(VIDEO_PID, 2, true), packet(VIDEO_PID, 3), packet(0x101, 4)])
  for (let cut = 0; cut <= stream.length; cut += 31) {
    const cache = new GopCache({ videoPid: VIDEO_PID })
    const out = Buffer.concat([cache.push(stream.subarray(0, cut)), cache.push(stream.subarray(cut))])
    assert.deepEqual(out, stream)
  }
})

test('without a keyframe the cache stays within its bound', () => {
  const cache = new GopCache({ videoPid: VIDEO_PID })
  const chunk = Buffer.concat(Array.from({ length: 1_000 }, () => packet(VIDEO_PID, 1)))
  for (let at = 0; at < 100; at += 1) cache.push(chunk)
  assert.ok(cache.snapshot().length <= 4_000_000)
})
