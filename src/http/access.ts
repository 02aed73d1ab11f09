import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { HoldfastError } from '../lib/errors.ts'
import { isLoopbackHost } from './loopback.ts'

/**
 * Who may use a route: admins; whoever has an API key, within what its role allows; whoever may watch the stream that the
 * path names; or everybody.
 */
export type Access = 'operator' | 'account' | 'viewer' | 'public'

/** What a key may do: everything, everything with what is its owner's, or only read that. */
export const ROLES = ['admin', 'user', 'viewer'] as const
export type Role = (typeof ROLES)[number]

/** Who asks. */
export interface Caller {
  /** Whose tunnels and keys are theirs. */
  readonly owner: string
  readonly role: Role
}

/** Whoever has API_TOKEN; without one, whoever reaches the gateway. */
export const FIRST_ADMIN: Caller = { owner: 'admin', role: 'admin' }

/** Where the owner of a key is looked up. */
export interface KeyDirectory {
  /** Undefined for a key that is unknown, revoked or expired. */
  callerOf(key: string): Caller | undefined
}

/** How operators are told apart. `loopback` and `off` ask for no token; `off` also answers to every Host. */
export type AccessMode =
  { readonly kind: 'token'; readonly token: string } | { readonly kind: 'loopback' } | { readonly kind: 'off' }

export interface AccessOptions {
  readonly mode: AccessMode
  readonly requireViewerToken: boolean
  /** Key of the viewer tokens; they are good for as long as it is kept. */
  readonly secret: string
  /** API keys beside API_TOKEN. */
  readonly keys?: KeyDirectory
}

/** What an access decision is made of. */
export interface AccessRequest {
  readonly headers: IncomingHttpHeaders
  readonly query: unknown
  /** GET when it is not given. */
  readonly method?: string
  /** Of a viewer route: the stream that its path names. */
  readonly streamId: string | undefined
}

export interface AccessControl {
  readonly mode: AccessMode
  isOperator(request: AccessRequest): boolean
  /** Whose request it is; undefined when it shows nothing that says so. */
  callerOf(request: AccessRequest): Caller | undefined
  /** Whether a text is one of our keys, also one that is revoked or expired: nobody else is to learn it. */
  isOwnKey(text: string): boolean
  /** The error to answer with, or undefined when the request may go on. */
  refusal(request: AccessRequest, access: Access | undefined): HoldfastError | undefined
  /** The token that lets a viewer watch one stream; undefined where no viewer needs one. */
  viewerToken(streamId: string): string | undefined
}

