import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import { PACKET_BYTES, pidOf } from '../../mpegts/packet.ts'
import { RenditionFilter } from '../../mpegts/rendition-filter.ts'
import { createMux, h264 } from '../../mpegts/testing.ts'
import { OutputTap } from '../../streams/output-tap.ts'
import { StreamRing } from '../../streams/ring.ts'
import type { SourceFailure } from '../../streams/sources/http-client.ts'
import { createRenditionTransport } from './rendition-transport.ts'

/** A ring that carries a programme, and a reader of one rendition of it. */
function scene() {
  const clock = createSimulatedClock()
  const ring = new StreamRing({ bytesMax: 100_000, ageMsMax: 60_000 }, () => clock.nowMs())
  const mux = createMux()
  const got: Buffer[] = []
  const told: string[] = []
  let hasRoom = true
  let taps = 0
  const transport = createRenditionTransport({
    tap: (sink) => {
      taps += 1
      return new OutputTap({ ring, sink, onDisposed: () => (taps -= 1), onRejected: () => {} })
    },
    createFilter: () => new RenditionFilter({ video: 0, audio: 0 }),
  })
  const abort = new AbortController()
  const reader = transport.open(
    {
      ...{ url: 'pipe:encoder', method: 'GET', headers: {}, userAgent: '', connectTimeoutMs: 1, answerTimeoutMs: 1 },
      ...{ operatorHosts: new Set<string>(), signal: abort.signal },
    },
    {
      onHead: ({ status, headers }) => {
        told.push(`${status} ${headers['content-type']}`)
        return 'accept'
      },
      onData: (chunk) => {
        got.push(Buffer.from(chunk))
        return hasRoom
      },
      onEnd: () => void told.push('end'),
      onFailure: ({ message }: SourceFailure) => void told.push(message),
    },
    { clock },
  )
  const picture = (isKey: boolean, bytes = 600) => {
    const unit = Buffer.concat([h264.aud, isKey ? h264.idr : h264.predicted, Buffer.alloc(bytes, 7)])
    const packets = mux.pes(0x100, unit, { isRandomAccess: isKey, pcr: 27_000_000 })
    return isKey ? Buffer.concat([mux.tables(), packets]) : packets
  }
  const publish = (data: Buffer, isJoin: boolean) => {
    ring.append(data, isJoin ? [0] : [], () => Buffer.alloc(0))
    ring.publish()
  }
  return {
    ...{ transport, reader, abort, told, picture, publish },
    bytes: () => Buffer.concat(got),
    taps: () => taps,
    setRoom: (has: boolean) => (hasRoom = has),
  }
}

const settle = async () => await Promise.resolve()

test('what comes out begins with tables, and every packet is whole though slices end anywhere', async () => {
  const { publish, picture, bytes, told } = scene()
  await settle()
  const stream = Buffer.concat([picture(true), picture(false), picture(false)])
  publish(stream.subarray(0, 500), true)
  publish(stream.subarray(500, 1_000), false)
  publish(stream.subarray(1_000), false)
  assert.deepEqual(told, ['200 video/mp2t'])
  assert.equal(bytes().length, stream.length)
  assert.equal(pidOf(bytes(), 0), 0)
  for (let at = 0; at < bytes().length; at += PACKET_BYTES) assert.equal(bytes()[at], 0x47)
})

test('a reader that has no room is given nothing more, and after it fell behind goes on at a keyframe with whole packets', async () => {
  const { publish, picture, bytes, reader, setRoom } = scene()
  await settle()
  publish(picture(true), true)
  setRoom(false)
  // It ends in the middle of a packet whose rest it will never get.
  publish(picture(false).subarray(0, 300), false)
  const before = bytes().length
  publish(picture(false), false)
  assert.equal(bytes().length, before)
  for (let index = 0; index < 30; index += 1) publish(picture(index % 5 === 0, 6_000), index % 5 === 0)
  setRoom(true)
  reader.resume()
  const later = bytes().subarray(before)
  assert.ok(later.length > 6_000)
  assert.equal(pidOf(later, 0), 0, 'tables first')
  for (let at = 0; at < later.length; at += PACKET_BYTES) assert.equal(later[at], 0x47)
})

test('whoever waits for the first media is told why there is none, and nobody else', async () => {
  const waiting = scene()
  await settle()
  waiting.transport.failed({ kind: 'process_failed', message: 'no source delivers' })
  assert.deepEqual([waiting.told, waiting.taps()], [['no source delivers'], 0])
  const reading = scene()
  await settle()
  reading.publish(reading.picture(true), true)
  reading.transport.failed({ kind: 'process_failed', message: 'no source delivers' })
  assert.deepEqual([reading.told, reading.taps()], [['200 video/mp2t'], 1])
})

test('when it is closed or given up the tap is gone and nothing more is told', async () => {
  const { reader, abort, taps, told, publish, picture } = scene()
  await settle()
  reader.close()
  abort.abort()
  publish(picture(true), true)
  assert.deepEqual([taps(), told], [0, []])
  const early = scene()
  early.abort.abort()
  await settle()
  assert.deepEqual([early.taps(), early.told], [0, ['it was aborted']])
})
