import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { systemClock } from '../src/lib/clock.ts'
import type { Count, CounterCommand } from './byte-counters.ts'

/** The process behind ByteCounters: sockets that read into one shared buffer and add up. */

interface Counter {
  readonly socket: Socket
  bytes: number
  isPaused: boolean
}

const READ_BYTES = 256 * 1024
const PACE_TICK_MS = 50
/** Connections opened at once, so that the listener's backlog is not what is measured. */
const OPENING_AT_ONCE = 50
const OPENING_PAUSE_MS = 20
const scratch = Buffer.allocUnsafe(READ_BYTES)
let counters: Counter[] = []
let allowedBytes = () => Number.POSITIVE_INFINITY

function counterOf(host: string, port: number, path: string): Counter {
  const onread = {
    buffer: scratch,
    callback: (bytes: number) => {
      counter.bytes += bytes
      // A socket that reads into its own buffer is paused by this answer, and only by it.
      counter.isPaused = counter.bytes > allowedBytes()
      return !counter.isPaused
    },
  }
  const socket = connect({ host, port, onread })
  const counter: Counter = { socket, bytes: 0, isPaused: false }
  socket.on('error', () => {})
  socket.on('connect', () => socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`))
  return counter
}

/** Lets go on those that waited for their rate. */
function keepPace(): void {
  if (counters.length === 0) return
  const allowed = allowedBytes()
  for (const counter of counters) {
    if (!counter.isPaused || counter.bytes > allowed) continue
    counter.isPaused = false
    counter.socket.resume()
  }
  systemClock.schedule(PACE_TICK_MS, keepPace)
}

function count(): Count {
  const bytes = counters.map((counter) => counter.bytes)
  return {
    open: counters.filter(({ socket }) => socket.readyState === 'open').length,
    totalBytes: bytes.reduce((total, each) => total + each, 0),
    leastBytes: bytes.reduce((least, each) => Math.min(least, each), Number.POSITIVE_INFINITY),
    mostBytes: bytes.reduce((most, each) => Math.max(most, each), 0),
  }
}

async function obey(command: CounterCommand): Promise<Count> {
  if (command.kind === 'open') {
    const { bytesPerSecond } = command
    const openedMs = systemClock.nowMs()
    if (bytesPerSecond !== undefined) {
      allowedBytes = () => ((systemClock.nowMs() - openedMs) / 1000) * bytesPerSecond
    }
    for (const [index, path] of command.paths.entries()) {
      counters.push(counterOf(command.host, command.port, path))
      if (index % OPENING_AT_ONCE === OPENING_AT_ONCE - 1) await systemClock.sleep(OPENING_PAUSE_MS)
    }
    if (bytesPerSecond !== undefined) keepPace()
  }
  if (command.kind === 'close') {
    for (const { socket } of counters) socket.destroy()
    counters = []
  }
  return count()
}

process.on('disconnect', () => process.exit(0))
process.on('message', (message) => {
  obey(message as CounterCommand).then(
    (answer) => process.send?.(answer),
    () => process.exit(1),
  )
})
