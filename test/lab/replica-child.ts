import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { systemClock } from '../../src/lib/clock.ts'
import type { ReplicaCommand, ReplicaReport } from './replica-process.ts'
import { PIECE } from './replica-bytes.ts'
import { rangeOf } from './upstream-answer.ts'

/**
 * A replica of a small web application in a process of its own: says who it is, takes and gives bodies of any size, sends
 * events and speaks WebSocket. Its parent starts it and asks what it has seen.
 */

const seen: ReplicaReport['seen'] & { push(one: ReplicaReport['seen'][number]): void } = []
let cancelled = 0
/** RFC 6455 section 1.3. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

process.on('message', (command: ReplicaCommand) => {
  if (command.kind === 'start') start(command.name, command.port)
  else process.send?.({ kind: 'seen', port: 0, seen, cancelled } satisfies ReplicaReport)
})

function start(name: string, port: number): void {
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => answer(name, request, response))
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    note(request)
    echoFrames(request, socket)
  })
  server.listen(port, '127.0.0.1', () => {
    const address = server.address()
    const bound = address !== null && typeof address === 'object' ? address.port : 0
    process.send?.({ kind: 'started', port: bound, seen, cancelled } satisfies ReplicaReport)
  })
}

function note({ method = '', url = '', rawHeaders }: IncomingMessage): void {
  if (method !== 'HEAD') seen.push({ method, url, fields: [...rawHeaders] })
}

function answer(name: string, request: IncomingMessage, response: ServerResponse): void {
  note(request)
  response.on('close', () => {
    if (!response.writableFinished) cancelled += 1
  })
  const [, route = '', argument = '0'] =
    /\/(bytes|die|upload|events|silent)(?:\/(\d+))?(?:\?|$)/.exec(request.url ?? '') ?? []
  if (route === 'bytes') giveBytes(Number(argument), request, response)
  else if (route === 'die') process.kill(process.pid, 'SIGKILL')
  else if (route === 'upload') takeBytes(request, response)
  else if (route === 'events') sendEvents(name, response)
  else if (route === 'silent') return
  else response.writeHead(200, { 'content-type': 'text/plain', 'x-replica': name }).end(name)
}

/**
 * The same bytes from every replica, whole or a range of them, and a tag that says so. `?pace=N` waits so many milliseconds
 * behind each piece; with `chunked` the length is not told beforehand.
 */
function giveBytes(bytes: number, request: IncomingMessage, response: ServerResponse): void {
  const etag = `"bytes-${bytes}"`
  const range = rangeOf(
    new Map(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
    bytes,
    etag,
  )
  const { first, last } = range ?? { first: 0, last: bytes - 1 }
  const [, query = ''] = (request.url ?? '').split('?')
  const options = new URLSearchParams(query)
  const paceMs = Number(options.get('pace') ?? 0)
  response.writeHead(range === undefined ? 200 : 206, {
    'content-type': 'application/octet-stream',
    ...(options.has('chunked') ? {} : { 'content-length': last - first + 1 }),
    etag,
    ...(range === undefined ? {} : { 'content-range': `bytes ${first}-${last}/${bytes}` }),
  })
  let at = first
  const more = (): void => {
    while (at <= last) {
      const begin = at % PIECE.length
      const piece = PIECE.subarray(begin, Math.min(PIECE.length, begin + last + 1 - at))
      at += piece.length
      const isTaken = response.write(piece)
      if (isTaken && paceMs === 0) continue
      const next = () => (paceMs === 0 ? more() : systemClock.schedule(paceMs, more))
      if (isTaken) next()
      else response.once('drain', next)
      return
    }
    response.end()
  }
  more()
}

function takeBytes(request: IncomingMessage, response: ServerResponse): void {
  const hash = createHash('sha256')
  let bytes = 0
  request.on('data', (piece: Buffer) => {
    bytes += piece.length
    hash.update(piece)
  })
  request.on('end', () => response.end(JSON.stringify({ bytes, sha256: hash.digest('hex') })))
}

function sendEvents(name: string, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  let number = 0
  const next = (): void => {
    if (response.destroyed) return
    response.write(`id: ${number}\ndata: ${name}\n\n`)
    number += 1
    systemClock.schedule(50, next)
  }
  next()
}

/** Sends back each small masked text frame (RFC 6455 section 5.2). */
function echoFrames(request: IncomingMessage, socket: Duplex): void {
  const accept = createHash('sha1')
    .update(`${request.headers['sec-websocket-key'] ?? ''}${WEBSOCKET_GUID}`)
    .digest('base64')
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  )
  let rest: Buffer = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.on('end', () => socket.end())
  socket.on('data', (piece: Buffer) => {
    rest = Buffer.concat([rest, piece])
    for (;;) {
      const length = (rest[1] ?? 0) & 0x7f
      if (rest.length < 2 || rest.length < 6 + length) return
      const payload = Buffer.from(rest.subarray(6, 6 + length)).map((byte, at) => byte ^ (rest[2 + (at & 3)] ?? 0))
      const isClose = ((rest[0] ?? 0) & 0x0f) === 8
      rest = rest.subarray(6 + length)
      socket.write(Buffer.concat([Buffer.from([isClose ? 0x88 : 0x81, length]), payload]))
      if (isClose) socket.end()
    }
  })
}
