import { isIP } from 'node:net'

/** Whether a host name or address (also in the brackets of a URL) only ever means this machine. '' does not. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.toLowerCase().replace(/^\[(.*)\]$/, '$1')
  if (bare === 'localhost' || bare.endsWith('.localhost')) return true
  if (isIP(bare) === 4) return bare.startsWith('127.')
  return bare === '::1' || /^::ffff:(?:127\.|7f[0-9a-f]{2}:)/.test(bare)
}

/** The usual spelling of a peer's address: IPv4 in its own form also where it came in over an IPv6 socket. */
export function plainAddress(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
}
