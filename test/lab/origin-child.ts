import { errorMessage } from '../../src/lib/errors.ts'
import { FaultOrigin } from './fault-origin.ts'
import type { OriginCommand, OriginReport } from './origin-process.ts'

/** The process behind OriginProcess: does what it is told over its parent's channel and ends with its parent. */

const origins = new Map<string, FaultOrigin>()

async function obey(command: OriginCommand): Promise<OriginReport> {
  if (command.kind === 'start') {
    for (const options of command.origins) origins.set(options.name, await FaultOrigin.start(options))
    return { kind: 'started', urls: Object.fromEntries([...origins].map(([name, { url }]) => [name, url])) }
  }
  const origin = origins.get(command.name)
  if (origin === undefined) throw new Error(`no origin is called ${command.name}`)
  if (command.kind === 'answer') origin.answer = command.answer
  else if (command.kind === 'inject') origin.inject(command.fault)
  else if (command.kind === 'refuse') await origin.refuse()
  else await origin.accept()
  return { kind: 'done' }
}

process.on('disconnect', () => process.exit(0))
process.on('message', (message) => {
  obey(message as OriginCommand).then(
    (report) => process.send?.(report),
    (error: unknown) => {
      process.stderr.write(`${errorMessage(error)}\n`)
      process.exit(1)
    },
  )
})
