import Fastify from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { serializerCompiler } from 'fastify-type-provider-zod'
import type { RequestListener, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { z } from 'zod'
import type { Clock } from '../lib/clock.ts'
import { errorMessage } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { redactUrlsIn } from '../lib/redact.ts'
import type { Access, AccessControl, AccessRequest, Caller } from './access.ts'
import { isReadableByPages, writeCorsHeaders, writePreflightHeaders } from './cross-origin.ts'
import { createDirectServer } from './direct-traffic.ts'
import type { DirectTraffic } from './direct-traffic.ts'
import { errorAnswer, RequestInvalid } from './error-body.ts'
import type { ErrorStyle } from './error-body.ts'
import { registerDocuments } from './openapi.ts'
import type { DocumentPaths } from './openapi.ts'
import { acceptJsonBodies } from './request-body.ts'
import { RouteTable } from './route-table.ts'
import type { KnownRoute } from './route-table.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may use the route. A route without it takes its group's, and is refused at the start where that has none. */
    access?: Access
    errors?: ErrorStyle
    /** Of a route with coded errors: the code of its defects, INTERNAL_ERROR by default. */
    defectCode?: string
  }
  interface FastifyRequest {
    /** Whose request it is; there is one wherever an operator's or account's route is reached. */
    caller: Caller | undefined
    /** True when the request has the operator's rights, also on a route that does not ask for them. */
    isOperator: boolean
  }
}

/** What a group registers its routes with; schemas are zod's. */
export type HttpRoutes = Parameters<FastifyPluginAsyncZod>[0]

/** Routes that are registered together. */
export interface RouteGroup {
  readonly plugin: FastifyPluginAsyncZod
  /** For its routes that say nothing themselves. */
  readonly access?: Access
  readonly errors?: ErrorStyle
}

export interface HttpLimits {
  readonly bodyBytesMax: number
  /** Request line and headers together. */
  readonly headerBytesMax: number
  /** Time for a request's head, and for all of it, to arrive: against clients that send a byte now and then. */
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  /** How often those two are checked. */
  readonly checkEveryMs: number
  readonly keepAliveTimeoutMs: number
  /** One more connection is closed at once. */
  readonly connectionsMax: number
  /** Requests under way get this long on shutdown. */
  readonly closeGraceMs: number
}

const defaultHttpLimits: HttpLimits = {
  bodyBytesMax: 1_048_576,
  headerBytesMax: 32_768,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  checkEveryMs: 2_000,
  keepAliveTimeoutMs: 65_000,
  connectionsMax: 16_384,
  closeGraceMs: 3_000,
}

export interface HttpServerOptions {
  /** Every route answers under this prefix too, beside the root; '' for the root alone. */
  readonly rootPath: string
  readonly documents: DocumentPaths
  readonly version: string
  readonly access: AccessControl
  /** Believe X-Forwarded-For. */
  readonly trustProxy: boolean
  readonly clock: Clock
  readonly log: Log
  readonly limits?: Partial<HttpLimits>
  readonly groups: readonly RouteGroup[]
  /** What is served past all routes. */
  readonly direct?: DirectTraffic
}

export interface HttpServer extends AsyncDisposable {
  readonly app: FastifyInstance
  readonly node: Server
  readonly routes: readonly KnownRoute[]
  /** Resolves with the URL that it listens on; port 0 lets the system choose. */
  listen(options: { readonly host: string; readonly port: number }): Promise<string>
}

