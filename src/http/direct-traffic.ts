import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, Server, ServerOptions, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { Socket } from 'node:net'

/** Requests that are served past the routes, as they come: no body is parsed, no route's access is asked. */
export interface DirectTraffic {
  /** Whether a request is of this kind, by its target and Host alone. */
  takes(request: IncomingMessage): boolean
  serve(request: IncomingMessage, response: ServerResponse): void
  /** A request without a body that asks for another protocol; `early` came behind its head. */
  serveUpgrade(request: IncomingMessage, socket: Socket, early: Buffer): void
  /** Whether a connection carries such a request now: the time that a request may take is not the API's then. */
  isServing(socket: Socket): boolean
  /** Its paths for the OpenAPI document, as OpenAPI has them. */
  readonly documentedPaths?: Readonly<Record<string, object>>
}

interface ServerLimits {
  readonly http: ServerOptions
  readonly keepAliveTimeoutMs: number
  readonly requestTimeoutMs: number
}

/** A server of Node.js that gives direct traffic its requests and `routes` all others. */
export function createDirectServer(routes: RequestListener, direct: DirectTraffic, limits: ServerLimits): Server {
  const server = createServer({
    ...limits.http,
    shouldUpgradeCallback: (request) => direct.takes(request) && !hasBody(request),
  })
  server.keepAliveTimeout = limits.keepAliveTimeoutMs
  server.requestTimeout = limits.requestTimeoutMs
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (direct.takes(request)) direct.serve(request, response)
    else routes(request, response)
  })
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    // Whether a body is wanted is up to who gets it.
    if (direct.takes(request)) {
      direct.serve(request, response)
      return
    }
    response.writeContinue()
    routes(request, response)
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, early: Buffer) => {
    if (socket instanceof Socket) direct.serveUpgrade(request, socket, early)
    else socket.destroy()
  })
  return server
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
}