const VIEWER_TOKEN_LENGTH = 32
/** What API keys look like. */
const API_KEY = /^hfk_[0-9a-f]{32}_/
/** Methods that only read (RFC 9110 §9.2.1). */
const READING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Tokens in constant time; without a token, protection from web pages that the operator's browser happens to show. */
export function createAccess({ mode, requireViewerToken, secret, keys }: AccessOptions): AccessControl {
  const viewerTokenOf = (streamId: string): string =>
    createHmac('sha256', secret).update(`viewer\n${streamId}`).digest('hex').slice(0, VIEWER_TOKEN_LENGTH)
  const callerOf = (request: AccessRequest): Caller | undefined => {
    const given = tokensGiven(request)
    if (mode.kind === 'token') {
      return given.some((text) => isSame(text, mode.token)) ? FIRST_ADMIN : ownerOfKey(given, keys)
    }
    return pageRefusal(request.headers, mode.kind) === undefined ? (ownerOfKey(given, keys) ?? FIRST_ADMIN) : undefined
  }
  const operatorRefusal = (request: AccessRequest): HoldfastError | undefined => {
    const caller = callerOf(request)
    if (caller !== undefined) return caller.role === 'admin' ? undefined : roleRefusal(caller.role)
    return mode.kind === 'token' ? tokenRefusal(request) : pageRefusal(request.headers, mode.kind)
  }
  const accountRefusal = (request: AccessRequest): HoldfastError | undefined => {
    const caller = callerOf(request)
    if (caller === undefined) {
      if (mode.kind !== 'token') return pageRefusal(request.headers, mode.kind)
      return new HoldfastError('unauthorized', 'An API key that is valid has to come with the request')
    }
    return caller.role === 'viewer' && !READING.has(request.method ?? 'GET') ? roleRefusal('viewer') : undefined
  }
  const viewerRefusal = (request: AccessRequest): HoldfastError | undefined => {
    if (!requireViewerToken) return undefined
    const given = queryText(request.query, 'token')
    if (given !== undefined && request.streamId !== undefined && isSame(given, viewerTokenOf(request.streamId))) {
      return undefined
    }
    if (mode.kind === 'token' && operatorRefusal(request) === undefined) return undefined
    if (given === undefined) {
      return new HoldfastError('unauthorized', 'Viewer token required. Provide it via the token query parameter.')
    }
    return new HoldfastError('forbidden', 'Invalid viewer token')
  }
  return {
    mode,
    isOperator: (request) => operatorRefusal(request) === undefined,
    callerOf,
    isOwnKey: (text) => (mode.kind === 'token' && isSame(text, mode.token)) || API_KEY.test(text),
    refusal: (request, access) => {
      switch (access) {
        case 'public':
          return undefined
        case 'account':
          return accountRefusal(request)
        case 'viewer':
          return viewerRefusal(request)
        case 'operator':
        case undefined:
          return operatorRefusal(request)
        default:
          return access satisfies never
      }
    },
    viewerToken: (streamId) => (requireViewerToken ? viewerTokenOf(streamId) : undefined),
  }
}

function tokensGiven({ headers, query }: AccessRequest): readonly string[] {
  return [
    headerText(headers['x-api-token']),
    /^Bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1],
    queryText(query, 'api_token'),
  ].filter((text): text is string => text !== undefined && text !== '')
}

function ownerOfKey(given: readonly string[], keys: KeyDirectory | undefined): Caller | undefined {
  for (const text of given) {
    const caller = keys?.callerOf(text)
    if (caller !== undefined) return caller
  }
  return undefined
}

function tokenRefusal(request: AccessRequest): HoldfastError {
  if (tokensGiven(request).length > 0) return new HoldfastError('forbidden', 'Invalid API token')
  const text = 'API token required. Provide token via X-API-Token header or api_token query parameter.'
  return new HoldfastError('unauthorized', text)
}

function roleRefusal(role: Role): HoldfastError {
  const text =
    role === 'viewer' ? 'A key with the role viewer may only read what is its own' : 'Only admins may do this'
  return new HoldfastError('forbidden', text)
}

/**
 * Without a token a browser is the way in: a page that renamed its own host to this machine (DNS rebinding) gives itself
 * away by the Host header, and one that only sends requests here by Origin or Sec-Fetch-Site (Fetch metadata).
 */
function pageRefusal(headers: IncomingHttpHeaders, kind: 'loopback' | 'off'): HoldfastError | undefined {
  const host = headers.host ?? ''
  if (kind === 'loopback' && !isLoopbackHost(hostnameOf(`http://${host}`))) {
    const text = `Host ${JSON.stringify(host)} is not a loopback name; without API_TOKEN only those are answered`
    return new HoldfastError('host_not_allowed', text)
  }
  const { origin } = headers
  const isOwnPage =
    origin === undefined ||
    (URL.canParse(origin) && (new URL(origin).host === host || isLoopbackHost(hostnameOf(origin))))
  if (isOwnPage && headers['sec-fetch-site'] !== 'cross-site') return undefined
  return new HoldfastError('host_not_allowed', 'Without API_TOKEN the pages of other sites are not answered')
}

/** Compares digests, so that neither the content nor the length of the token shows in the time that it takes. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

function hostnameOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : ''
}

function headerText(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0]
}

function queryText(query: unknown, name: string): string | undefined {
  if (typeof query !== 'object' || query === null || !Object.hasOwn(query, name)) return undefined
  const value = Reflect.get(query, name) as unknown
  return typeof value === 'string' && value !== '' ? value : undefined
}
