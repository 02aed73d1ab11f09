import type { Fields } from '../wire/fields.ts'
import type { ExchangeListener, RawSocket, RequestBodySink, ResponseFraming } from '../wire/front-exchange.ts'
import type { RequestHead } from '../wire/head.ts'
import type { Peer } from '../wire/peer.ts'

/**
 * The client's side of one request, whatever it came in by; `FrontExchange` is one. What each method does in detail is
 * said there. All of them do nothing after the exchange is over.
 */
export interface ClientExchange {
  readonly head: RequestHead
  readonly peer: Peer
  readonly isOver: boolean
  readonly hasResponded: boolean
  /** Bytes that wait to be taken by the client; while it is above 0 a written piece may still be in use. */
  readonly pendingBytes: number
  listen(listener: ExchangeListener): void
  /** Begins to read the request's body, once. Pieces are the sink's for good. */
  readBody(sink: RequestBodySink): void
  resumeBody(): void
  /** An interim response: status line and fields, each with its CR LF, without the empty line. */
  inform(head: string): void
  /**
   * The same for the response, without the fields of framing and connection. `isFollowed`: a piece of the body or its end
   * follows at once, so that nothing has to be done for the head to go out by itself.
   */
  respond(head: string, framing: ResponseFraming, isFollowed?: boolean): void
  /** False when the client is behind: wait for `onDrain`. */
  write(piece: Buffer): boolean
  end(trailers?: Fields): void
  /** Ends the connection so that nobody takes the response for whole. */
  cut(): void
  /** Switches protocols; undefined when that is not possible any more. */
  upgrade(head: string): RawSocket | undefined
}
