import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { systemClock } from '../../src/lib/clock.ts'
import type { Answer, Fault, Framing, Pace } from './fault.ts'
import { openOtherProgramme, openTsProgramme } from './live-body.ts'
import type { Join, LiveBody } from './live-body.ts'
import type { OtherBody, Programme } from './media.ts'
import { garbage, OriginConnection } from './origin-connection.ts'
import { listenSteadily } from './steady-port.ts'

export interface FaultOriginOptions {
  /** Also the name in its marks, by which a viewer's bytes are attributed. */
  readonly name: string
  readonly programme?: Programme
  /** What comes in place of it after the fault `other_programme`. */
  readonly otherProgramme?: Programme
  readonly videoKbps?: number
  /** In place of MPEG-TS. */
  readonly body?: OtherBody
  readonly framing?: Framing
  readonly pace?: Pace
  readonly join?: Join
  /** Media older than now that each connection gets first. */
  readonly backlogMs?: number
  readonly answer?: Answer
}

export interface OriginRequest {
  readonly method: string
  readonly path: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly atMs: number
}

const HEAD_BYTES_MAX = 64 * 1024
const REQUESTS_KEPT = 1_000
/** The first byte of a TLS ClientHello (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 0x16
const NOISE_PIECE_BYTES = 12_500
const NOISE_EVERY_MS = 100

/**
 * A live HTTP origin on loopback that fails on command: what it answers to the next request (`answer`), what it does to
 * the connections that it is serving now (`inject`), and whether it listens at all (`refuse`, `accept`).
 */
export class FaultOrigin implements AsyncDisposable {
  readonly name: string
  answer: Answer
  framing: Framing
  pace: Pace
  join: Join
  readonly #backlogMs: number
  readonly #body: LiveBody
  readonly #otherBody: LiveBody | undefined
  readonly #sockets = new Set<Socket>()
  readonly #live = new Map<Socket, OriginConnection>()
  readonly #requests: OriginRequest[] = []
  readonly #unanswered = new Map<Socket, OriginRequest>()
  #connectionsEver = 0
  #connectionsPeak = 0
  #server: Server | undefined
  #port = 0

  private constructor(options: FaultOriginOptions, body: LiveBody, otherBody: LiveBody | undefined) {
    this.name = options.name
    this.answer = options.answer ?? { kind: 'live' }
    this.framing = options.framing ?? 'close'
    this.pace = options.pace ?? { kind: 'smooth' }
    this.join = options.join ?? 'keyframe'
    this.#backlogMs = options.backlogMs ?? 0
    this.#body = body
    this.#otherBody = otherBody
  }

