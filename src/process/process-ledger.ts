import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { processIdentity } from './process-identity.ts'

/** One process in the ledger, and the gateway whose child it is. */
interface LedgerEntry {
  readonly pid: number
  readonly identity: string
  readonly program: string
  readonly gateway: { readonly pid: number; readonly identity: string }
}

/** A process that a gateway had left behind and that was ended. */
export interface LeftOver {
  readonly pid: number
  readonly program: string
}

const FILE_NAME = /^(\d{1,10})\.json$/

/**
 * Which processes run for this gateway, in one small file each, so that the next start can end what a gateway that was
 * killed has left running. A process is known by its number and by when the kernel started it: a number that was given to
 * another process since is never signalled. Everything is written before the call returns.
 */
export class ProcessLedger {
  readonly #directory: string

  /** Makes the directory. Throws the system's error when it cannot be made. */
  constructor(directory: string) {
    this.#directory = directory
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  }

  /** Notes a process that has just been started. One that is gone already is not noted. */
  record(pid: number, program: string): void {
    const identity = processIdentity(pid)
    const own = processIdentity(process.pid)
    if (identity === undefined || own === undefined) return
    const entry: LedgerEntry = { pid, identity, program, gateway: { pid: process.pid, identity: own } }
    writeFileSync(this.#path(pid), JSON.stringify(entry), { mode: 0o600 })
  }

  forget(pid: number): void {
    rmSync(this.#path(pid), { force: true })
  }

  /** Ends (SIGKILL, with its group) whatever is left of gateways that are gone; returns what was ended. */
  endLeftOvers(): readonly LeftOver[] {
    const ended: LeftOver[] = []
    for (const name of readdirSync(this.#directory)) {
      const pid = Number(FILE_NAME.exec(name)?.[1])
      if (!Number.isSafeInteger(pid)) continue
      const entry = this.#read(pid)
      // Another gateway that is alive looks after its own.
      if (entry !== undefined && processIdentity(entry.gateway.pid) === entry.gateway.identity) continue
      if (entry !== undefined && processIdentity(pid) === entry.identity && killGroup(pid)) {
        ended.push({ pid, program: entry.program })
      }
      this.forget(pid)
    }
    return ended
  }

  #read(pid: number): LedgerEntry | undefined {
    try {
      const value = JSON.parse(readFileSync(this.#path(pid), 'utf8')) as unknown
      return isEntry(value) && value.pid === pid ? value : undefined
    } catch {
      // Cut off by a power failure, or not ours: nothing is known of the process then, so nothing is done to it.
      return undefined
    }
  }

  #path(pid: number): string {
    return join(this.#directory, `${pid}.json`)
  }
}

/** SIGKILL to a process that leads a group, and to all of the group. False when it is gone. */
function killGroup(pid: number): boolean {
  // 0 and negative numbers mean groups, 1 is the system itself.
  if (pid <= 1) return false
  try {
    process.kill(-pid, 'SIGKILL')
    return true
  } catch {
    return false
  }
}

function isEntry(value: unknown): value is LedgerEntry {
  if (typeof value !== 'object' || value === null) return false
  const { pid, identity, program, gateway } = value as Partial<LedgerEntry>
  return (
    typeof pid === 'number' &&
    typeof identity === 'string' &&
    typeof program === 'string' &&
    typeof gateway === 'object' &&
    typeof (gateway as Partial<LedgerEntry['gateway']> | null)?.pid === 'number' &&
    typeof gateway.identity === 'string'
  )
}
