import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { systemClock } from '../../src/lib/clock.ts'
import { FaultOrigin } from '../lab/fault-origin.ts'
import { runTool } from '../lab/media.ts'
import { OriginProcess } from '../lab/origin-process.ts'
import { TsRecord } from '../lab/ts-record.ts'
import { TS_PACKET_BYTES } from '../lab/marker.ts'
import { loadTsLoop } from '../lab/ts-loop.ts'
import { Viewer } from '../lab/viewer.ts'

/** The instruments are tested against each other before anything is measured with them. */

test('the loop has no seam that a decoder notices, across the wrap of its 33-bit clock', async () => {
  const loop = await loadTsLoop({ programme: 'alpha', source: 'seam', offsetTicks: 2 ** 33 - 900_000 })
  const path = join(tmpdir(), `holdfast-lab-seam-${process.pid}.ts`)
  await writeFile(path, Buffer.concat([0, 1, 2].map((turn) => loop.render(turn, turn * loop.durationMs))))
  const decoded = await runTool('ffmpeg', ['-v', 'warning', '-i', path, '-f', 'null', '-'])
  await rm(path)
  assert.equal(decoded.stderr, '')
  assert.equal(decoded.code, 0)
})

test('a viewer of the origin itself begins at a keyframe and gets whole packets in real time', async () => {
  await using origin = await FaultOrigin.start({ name: 'direct' })
  using viewer = new Viewer({ url: origin.url })
  await viewer.sees('direct', { marks: 20 })
  const seconds = (systemClock.nowMs() - viewer.openedMs) / 1000
  assert.equal(viewer.record.misalignedBytes, 0)
  assert.equal(viewer.body[0], 0x47)
  assert.ok(viewer.totalBytes > 10_000)
  assert.ok(viewer.totalBytes < 400_000 * (seconds + 1), `${viewer.totalBytes} bytes in ${seconds} s are not real time`)
})

test('each fault looks to a viewer as it is meant to', async () => {
  await using origin = await FaultOrigin.start({ name: 'faulty' })
  const broken = async (break_: () => void) => {
    using viewer = new Viewer({ url: origin.url })
    await viewer.sees('faulty')
    break_()
    await viewer.finished(3_000)
    return viewer
  }
  assert.equal((await broken(() => origin.inject({ kind: 'end' }))).state, 'ended')
  assert.equal((await broken(() => origin.inject({ kind: 'reset', aligned: true }))).state, 'cut')
  const ragged = await broken(() => origin.inject({ kind: 'fin', aligned: false }))
  assert.equal(ragged.totalBytes % TS_PACKET_BYTES, 100)
  origin.framing = 'chunked'
  assert.equal((await broken(() => origin.inject({ kind: 'incomplete_chunk' }))).state, 'cut')
  assert.equal((await broken(() => origin.inject({ kind: 'end' }))).state, 'ended')
  await origin.refuse()
  using refused = new Viewer({ url: origin.url })
  await refused.finished()
  assert.match(refused.reason, /ECONNREFUSED/)
})

test('a source that is killed as a process is gone, and its port with it', async () => {
  await using origin = await OriginProcess.start([{ name: 'mortal' }])
  using viewer = new Viewer({ url: origin.url('mortal') })
  await viewer.sees('mortal')
  await origin.kill()
  await viewer.finished()
  using late = new Viewer({ url: origin.url('mortal') })
  await late.finished()
  assert.match(late.reason, /ECONNREFUSED/)
})

test('missing halves of packets are counted, and attribution goes on behind them', async () => {
  const loop = await loadTsLoop({ programme: 'bravo', source: 'one' })
  const other = await loadTsLoop({ programme: 'charlie', source: 'two' })
  const record = new TsRecord()
  const [first, second] = [loop.render(0, 0), other.render(0, 0)]
  record.push(first.subarray(0, 100 * TS_PACKET_BYTES + 94), 1)
  record.push(second.subarray(0, 77), 2)
  record.push(second.subarray(77, 100 * TS_PACKET_BYTES), 2)
  record.push(first.subarray(0, 100 * TS_PACKET_BYTES), 3)
  assert.deepEqual(record.sources, ['one', 'two', 'one'])
  assert.equal(record.misalignedBytes, 94)
})
