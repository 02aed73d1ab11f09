import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { Processes } from '../../src/process/processes.ts'
import type { ProcessesOptions } from '../../src/process/processes.ts'

/** Child processes below a directory of their own, both gone at the end. */
export interface ProcessRoom extends AsyncDisposable {
  readonly directory: string
  /** Where its ledger is. */
  readonly ledger: string
  readonly processes: Processes
}

export function openProcessRoom(options: Partial<Omit<ProcessesOptions, 'directory'>> = {}): ProcessRoom {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-room-'))
  const ledger = join(directory, 'ledger')
  const processes = new Processes({ clock: systemClock, log: silentLog, ...options, directory: ledger })
  return {
    ...{ directory, ledger, processes },
    [Symbol.asyncDispose]: async () => {
      await processes[Symbol.asyncDispose]()
      rmSync(directory, { recursive: true })
    },
  }
}