/** The HTTP floor: limits, access, error bodies, CORS and documents; what the routes do is the groups' own. */
export async function createServer(options: HttpServerOptions): Promise<HttpServer> {
  const limits = { ...defaultHttpLimits, ...options.limits }
  const routes = new RouteTable()
  const app = createApp(options, limits, routes)
  app.setValidatorCompiler(({ schema }: { schema: z.ZodType }) => (data: unknown) => {
    const result = schema.safeParse(data)
    return result.success ? { value: result.data } : { error: new RequestInvalid(result.error.issues) }
  })
  app.setSerializerCompiler(serializerCompiler)
  acceptJsonBodies(app)
  app.decorateRequest('caller', undefined)
  app.decorateRequest('isOperator', false)
  app.addHook('onRequest', onRequest(options, routes))
  app.addHook('onResponse', async (request, reply) => {
    options.log.debug('http_request', `Answered ${request.method} ${request.routeOptions.url ?? 'unknown route'}`, {
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
    })
  })
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply, { routes, log: options.log }))
  app.setNotFoundHandler(notFound(routes))
  await registerDocuments(app, { ...options, addGroup: (group) => addGroup(app, routes, group) })
  for (const group of options.groups) await addGroup(app, routes, group)
  await app.ready()
  const node: Server = app.server
  node.maxConnections = limits.connectionsMax
  return {
    app,
    node,
    routes: routes.list(),
    listen: async ({ host, port }) => app.listen({ host, port }),
    [Symbol.asyncDispose]: async () => {
      const timer = options.clock.schedule(limits.closeGraceMs, () => node.closeAllConnections())
      try {
        await app.close()
      } finally {
        timer.cancel()
      }
    },
  }
}

function createApp(options: HttpServerOptions, limits: HttpLimits, routes: RouteTable): FastifyInstance {
  const { direct } = options
  const { keepAliveTimeoutMs, requestTimeoutMs } = limits
  const http = {
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    connectionsCheckingInterval: limits.checkEveryMs,
    // Finds viewers whose machine went away without a word.
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
  }
  return Fastify({
    logger: false,
    bodyLimit: limits.bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    trustProxy: options.trustProxy,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    rewriteUrl: (request) => rootedPath(request.url ?? '/', options.rootPath),
    routerOptions: { maxParamLength: 512, ignoreTrailingSlash: true },
    ...(direct === undefined
      ? { http }
      : {
          serverFactory: (routed: RequestListener) =>
            createDirectServer(routed, direct, { http, keepAliveTimeoutMs, requestTimeoutMs }),
        }),
    clientErrorHandler: (error, socket) => {
      const isOurTime = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && direct?.isServing(socket) === true
      if (!isOurTime) refuseUnreadable(error, socket)
    },
    frameworkErrors: (error, request, reply) => sendError(error, request, reply, { routes, log: options.log }),
  })
}

/** The path without ROOT_PATH, and without the scheme and host of the absolute form (RFC 9112 §3.2.2). */
export function rootedPath(url: string, rootPath: string): string {
  const path = /^https?:\/\/[^/?#]*(.*)$/i.exec(url)?.[1] ?? url
  const rooted = path === '' || path.startsWith('?') ? `/${path}` : path
  const prefix = rootPath.replace(/\/+$/, '')
  if (prefix === '' || !rooted.startsWith(prefix)) return rooted
  const rest = rooted.slice(prefix.length)
  if (rest === '' || rest.startsWith('?')) return `/${rest}`
  return rest.startsWith('/') ? rest : rooted
}

async function addGroup(app: FastifyInstance, routes: RouteTable, group: RouteGroup): Promise<void> {
  await app.register(async (scope) => {
    scope.addHook('onRoute', (route) => {
      const methods = typeof route.method === 'string' ? [route.method] : route.method
      const access = route.config?.access ?? group.access
      if (access === undefined) {
        throw new Error(`route ${methods.join(',')} ${route.url} does not say who may use it (config.access)`)
      }
      const errors = route.config?.errors ?? group.errors ?? 'peer'
      // The hook may not assign `route` itself; its config is what the request sees.
      Object.assign(route, { config: { ...route.config, errors, access } })
      for (const method of methods) routes.add({ method, pattern: route.url, access, errors })
    })
    await scope.register(group.plugin)
  })
}

function onRequest({ access, log }: HttpServerOptions, routes: RouteTable) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const { headers, query, method } = request
    const judged: AccessRequest = { headers, query, method, streamId: streamIdIn(request) }
    request.caller = access.callerOf(judged)
    request.isOperator = request.caller?.role === 'admin'
    if (request.is404) {
      answerUnrouted(request, reply, routes, access)
      return
    }
    const wanted = request.routeOptions.config.access
    if (isReadableByPages(access.mode, wanted)) writeCorsHeaders(reply.raw)
    const refusal = access.refusal(judged, wanted)
    if (refusal === undefined) return
    log.debug('request_refused', 'A request was refused', { code: refusal.code, ip: request.ip })
    throw refusal
  }
}

