import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import { HlsClients } from './hls-clients.ts'
import type { HlsViewRequest } from './hls-output.ts'

const IDLE_MS = 30_000
const STALL_MS = 10_000

function clients() {
  const clock = createSimulatedClock()
  const said: string[] = []
  const all = new HlsClients({
    ...{ streamId: 's', clock, idleMs: IDLE_MS, stallMs: STALL_MS },
    countBytes: (bytes) => void said.push(`bytes ${bytes}`),
    countSegment: () => void said.push('segment'),
    onCame: ({ clientId }) => void said.push(`came ${clientId}`),
    onLeft: ({ clientId }) => void said.push(`left ${clientId}`),
  })
  return { clock, said, all }
}

/** An answer as far as the clients look at it: its socket counts, it ends, it can be destroyed. */
function answer(path: string) {
  const socket = { bytesWritten: 1_000, writableLength: 0 }
  const response = Object.assign(new EventEmitter(), {
    socket,
    statusCode: 200,
    isDestroyed: false,
    destroy: () => {
      response.isDestroyed = true
      response.emit('close')
    },
  })
  const request: HlsViewRequest = {
    ...{ streamId: 's', path, query: {}, carried: {}, clientId: undefined },
    ...{ userAgent: 'hls.js', ipAddress: '192.0.2.1', username: undefined },
    request: {} as IncomingMessage,
    // Only what is above is used of it.
    response: response as unknown as ServerResponse,
  }
  const end = (bytes: number, status = 200) => {
    socket.bytesWritten += bytes
    response.statusCode = status
    response.emit('close')
  }
  return { request, response, socket, end }
}

test('a player comes once, whatever it asks for, and its bytes and segments are counted', () => {
  const { said, all } = clients()
  for (const [path, status] of [
    ['playlist.m3u8', 200],
    ['1.ts', 200],
    ['2.ts', 404],
  ] as const) {
    const { request, end } = answer(path)
    all.asked(request, 'a')
    end(100, status)
  }
  assert.deepEqual(said, ['came a', 'bytes 100', 'bytes 100', 'segment', 'bytes 100'])
  const [client] = all.snapshots()
  assert.equal(client?.bytesServed, 300)
  assert.equal(client.segmentsServed, 1)
  assert.equal(all.size, 1)
})

test('a player that asks for nothing more has left; one that is still being answered has not', async () => {
  const { clock, said, all } = clients()
  const quiet = answer('playlist.m3u8')
  const reading = answer('1.ts')
  all.asked(quiet.request, 'quiet')
  quiet.end(1)
  all.asked(reading.request, 'reading')
  await clock.advance(IDLE_MS + 2_000)
  assert.deepEqual(
    said.filter((line) => line.startsWith('left')),
    ['left quiet'],
  )
  reading.end(1)
  await clock.advance(IDLE_MS - 2_000)
  assert.equal(all.has('reading'), true)
  await clock.advance(4_000)
  assert.equal(all.has('reading'), false)
})

test('a player that is disconnected loses the answers under way', () => {
  const { said, all } = clients()
  const { request, response } = answer('1.ts')
  all.asked(request, 'a')
  assert.equal(all.disconnect('a'), true)
  assert.equal(response.isDestroyed, true)
  assert.equal(all.size, 0)
  assert.equal(all.disconnect('a'), false)
  assert.ok(said.includes('left a'))
})

test('a player that takes nothing of what it is given loses the connection; one that is slow does not', async () => {
  const { clock, all } = clients()
  const stuck = answer('1.ts')
  const slow = answer('2.ts')
  for (const [{ request, socket }, id] of [
    [stuck, 'stuck'],
    [slow, 'slow'],
  ] as const) {
    all.asked(request, id)
    socket.bytesWritten += 5_000
    socket.writableLength = 5_000
  }
  for (let second = 0; second < 40; second += 1) {
    slow.socket.writableLength -= 100
    await clock.advance(1_000)
  }
  assert.equal(stuck.response.isDestroyed, true)
  assert.equal(slow.response.isDestroyed, false)
})
