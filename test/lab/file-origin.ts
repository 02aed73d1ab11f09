import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '../../src/lib/clock.ts'
import { PACKET_BYTES } from '../../src/mpegts/packet.ts'

export interface FileOriginOptions {
  /** A transport stream that lasts `seconds`. */
  readonly bytes: Buffer
  readonly seconds: number
  /** When its first byte was live, by the lab's clock; later than now delays it. */
  readonly startMs: number
}

const TICK_MS = 20

/** A live HTTP origin on loopback that plays one file once, at the pace of its media, to whoever reads it meanwhile. */
export class FileOrigin implements AsyncDisposable {
  readonly #options: FileOriginOptions
  readonly #server: Server
  readonly #readers = new Set<ServerResponse>()

  private constructor(options: FileOriginOptions) {
    this.#options = options
    this.#server = createServer((_request, response) => this.#serve(response))
  }

  static async start(options: FileOriginOptions): Promise<FileOrigin> {
    const origin = new FileOrigin(options)
    origin.#server.listen(0, '127.0.0.1')
    await once(origin.#server, 'listening')
    return origin
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/live.ts`
  }

  /** How much of the file was live by now. */
  get playedSeconds(): number {
    const { bytes, seconds } = this.#options
    return (this.#due() / bytes.length) * seconds
  }

  get readersNow(): number {
    return this.#readers.size
  }

  /** Breaks every connection in the middle of whatever it was sending. */
  breakOff(): void {
    for (const response of this.#readers) response.socket?.resetAndDestroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await Promise.resolve()
  }

  #serve(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'video/mp2t' })
    response.flushHeaders()
    this.#readers.add(response)
    response.on('error', () => {})
    response.once('close', () => this.#readers.delete(response))
    let at = this.#due()
    const send = () => {
      if (response.destroyed) return
      const due = this.#due()
      if (due > at) response.write(this.#options.bytes.subarray(at, due))
      at = Math.max(at, due)
      systemClock.schedule(TICK_MS, send)
    }
    send()
  }

  #due(): number {
    const { bytes, seconds, startMs } = this.#options
    const share = (systemClock.nowMs() - startMs) / (seconds * 1_000)
    const due = Math.max(0, Math.min(1, share)) * bytes.length
    return Math.floor(due / PACKET_BYTES) * PACKET_BYTES
  }
}
