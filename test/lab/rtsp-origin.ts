import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { once } from 'node:events'

/** A live RTSP source (RFC 2326) that sends a transport stream over RTP (RFC 2250) within its own TCP connection. */
export interface RtspOrigin extends AsyncDisposable {
  /** `rtsp://127.0.0.1:port/live` */
  readonly url: string
  readonly port: number
  /** Connections that are open. */
  readonly connections: () => number
  /** Cuts every connection. */
  readonly cut: () => void
}

export interface RtspOriginOptions {
  /** A whole number of packets of 188 bytes; sent again and again. */
  readonly media: Buffer
  readonly bytesPerSecond: number
  /** What DESCRIBE is answered with; 200 by default. */
  readonly status?: () => number
  /** `Basic` credentials that DESCRIBE asks for. */
  readonly credentials?: string
}

const PACKETS_PER_RTP = 7
const RTP_PAYLOAD_TYPE_MP2T = 33
const TICKS_PER_MS = 90
const TICK_MS = 20

export async function startRtspOrigin(options: RtspOriginOptions): Promise<RtspOrigin> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    serve(socket, options)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  const cut = () => sockets.forEach((socket) => socket.destroy())
  return {
    ...{ url: `rtsp://127.0.0.1:${port}/live`, port, cut, connections: () => sockets.size },
    [Symbol.asyncDispose]: async () => {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}

function serve(socket: Socket, options: RtspOriginOptions): void {
  let text = ''
  let timer: NodeJS.Timeout | undefined
  socket.on('close', () => clearInterval(timer))
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1')
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      const request = text.slice(0, end)
      text = text.slice(end + 4)
      if (answer(socket, request, options) === 'play') timer = play(socket, options)
    }
  })
}

function answer(socket: Socket, request: string, { status, credentials }: RtspOriginOptions): 'play' | undefined {
  const [method = '', url = ''] = request.split(' ')
  const sequence = /^CSeq: *(\d+)/im.exec(request)?.[1] ?? '0'
  const reply = (code: number, headers: readonly string[] = [], body = '') =>
    void socket.write([`RTSP/1.0 ${code} Said So`, `CSeq: ${sequence}`, ...headers, '', body].join('\r\n'))
  const isKnown = credentials === undefined || request.includes(`Basic ${Buffer.from(credentials).toString('base64')}`)
  if (method === 'DESCRIBE') {
    const code = status?.() ?? 200
    if (code !== 200) reply(code)
    else if (!isKnown) reply(401, ['WWW-Authenticate: Basic realm="lab"'])
    else {
      const sdp = `v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=lab\r\nt=0 0\r\nm=video 0 RTP/AVP ${RTP_PAYLOAD_TYPE_MP2T}\r\na=control:track\r\n`
      reply(200, ['Content-Type: application/sdp', `Content-Base: ${url}/`, `Content-Length: ${sdp.length}`], sdp)
    }
    return undefined
  }
  if (method === 'SETUP') reply(200, ['Transport: RTP/AVP/TCP;unicast;interleaved=0-1', 'Session: 1'])
  else reply(200, method === 'OPTIONS' ? ['Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN'] : ['Session: 1'])
  return method === 'PLAY' ? 'play' : undefined
}

/** RTP packets in interleaved frames (RFC 2326 §10.12). */
function play(socket: Socket, { media, bytesPerSecond }: RtspOriginOptions): NodeJS.Timeout {
  const step = PACKETS_PER_RTP * 188
  let [at, sequence, owed] = [0, 0, 0]
  return setInterval(() => {
    owed += (bytesPerSecond * TICK_MS) / 1_000
    for (; owed >= step; owed -= step) {
      const payload = media.subarray(at, at + step)
      at = at + payload.length >= media.length ? 0 : at + payload.length
      const frame = Buffer.alloc(16)
      frame.write('$')
      frame.writeUInt16BE(12 + payload.length, 2)
      frame[4] = 0x80
      frame[5] = RTP_PAYLOAD_TYPE_MP2T
      frame.writeUInt16BE(sequence & 0xffff, 6)
      frame.writeUInt32BE(sequence * TICKS_PER_MS, 8)
      sequence += 1
      socket.write(Buffer.concat([frame, payload]))
    }
  }, TICK_MS)
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the origin has no port')
  return address.port
}