  static async start(options: FaultOriginOptions): Promise<FaultOrigin> {
    const { name, programme = 'alpha', otherProgramme, videoKbps = 600, body } = options
    const nowMs = systemClock.nowMs()
    const open = async (played: Programme) =>
      await openTsProgramme({ source: name, programme: played, videoKbps, offsetTicks: offsetOf(name) }, nowMs)
    const live = body === undefined ? await open(programme) : await openOtherProgramme(body)
    const other = otherProgramme === undefined ? undefined : await open(otherProgramme)
    const origin = new FaultOrigin(options, live, other)
    await origin.accept()
    return origin
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/live/${this.name}.ts`
  }

  /** The same port spoken to with TLS, which it does not understand. */
  get tlsUrl(): string {
    return this.url.replace('http:', 'https:')
  }

  /** Connections that are open now, whatever they get. */
  get connectionsNow(): number {
    return this.#sockets.size
  }

  /** Connections that are being sent media now. */
  get deliveringNow(): number {
    return this.#live.size
  }

  /** The most connections that were open at a time. */
  get connectionsPeak(): number {
    return this.#connectionsPeak
  }

  get connectionsEver(): number {
    return this.#connectionsEver
  }

  /** The newest requests, oldest first. */
  get requests(): readonly OriginRequest[] {
    return this.#requests
  }

  /** Breaks every connection that is delivering now; later ones get `answer` as before. */
  inject(fault: Fault): void {
    for (const connection of this.#live.values()) connection.inject(fault)
  }

  /** Requests that wait for an answer, and will do so until `answerLate`. */
  get waitingNow(): number {
    return this.#unanswered.size
  }

  /** Answers those that wait after all. */
  answerLate(answer: Answer): void {
    this.answer = answer
    const late = [...this.#unanswered]
    this.#unanswered.clear()
    for (const [socket, request] of late) this.#answer(socket, request)
  }

  /** Closes the port; connections that are open stay. */
  async refuse(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    await new Promise<void>((resolve) => {
      // Resolves at once: `close` reports only when the last connection has gone.
      server.close()
      resolve()
    })
  }

  /** Opens the port, the same one as before. */
  async accept(): Promise<void> {
    if (this.#server !== undefined) return
    const server = createServer({ noDelay: true }, (socket) => this.#connected(socket))
    if (this.#port === 0) this.#port = await listenSteadily(server)
    else {
      server.listen(this.#port, '127.0.0.1')
      await once(server, 'listening')
    }
    this.#server = server
  }

  /** Closes the port and resets every connection, as when the machine is gone but its network is not. */
  async die(): Promise<void> {
    await this.refuse()
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.refuse()
    for (const socket of this.#sockets) socket.destroy()
  }

  #connected(socket: Socket): void {
    this.#connectionsEver += 1
    this.#sockets.add(socket)
    // An end that came before this connection may be read after it, where this process was busy: it counts as it was.
    setImmediate(() => {
      setImmediate(() => {
        this.#connectionsPeak = Math.max(this.#connectionsPeak, this.#sockets.size)
      })
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.#live.delete(socket)
      this.#unanswered.delete(socket)
    })
    let head = Buffer.alloc(0)
    const onData = (piece: Buffer) => {
      if (head.length === 0 && piece[0] === TLS_HANDSHAKE) {
        socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
        return
      }
      head = Buffer.concat([head, piece])
      const end = head.indexOf('\r\n\r\n')
      if (end < 0 && head.length < HEAD_BYTES_MAX) return
      socket.off('data', onData)
      socket.resume()
      if (end < 0) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
      else this.#respond(socket, parseRequest(head.toString('latin1', 0, end)))
    }
    socket.on('data', onData)
  }

  #respond(socket: Socket, request: OriginRequest): void {
    this.#requests.push(request)
    if (this.#requests.length > REQUESTS_KEPT) this.#requests.shift()
    this.#answer(socket, request)
  }

  #answer(socket: Socket, request: OriginRequest): void {
    const { answer } = this
    switch (answer.kind) {
      case 'live':
      case 'live_for':
        if (request.method === 'HEAD') socket.end(headOf(200, { 'Content-Type': this.#body.contentType }))
        else this.#serve(socket, answer.kind === 'live_for' ? answer.ms : undefined)
        return
      case 'reset':
        socket.resetAndDestroy()
        return
      case 'never_answer':
        this.#unanswered.set(socket, request)
        return
      case 'head_only':
        socket.write(headOf(200, { 'Content-Type': this.#body.contentType }))
        return
      case 'status': {
        const text = `status ${answer.status}`
        socket.end(headOf(answer.status, { 'Content-Length': `${text.length}`, ...answer.headers }) + text)
        return
      }
      case 'body': {
        const body = Buffer.from(answer.body)
        socket.write(headOf(200, { 'Content-Type': answer.contentType, 'Content-Length': `${body.length}` }))
        if (request.method === 'HEAD') socket.end()
        else socket.end(body)
        return
      }
      case 'redirect':
        socket.end(headOf(answer.status ?? 302, { Location: answer.location, 'Content-Length': '0' }))
        return
      case 'redirect_loop':
        socket.end(headOf(302, { Location: this.url, 'Content-Length': '0' }))
        return
      case 'noise':
        socket.write(headOf(200, { 'Content-Type': this.#body.contentType }))
        sendNoise(socket)
        return
      default:
        answer satisfies never
    }
  }

  #serve(socket: Socket, endAfterMs: number | undefined): void {
    const connection = new OriginConnection({
      socket,
      body: this.#body,
      otherBody: this.#otherBody,
      framing: this.framing,
      pace: this.pace,
      join: this.join,
      backlogMs: this.#backlogMs,
      ...(endAfterMs === undefined ? {} : { endAfterMs }),
    })
    this.#live.set(socket, connection)
  }
}

function sendNoise(socket: Socket): void {
  if (socket.destroyed) return
  socket.write(garbage(NOISE_PIECE_BYTES))
  systemClock.schedule(NOISE_EVERY_MS, () => sendNoise(socket))
}

/** Every source has its own clock: a fixed place in the 33-bit range that depends on its name. */
function offsetOf(name: string): number {
  let hash = 0
  for (const character of name) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) >>> 0
  return hash
}

function headOf(status: number, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries({ ...headers, Connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${status < 400 ? 'OK' : 'Error'}\r\n${lines.join('')}\r\n`
}

function parseRequest(head: string): OriginRequest {
  const [first = '', ...lines] = head.split('\r\n')
  const [method = '', path = ''] = first.split(' ')
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  return { method, path, headers, atMs: systemClock.nowMs() }
}
