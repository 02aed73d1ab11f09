import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** The other side of a connection. */
export interface Peer {
  /** IPv4 in dotted form even where the socket is dual-stack; empty when it is gone already. */
  readonly address: string
  readonly port: number
  readonly isEncrypted: boolean
}

const MAPPED_IPV4 = '::ffff:'

export function peerOf(socket: Socket): Peer {
  const address = socket.remoteAddress ?? ''
  return {
    address: address.startsWith(MAPPED_IPV4) ? address.slice(MAPPED_IPV4.length) : address,
    port: socket.remotePort ?? 0,
    isEncrypted: socket instanceof TLSSocket,
  }
}
