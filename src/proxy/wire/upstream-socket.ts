import { connect, isIP, Socket } from 'node:net'
import type { LookupFunction, OnReadOpts } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { SecureContextOptions } from 'node:tls'

/** TLS to an upstream: `ca` for an own authority, `cert` and `key` for a client certificate. */
export interface OriginTls extends Pick<
  SecureContextOptions,
  'ca' | 'cert' | 'key' | 'passphrase' | 'minVersion' | 'ciphers'
> {
  /** The name for SNI and for the certificate; the host when it is left out. */
  readonly servername?: string
  /** False takes any certificate. */
  readonly isVerified?: boolean
}

/** Where an upstream is. */
export interface Origin {
  /** A name or an address, IPv6 without brackets. */
  readonly host: string
  readonly port: number
  readonly tls?: OriginTls
  /** Which addresses it may be, also where its name leads; any when it is left out. */
  readonly guard?: OriginGuard
}

/** Keeps connections out of networks that whoever named the origin may not look into. */
export interface OriginGuard {
  /** `ip` is an IP address. */
  allows(ip: string): boolean
  /** Name resolution that keeps only what `allows` allows, and fails when nothing is left. */
  readonly lookup: LookupFunction
}

const KEEP_ALIVE_PROBE_MS = 30_000

/**
 * Begins a connection to the origin. With `onread` the socket reads into the memory that it names and has no `data`.
 * `session` is that of an earlier TLS connection to the same origin, which makes the handshake shorter.
 */
export function connectUpstream(origin: Origin, onread: OnReadOpts | undefined, session: Buffer | undefined): Socket {
  const { host, port, guard } = origin
  // An address never passes through the lookup.
  if (guard !== undefined && isIP(host) !== 0 && !guard.allows(host)) return refusedSocket()
  const options = {
    ...{ host, port },
    ...(guard === undefined ? {} : { lookup: guard.lookup }),
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
    ...(onread === undefined ? {} : { onread }),
  }
  if (origin.tls === undefined) return connect(options)
  const { servername, isVerified, ...secure } = origin.tls
  return connectTls({
    ...options,
    ...secure,
    rejectUnauthorized: isVerified !== false,
    ALPNProtocols: ['http/1.1'],
    ...(servername === undefined ? {} : { servername }),
    ...(session === undefined ? {} : { session }),
  })
}

/** One that never connects and says why as any other failure does. */
function refusedSocket(): Socket {
  return new Socket().destroy(Object.assign(new Error('the address is private'), { code: 'ADDRESS_FORBIDDEN' }))
}