/** CORS and OPTIONS for paths that the router does not know in this method. */
function answerUnrouted(request: FastifyRequest, reply: FastifyReply, routes: RouteTable, access: AccessControl): void {
  const known = routes.at(pathOf(request))
  if (known.some((route) => isReadableByPages(access.mode, route.access)) || access.mode.kind === 'token') {
    writeCorsHeaders(reply.raw)
  }
  if (request.method !== 'OPTIONS' || known.length === 0) return
  const readable = known.filter((route) => isReadableByPages(access.mode, route.access)).map(({ method }) => method)
  reply.raw.setHeader('allow', [...known.map(({ method }) => method), 'OPTIONS'].join(', '))
  if (readable.length > 0) writePreflightHeaders(reply.raw, readable)
  void reply.code(204).send()
}

function notFound(routes: RouteTable) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const known = routes.at(pathOf(request))
    // A route may say itself that it has nothing there, as the one for static files does.
    const isOwnMethod = known.some(({ method }) => method === request.method)
    const isMissing = known.length === 0 || isOwnMethod
    if (!isMissing) reply.header('allow', [...new Set(known.map(({ method }) => method))].join(', '))
    const { status, contentType, body } = errorAnswer({ statusCode: isMissing ? 404 : 405 }, errorsFor(request, routes))
    return reply.code(status).type(contentType).serializer(JSON.stringify).send(body)
  }
}

interface ErrorContext {
  readonly routes: RouteTable
  readonly log: Log
}

/** What cannot be routed has no route to ask. */
function errorsFor(request: FastifyRequest, routes: RouteTable): ErrorStyle {
  return request.routeOptions.config.errors ?? routes.errorsNear(pathOf(request))
}

function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply, { routes, log }: ErrorContext): void {
  const answer = errorAnswer(error, errorsFor(request, routes), request.routeOptions.config.defectCode)
  if (answer.isDefect) {
    const cause = error instanceof Error ? (error.stack ?? error.message) : errorMessage(error)
    log.error(
      'request_failed',
      `The answer to ${request.method} ${request.routeOptions.url ?? 'unknown route'} failed`,
      {
        detail: redactUrlsIn(
          error instanceof Error && error.cause !== undefined ? `${cause} (${errorMessage(error.cause)})` : cause,
        ),
      },
    )
  }
  void reply
    .code(answer.status)
    .headers(answer.headers)
    .type(answer.contentType)
    .serializer(JSON.stringify)
    .send(answer.body)
}

/** Stream ids are hexadecimal; players like to see a file extension behind them. */
export function withoutExtension(streamId: string): string {
  return streamId.replace(/\.[A-Za-z0-9]{1,5}$/, '')
}

function streamIdIn(request: FastifyRequest): string | undefined {
  const { params } = request
  if (typeof params !== 'object' || params === null) return undefined
  const value = Reflect.get(params, 'streamId') as unknown
  return typeof value === 'string' ? withoutExtension(value) : undefined
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?')[0] ?? ''
}

/** What cannot be parsed as HTTP never reaches a route; it gets a short answer and its connection is closed. */
function refuseUnreadable(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const { status, text } = unreadableStatus(error.code)
  const body = JSON.stringify({ detail: text })
  const head = `HTTP/1.1 ${status} ${text}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n`
  socket.end(`${head}${body}`, () => socket.destroy())
}

function unreadableStatus(code: string | undefined): { readonly status: number; readonly text: string } {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: 408, text: 'Request Timeout' }
    case 'HPE_HEADER_OVERFLOW':
      return { status: 431, text: 'Request Header Fields Too Large' }
    default:
      return { status: 400, text: 'Bad Request' }
  }
}
