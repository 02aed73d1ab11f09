import type { Clock } from '../../lib/clock.ts'
import { defaultBodyLimits } from './body.ts'
import type { BodyLimits } from './body.ts'
import type { FrontExchange } from './front-exchange.ts'
import { defaultHeadLimits } from './head.ts'
import type { HeadLimits } from './head.ts'
import type { NodeExchange } from './node-exchange.ts'

export interface FrontLimits {
  readonly head: HeadLimits
  readonly body: BodyLimits
  /** Open connections; whoever comes after that is closed at once. */
  readonly connectionsMax: number
  readonly requestsPerConnectionMax: number
  /** Rest of a request body that is read and thrown away to keep a connection after an early response, bytes. */
  readonly drainBytesMax: number
}

export interface FrontTimeouts {
  /** From the first byte of a head to its end, and from a connection to its first byte. */
  readonly headMs: number
  /** Between a response and the next request. */
  readonly idleMs: number
  /** Silence within a request body that is being read. */
  readonly bodyMs: number
  /** A client that takes none of what waits for it. */
  readonly writeMs: number
  /** How long a connection that we closed may take to be closed by the client too. */
  readonly lingerMs: number
}

export const defaultFrontLimits: FrontLimits = {
  head: defaultHeadLimits,
  body: defaultBodyLimits,
  connectionsMax: 20_000,
  requestsPerConnectionMax: 1_000_000,
  drainBytesMax: 65_536,
}

export const defaultFrontTimeouts: FrontTimeouts = {
  headMs: 15_000,
  idleMs: 65_000,
  bodyMs: 60_000,
  writeMs: 60_000,
  lingerMs: 2_000,
}

export interface FrontOptions {
  readonly clock: Clock
  readonly limits: FrontLimits
  readonly timeouts: FrontTimeouts
  /** Called for every request; answers through the exchange, now or later. */
  readonly onRequest: (exchange: FrontExchange) => void
  /** The same for requests that come over HTTP/2, which TLS listeners offer only when this is there. */
  readonly onHttp2Request?: (exchange: NodeExchange) => void
  /** A mistake in our own code that surfaced while a connection was served; that connection has been cut. */
  readonly onFault: (error: unknown) => void
  /**
   * What it means that a client ends its side while it waits. `abort`, the default, takes it as gone, as nginx and Node.js
   * do: nothing else tells that the viewer of an event stream has left. `serve` answers it still.
   */
  readonly halfClose?: 'abort' | 'serve'
}

/** Why an exchange ended before its response did. */
export type AbortReason =
  'client_closed' | 'body_malformed' | 'body_timeout' | 'write_timeout' | 'server_closed' | 'fault'
