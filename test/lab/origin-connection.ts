import type { Socket } from 'node:net'
import { systemClock } from '../../src/lib/clock.ts'
import type { Timer } from '../../src/lib/clock.ts'
import type { Fault, Framing, Pace } from './fault.ts'
import { createPacketChange } from './packet-faults.ts'
import type { PacketChange } from './packet-faults.ts'
import type { LiveBody, LiveCursor, Join } from './live-body.ts'

const TICK_MS = 40
const PIECE_BYTES_MAX = 256 * 1024
/** A reader that is this far behind is not given more until it has drained. */
const UNSENT_BYTES_MAX = 1024 * 1024
/** How far ahead of its time an unlimited body runs. */
const UNLIMITED_LEAD_MS = 24 * 3600 * 1000
const SLOW_START_FACTOR = 0.25
const CHUNK_ANNOUNCED_BYTES = 4096
const CHUNK_SENT_BYTES = 100
const CONTENT_LENGTH = 10 ** 12

export interface OriginConnectionOptions {
  readonly socket: Socket
  readonly body: LiveBody
  /** For `other_programme`. */
  readonly otherBody?: LiveBody | undefined
  readonly framing: Framing
  readonly pace: Pace
  readonly join: Join
  readonly backlogMs: number
  readonly endAfterMs?: number
}

/** One connection that is being sent a live body; `inject` breaks it. */
export class OriginConnection {
  readonly #options: OriginConnectionOptions
  #cursor: LiveCursor
  #timer: Timer | undefined
  #fault: Fault | undefined
  #packetsSent = 0
  #change: PacketChange | undefined
  readonly #openedMs: number
  readonly #endAtMs: number

  constructor(options: OriginConnectionOptions) {
    const { body, pace, join, backlogMs, socket, endAfterMs } = options
    this.#options = options
    const nowMs = systemClock.nowMs()
    this.#openedMs = nowMs
    this.#endAtMs = nowMs + (endAfterMs ?? Number.POSITIVE_INFINITY)
    // A bursty server sends what it has collected as soon as somebody connects.
    const burstMs = pace.kind === 'bursts' ? pace.everyMs : 0
    this.#cursor = body.open(nowMs, { join, backlogMs: backlogMs + burstMs })
    socket.on('close', () => this.#timer?.cancel())
    socket.write(this.#head())
    if (pace.kind === 'unlimited') socket.on('drain', () => this.#tick())
    this.#tick()
  }

  inject(fault: Fault): void {
    const { socket, framing, body } = this.#options
    const partial = Buffer.alloc(100, 0x11)
    switch (fault.kind) {
      case 'end':
        this.#end()
        return
      case 'fin':
        this.#stop()
        if (!fault.aligned) this.#send(partial)
        socket.end()
        return
      case 'reset':
        this.#stop()
        if (fault.aligned) socket.resetAndDestroy()
        // The half packet must have left before the RST discards what is unsent.
        else socket.write(this.#framed(partial), () => socket.resetAndDestroy())
        return
      case 'incomplete_chunk':
        if (framing !== 'chunked') throw new Error('an incomplete chunk needs chunked framing')
        this.#stop()
        socket.write(`${CHUNK_ANNOUNCED_BYTES.toString(16)}\r\n`)
        socket.end(Buffer.alloc(CHUNK_SENT_BYTES, 0x11))
        return
      case 'silence':
        this.#stop()
        return
      case 'drip':
        this.#stop()
        this.#drip(fault.everyMs)
        return
      case 'burst_of_garbage':
        this.#send(garbage(fault.bytes))
        return
      case 'other_programme':
        this.#changeProgramme()
        return
      case 'garbage':
      case 'half_packets':
      case 'packets':
        if (body.unitBytes === 1) throw new Error(`${fault.kind} needs a packetised body`)
        this.#fault = fault
        this.#change = fault.kind === 'packets' ? createPacketChange(fault.fault) : undefined
        return
      default:
        fault satisfies never
    }
  }

  #changeProgramme(): void {
    const { otherBody } = this.#options
    if (otherBody === undefined) throw new Error('the origin has no other programme')
    this.#cursor = otherBody.open(this.#dueMs(systemClock.nowMs()), { join: 'mid_gop', backlogMs: 0 })
  }

  #head(): string {
    const { framing, body } = this.#options
    const length = {
      close: 'Connection: close\r\n',
      chunked: 'Transfer-Encoding: chunked\r\n',
      content_length: `Content-Length: ${CONTENT_LENGTH}\r\n`,
    }[framing]
    return `HTTP/1.1 200 OK\r\nContent-Type: ${body.contentType}\r\n${length}\r\n`
  }

  #tick(): void {
    const { pace, socket } = this.#options
    this.#timer?.cancel()
    const nowMs = systemClock.nowMs()
    if (nowMs >= this.#endAtMs) {
      this.#end()
      return
    }
    const dueMs = this.#dueMs(nowMs)
    while (socket.writableLength < UNSENT_BYTES_MAX && !socket.destroyed) {
      const piece = this.#cursor.read(dueMs, PIECE_BYTES_MAX)
      if (piece === undefined) break
      this.#send(this.#spoilt(piece))
    }
    if (pace.kind === 'unlimited') return
    this.#timer = systemClock.schedule(pace.kind === 'bursts' ? pace.everyMs : TICK_MS, () => this.#tick())
  }

  /** How far the programme is handed out now. */
  #dueMs(nowMs: number): number {
    const { pace } = this.#options
    if (pace.kind === 'unlimited') return nowMs + UNLIMITED_LEAD_MS
    const forMs = nowMs - this.#openedMs
    if (pace.kind === 'slow_start' && forMs < pace.forMs) return this.#openedMs + forMs * SLOW_START_FACTOR
    return pace.kind === 'slow' ? this.#openedMs + (nowMs - this.#openedMs) * pace.factor : nowMs
  }

  #spoilt(piece: Buffer): Buffer {
    const fault = this.#fault
    if (this.#change !== undefined) return this.#change(piece)
    if (fault?.kind === 'garbage') return garbage(piece.length)
    if (fault?.kind !== 'half_packets') return piece
    const { unitBytes } = this.#options.body
    const parts: Buffer[] = []
    for (let at = 0; at < piece.length; at += unitBytes) {
      this.#packetsSent += 1
      const bytes = this.#packetsSent % fault.every === 0 ? unitBytes / 2 : unitBytes
      parts.push(piece.subarray(at, at + bytes))
    }
    return Buffer.concat(parts)
  }

  #drip(everyMs: number): void {
    this.#timer = systemClock.schedule(everyMs, () => {
      this.#send(Buffer.from([0xff]))
      this.#drip(everyMs)
    })
  }

  #send(bytes: Buffer): void {
    this.#options.socket.write(this.#framed(bytes))
  }

  #framed(bytes: Buffer): Buffer {
    if (this.#options.framing !== 'chunked') return bytes
    return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
  }

  #end(): void {
    this.#stop()
    const { socket, framing } = this.#options
    if (framing === 'chunked') socket.end('0\r\n\r\n')
    else socket.end()
  }

  #stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#options.socket.removeAllListeners('drain')
  }
}

/** Bytes without any sync byte, the same each time. */
export function garbage(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = 0x2545f491
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const value = state >>> 24
    bytes[at] = value === 0x47 ? 0x48 : value
  }
  return bytes
}
