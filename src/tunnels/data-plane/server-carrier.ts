import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Fields } from '../../proxy/wire/fields.ts'
import type { RawSocket } from '../../proxy/wire/front-exchange.ts'
import { fieldPairs } from '../../proxy/wire/node-exchange.ts'
import type { NodeCarrier, ResponseStart } from '../../proxy/wire/node-exchange.ts'
import { peerOf } from '../../proxy/wire/peer.ts'
import type { Peer } from '../../proxy/wire/peer.ts'
import type { WaitingUpgrade } from './waiting-upgrade.ts'

/** What is still read of a request's body after its response, to keep the connection; more ends it. */
const DISCARDED_BYTES_MAX = 1_048_576

/** One request on the main port, whose server is Node's own for HTTP/1.1. */
export class ServerCarrier implements NodeCarrier {
  readonly peer: Peer
  readonly input: IncomingMessage
  readonly output: ServerResponse
  /** Of a request that came as the server's `upgrade`; any other is asked for no other protocol. */
  readonly #upgrade: WaitingUpgrade | undefined

  constructor(request: IncomingMessage, response: ServerResponse, upgrade: WaitingUpgrade | undefined) {
    this.input = request
    this.output = response
    this.peer = peerOf(request.socket)
    this.#upgrade = upgrade
  }

  get trailers(): readonly string[] {
    return this.input.rawTrailers
  }

  inform(head: string): void {
    // Behind another response on its connection an interim one has to wait its turn, and then it is of no use.
    if (head.startsWith('HTTP/1.1 100 ')) this.output.writeContinue()
    else this.output.socket?.write(`${head}\r\n`, 'latin1')
  }

  respond({ status, reason, fields, framing, isLast }: ResponseStart): void {
    const all = [...fields]
    if (framing?.kind === 'length') all.push('Content-Length', String(framing.bytes))
    if (framing?.kind === 'chunked' && this.input.httpVersionMinor === 1) all.push('Transfer-Encoding', 'chunked')
    if (isLast) all.push('Connection', 'close')
    this.output.writeHead(status, reason, all)
  }

  flushHead(): void {
    this.output.flushHeaders()
  }

  setTrailers(fields: Fields): void {
    this.output.addTrailers(fieldPairs(fields))
  }

  /** Reads on after the response, so that the next request on the connection can be reached. */
  discardInput(): void {
    const request = this.input
    if (!request.complete) {
      let left = DISCARDED_BYTES_MAX
      request.on('data', (piece: Buffer) => {
        left -= piece.length
        if (left < 0) request.destroy()
      })
    }
    request.resume()
  }

  cut(): void {
    const { socket } = this.output
    if (socket === null) this.output.destroy()
    else socket.resetAndDestroy()
  }

  drop(): void {
    this.output.destroy()
    this.input.socket.destroy()
  }

  upgrade(head: string): RawSocket | undefined {
    const raw = this.#upgrade?.handOver()
    raw?.socket.write(`${head}\r\n`, 'latin1')
    return raw
  }
}
