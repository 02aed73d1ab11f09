import { get } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Clock } from '../lib/clock.ts'

const PACKET_BYTES = 188
const SYNC_BYTE = 0x47
const RECONNECT_MS = 500

/** What a viewer saw since the measurement before. */
export interface Sight {
  /** The longest time without a byte. */
  readonly longestPauseMs: number
  readonly bytes: number
  /** Packets that do not begin where a packet should. */
  readonly misalignedPackets: number
  /** Connections that ended under the viewer, since the demo began. */
  readonly connectionsLost: number
}

/** A viewer of the demo's own: it reads the stream as a player would and notes every pause. */
export class Watcher implements Disposable {
  readonly #url: string
  readonly #clock: Clock
  #request: ClientRequest | undefined
  #lastByteAtMs: number | undefined
  #longestPauseMs = 0
  #bytes = 0
  #positionInPacket = 0
  #misalignedPackets = 0
  #connectionsLost = 0
  #isClosed = false

  constructor(options: { readonly url: string; readonly clock: Clock }) {
    this.#url = options.url
    this.#clock = options.clock
    this.#connect()
  }

  /** Begins a new measurement and returns the one that ends; a pause that still lasts counts up to now. */
  measure(): Sight {
    const nowMs = this.#clock.nowMs()
    const presentPauseMs = this.#lastByteAtMs === undefined ? 0 : nowMs - this.#lastByteAtMs
    const sight = {
      longestPauseMs: Math.max(this.#longestPauseMs, presentPauseMs),
      bytes: this.#bytes,
      misalignedPackets: this.#misalignedPackets,
      connectionsLost: this.#connectionsLost,
    }
    this.#longestPauseMs = 0
    this.#bytes = 0
    this.#misalignedPackets = 0
    return sight
  }

  [Symbol.dispose](): void {
    this.#isClosed = true
    this.#request?.destroy()
  }

  #connect(): void {
    this.#positionInPacket = 0
    this.#request = get(this.#url, { agent: false, headers: { 'user-agent': 'holdfast-demo' } }, (response) => {
      if (response.statusCode === 200) response.on('data', (chunk: Buffer) => this.#take(chunk))
      else response.resume()
      this.#whenOver(response)
    })
    this.#request.on('error', () => this.#reconnect())
  }

  #whenOver(response: IncomingMessage): void {
    response.on('error', () => {})
    response.once('close', () => {
      if (!this.#isClosed) this.#connectionsLost += 1
      this.#reconnect()
    })
  }

  #reconnect(): void {
    if (!this.#isClosed) this.#clock.schedule(RECONNECT_MS, () => this.#isClosed || this.#connect())
  }

  #take(chunk: Buffer): void {
    const nowMs = this.#clock.nowMs()
    if (this.#lastByteAtMs !== undefined) {
      this.#longestPauseMs = Math.max(this.#longestPauseMs, nowMs - this.#lastByteAtMs)
    }
    this.#lastByteAtMs = nowMs
    this.#bytes += chunk.length
    let at = (PACKET_BYTES - this.#positionInPacket) % PACKET_BYTES
    for (; at < chunk.length; at += PACKET_BYTES) if (chunk[at] !== SYNC_BYTE) this.#misalignedPackets += 1
    this.#positionInPacket = (this.#positionInPacket + chunk.length) % PACKET_BYTES
  }
}
