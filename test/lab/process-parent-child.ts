import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { Processes } from '../../src/process/processes.ts'

/**
 * A parent that can be killed: starts a program under supervision and tells its number. Arguments: the ledger's directory,
 * whether children are to end with it, the program and its arguments.
 */

const [directory = '', endsWithParent, program = '', ...args] = process.argv.slice(2)
const processes = new Processes({
  ...{ directory, clock: systemClock, log: silentLog, endsWithParent: endsWithParent === 'true' },
})
const started = processes.start({ kind: 'source', program, args, stdout: 'ignore' })
process.send?.(started.pid)
