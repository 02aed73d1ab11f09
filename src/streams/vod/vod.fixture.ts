import { createHash } from 'node:crypto'
import { createServer, get } from 'node:http'
import type { IncomingMessage, OutgoingHttpHeaders, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { peerHasRead } from '../../../test/lab/peer-has-read.ts'
import { systemClock } from '../../lib/clock.ts'
import type { Clock } from '../../lib/clock.ts'
import { HoldfastError } from '../../lib/errors.ts'
import { silentLog } from '../../lib/log.ts'
import { seededRandom } from '../../lib/random.ts'
import { RawOrigin } from '../sources/raw-origin.fixture.ts'
import type { RawRequest } from '../sources/raw-origin.fixture.ts'
import { serveVod } from './serve-vod.ts'
import type { ServeVodOptions, VodFailover, VodLimits } from './vod-options.ts'

/** How an origin breaks an answer after so many bytes of its body. */
export interface Fault {
  readonly kind: 'rst' | 'fin' | 'stall'
  readonly afterBytes: number
}

export interface FileOrigin {
  readonly file: Buffer
  readonly etag?: string | undefined
  readonly lastModified?: string
  /** The fault of each connection in turn; none beyond the list. */
  readonly faults?: readonly (Fault | undefined)[]
  readonly framing?: 'length' | 'chunked' | 'close'
  readonly ignoresRange?: boolean
}

/** Bytes that differ everywhere, so that a joint at a wrong place shows. */
export function film(lengthBytes: number, seed: number): Buffer {
  const random = seededRandom(seed)
  const bytes = Buffer.alloc(lengthBytes)
  for (let at = 0; at + 4 <= lengthBytes; at += 4) bytes.writeUInt32LE(Math.floor(random.next() * 2 ** 32), at)
  return bytes
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** An origin that serves a file with ranges, and breaks as told. */
export function fileOrigin(options: FileOrigin): Promise<RawOrigin> {
  return RawOrigin.listen((request) => sendFile(request, options))
}

function sendFile(request: RawRequest, options: FileOrigin): void {
  const { file, etag, lastModified, framing = 'length', ignoresRange = false } = options
  const { socket, headers } = request
  const tags = [
    ...(etag === undefined ? [] : [`ETag: ${etag}`]),
    ...(lastModified === undefined ? [] : [`Last-Modified: ${lastModified}`]),
    'Content-Type: video/mp4',
    'Accept-Ranges: bytes',
  ]
  const ifRange = headers['if-range']
  const range = ignoresRange || (ifRange !== undefined && ifRange !== etag) ? undefined : headers['range']
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(range ?? '') ?? []
  const start = first === '' ? (last === '' ? 0 : Math.max(0, file.length - Number(last))) : Number(first)
  const end = first === '' || last === '' ? file.length : Math.min(file.length, Number(last) + 1)
  if (range !== undefined && start >= file.length) {
    socket.end(
      `HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */${file.length}\r\nContent-Length: 3\r\n\r\nno!`,
    )
    return
  }
  const isPart = first !== '' || last !== ''
  const body = file.subarray(isPart ? start : 0, end)
  if (isPart) tags.push(`Content-Range: bytes ${start}-${end - 1}/${file.length}`)
  if (framing === 'length') tags.push(`Content-Length: ${body.length}`)
  if (framing === 'chunked') tags.push('Transfer-Encoding: chunked')
  socket.write(`HTTP/1.1 ${isPart ? '206 Partial Content' : '200 OK'}\r\n${tags.join('\r\n')}\r\n\r\n`)
  if (request.method === 'HEAD') {
    socket.end()
    return
  }
  const fault = options.faults?.[request.number]
  sendBody(request, body, fault, framing === 'chunked')
}

function sendBody({ socket }: RawRequest, body: Buffer, fault: Fault | undefined, isChunked: boolean): void {
  const sent = fault === undefined ? body : body.subarray(0, fault.afterBytes)
  const framed = isChunked ? Buffer.concat([Buffer.from(`${sent.length.toString(16)}\r\n`), sent]) : sent
  socket.write(isChunked && sent.length === 0 ? Buffer.alloc(0) : framed, () => {
    if (fault === undefined) socket.end(isChunked ? '\r\n0\r\n\r\n' : '')
    else if (fault.kind === 'fin') socket.end()
    // A reset discards what the gateway has not read yet.
    else if (fault.kind === 'rst') void peerHasRead(socket).then(() => socket.resetAndDestroy())
  })
}

/** Real time, because sockets run in it, except that waits between attempts are cut to a fortieth. */
const hurriedClock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 40, signal) }

/** A gateway that does nothing but serve VOD from these URLs, and remembers what it reported. */
export class VodGateway {
  readonly failovers: VodFailover[] = []
  readonly logged: string[] = []
  readonly abort = new AbortController()
  readonly #server: Server
  bytes = 0
  /** The most that ever waited in the gateway for one viewer's socket. */
  queuedBytesMax = 0

  private constructor(urls: readonly string[], overrides: Partial<ServeVodOptions>, limits: Partial<VodLimits>) {
    this.#server = createServer((request, response) => {
      void serveVod({
        viewRequest: { streamId: 's', request, response },
        sources: urls.map((url, index) => ({ url, index })),
        onAirIndex: 0,
        headers: {},
        userAgent: 'Holdfast',
        operatorHosts: new Set(['127.0.0.1']),
        limits: {
          // Long enough for a busy machine; a test of a wait sets its own.
          connectTimeoutMs: 10_000,
          firstByteTimeoutMs: 10_000,
          readTimeoutMs: 10_000,
          startTimeoutMs: 20_000,
          vodReadTimeoutMs: 10_000,
          vodViewerStallMs: 3_600_000,
          ...limits,
        },
        network: { clock: hurriedClock },
        random: seededRandom(1),
        log: { ...silentLog, warn: (event, message) => this.logged.push(`${event} ${message}`) },
        signal: this.abort.signal,
        onBytes: (bytes) => {
          this.bytes += bytes
          this.queuedBytesMax = Math.max(this.queuedBytesMax, response.writableLength)
        },
        onFailover: (failover) => this.failovers.push(failover),
        ...overrides,
      }).catch((error: unknown) => {
        const isKnown = error instanceof HoldfastError
        response.writeHead(isKnown ? error.status : 500, { 'x-code': isKnown ? error.code : 'unknown' })
        response.end(error instanceof Error ? error.message : '')
      })
    })
  }

  static async listen(
    urls: readonly string[],
    limits: Partial<VodLimits> = {},
    overrides: Partial<ServeVodOptions> = {},
  ): Promise<VodGateway> {
    const gateway = new VodGateway(urls, overrides, limits)
    await new Promise<void>((resolve) => {
      gateway.#server.listen(0, '127.0.0.1', resolve)
    })
    return gateway
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Asks as a viewer; the body is not read yet. */
  open(headers: OutgoingHttpHeaders = {}, method: 'GET' | 'HEAD' = 'GET'): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port: this.port, path: '/', agent: false, method, headers }, resolve).on('error', reject)
    })
  }

  async read(headers: OutgoingHttpHeaders = {}, method: 'GET' | 'HEAD' = 'GET'): Promise<Reading> {
    return readAll(await this.open(headers, method))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort.abort()
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
  }
}

export interface Reading {
  readonly status: number | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  /** The connection was cut before the body was complete. */
  readonly isCut: boolean
}

export async function readAll(response: IncomingMessage): Promise<Reading> {
  const chunks: Buffer[] = []
  let isCut = false
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer)
  } catch {
    isCut = true
  }
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks), isCut }
}
