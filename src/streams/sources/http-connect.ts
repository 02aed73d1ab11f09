import { connect as connectTcp } from 'node:net'
import type { LookupFunction, Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { isIP } from 'node:net'
import type { buildConnector } from 'undici'
import { addressForbidden, isPublicAddress, publicOnlyLookup } from './address-guard.ts'

/** Idle time after which the kernel asks whether a silent peer is still there. */
const KEEP_ALIVE_DELAY_MS = 30_000

interface ConnectionOptions {
  /** May this host be a private address? */
  readonly mayBePrivate: boolean
  readonly lookup: LookupFunction | undefined
  readonly caCertificates: readonly string[] | undefined
  /** The socket, as soon as there is one; it may not be connected yet. */
  readonly onSocket: (socket: Socket) => void
  /** The TCP connection stands; with TLS the handshake begins. */
  readonly onTcp: () => void
}

/**
 * Makes the one connection of a request. undici's own connector keeps its socket to itself; this one shows it, so that
 * closing during name resolution or the handshake closes it at once, and a reset is told from an orderly end.
 */
export function sourceConnector(options: ConnectionOptions): buildConnector.connector {
  return ({ hostname, protocol, port, servername }, callback) => {
    // An address in the URL never passes through the lookup.
    if (!options.mayBePrivate && isIP(hostname) !== 0 && !isPublicAddress(hostname)) {
      callback(addressForbidden(hostname), null)
      return
    }
    const isTls = protocol === 'https:'
    const lookup = options.mayBePrivate ? options.lookup : publicOnlyLookup(options.lookup)
    const target = {
      host: hostname,
      port: port === '' ? (isTls ? 443 : 80) : Number(port),
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
      ...(lookup === undefined ? {} : { lookup }),
    }
    const socket = isTls
      ? connectTls({
          ...target,
          ALPNProtocols: ['http/1.1'],
          ...serverName(servername, hostname),
          ...(options.caCertificates === undefined ? {} : { ca: [...options.caCertificates] }),
        })
      : connectTcp(target)
    options.onSocket(socket)
    let isSettled = false
    const settle = (error: Error | null): void => {
      if (isSettled) return
      isSettled = true
      if (error === null) callback(null, socket)
      else callback(error, null)
    }
    socket.once('connect', options.onTcp)
    socket.once(isTls ? 'secureConnect' : 'connect', () => settle(null))
    socket.on('error', settle)
    socket.once('close', () => settle(new Error('closed while connecting')))
  }
}

/** An IP address is no server name (RFC 6066 §3); the certificate is then held against the address itself. */
function serverName(servername: string | undefined, hostname: string): { readonly servername?: string } {
  const name = servername ?? hostname
  return name === '' || isIP(name) !== 0 ? {} : { servername: name }
}
