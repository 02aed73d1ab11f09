import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { systemClock } from '../../src/lib/clock.ts'

const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'] as const
const LOOK_EVERY_MS = 5
/** A peer that has stopped reading has not read even then. */
const PATIENCE_MS = 2_000

/**
 * Resolves when the other end of a connection on this machine has read what was written, by what the kernel holds of it
 * (proc(5), tcp): a reset before that would throw it away. Gives up on a peer that does not read.
 */
export async function peerHasRead(socket: Socket): Promise<void> {
  const { localPort = 0, remotePort = 0 } = socket
  const endMs = systemClock.nowMs() + PATIENCE_MS
  while (!socket.destroyed && systemClock.nowMs() < endMs) {
    const tables = await Promise.all(TABLES.map((path) => readFile(path, 'utf8').catch(() => '')))
    const rows = tables.flatMap((table) => table.split('\n').slice(1).map(rowOf))
    const own = rows.find(({ local, remote }) => local === localPort && remote === remotePort)
    const peer = rows.find(({ local, remote }) => local === remotePort && remote === localPort)
    if ((own?.unsent ?? 0) === 0 && (peer?.unread ?? 0) === 0) return
    await systemClock.sleep(LOOK_EVERY_MS)
  }
}

interface Row {
  readonly local: number
  readonly remote: number
  readonly unsent: number
  readonly unread: number
}

/** ` 0: 0100007F:A1B2 0100007F:C3D4 01 00000000:00000000 …`: addresses, state, and the bytes of both queues, in hexadecimal. */
function rowOf(line: string): Row {
  const [, local = '', remote = '', , queues = ''] = line.trim().split(/\s+/)
  const [unsent = '', unread = ''] = queues.split(':')
  return { local: portOf(local), remote: portOf(remote), unsent: parseInt(unsent, 16), unread: parseInt(unread, 16) }
}

const portOf = (address: string): number => parseInt(address.slice(address.lastIndexOf(':') + 1), 16)
