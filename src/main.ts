import { runCheck } from './check/check.ts'
import { readConfig, settingsIgnored } from './config/config.ts'
import { runDemo } from './demo/demo.ts'
import { runDrillCommand } from './drill/drill.ts'
import { startGateway } from './gateway.ts'
import { errorMessage, HoldfastError } from './lib/errors.ts'
import { createLog } from './lib/log.ts'

/** The command line. The only place that reads its arguments and the environment, and that ends the process. */

interface Command {
  readonly summary: string
  /** Resolves with the exit code. */
  run(signal: AbortSignal, args: readonly string[]): Promise<number>
}

const commands: Readonly<Record<string, Command>> = {
  serve: { summary: 'run the gateway (the default); see docs/CONFIGURATION.md for its environment', run: serve },
  demo: { summary: 'run the gateway with sources that break, and show what a viewer sees', run: demo },
  check: {
    summary: 'say whether a transport stream (a file, a URL, or - for standard input) is legal and decodable',
    run: async (signal, args) => runCheck({ signal, args }),
  },
  drill: {
    summary: 'rehearse a failover on a live stream of a running gateway, and say what viewers saw of it',
    run: async (signal, args) => runDrillCommand({ signal, args, environment: process.env }),
  },
}

const EXIT_FAILED = 1
const EXIT_MISUSED = 2
/** Connections get this long to end on shutdown before the process leaves anyway. */
const SHUTDOWN_MS_MAX = 10_000

async function serve(signal: AbortSignal, args: readonly string[]): Promise<number> {
  if (args.length > 0) {
    const text = `serve takes no arguments, got ${args.join(' ')}; it is configured by its environment`
    throw new HoldfastError('invalid_configuration', text)
  }
  const config = readConfig(process.env)
  const log = createLog({ level: config.logLevel, format: config.logFormat })
  for (const { name, reason } of settingsIgnored(process.env)) {
    log.warn('setting_without_effect', `${name} is set and has no effect: ${reason}`, { name })
  }
  let isReloadWanted = false
  let onHangUp = (): void => {
    isReloadWanted = true
  }
  // Without a file of services SIGHUP ends the process, as it does by default. With one it never does, not even before
  // there is anything to read it again.
  if (config.configFile !== undefined) process.on('SIGHUP', () => onHangUp())
  await using gateway = await startGateway({ config, log })
  onHangUp = () => void gateway.reload()
  if (isReloadWanted) onHangUp()
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  log.info('gateway_stopping', 'Stopping', { url: gateway.url })
  return 0
}

async function demo(signal: AbortSignal, args: readonly string[]): Promise<number> {
  await runDemo({ signal, args })
  return 0
}

function usage(): string {
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(8)}${summary}`)
  return ['usage: holdfast [command]', '', ...lines, ''].join('\n')
}

async function main(args: readonly string[]): Promise<number> {
  const [name = 'serve', ...rest] = args
  const command = commands[name]
  if (command === undefined) {
    const isHelp = name === '--help' || name === '-h'
    if (isHelp) process.stdout.write(usage())
    else process.stderr.write(`unknown command ${name}\n\n${usage()}`)
    return isHelp ? 0 : EXIT_MISUSED
  }
  const stop = new AbortController()
  // Whoever reads the output may leave, or its disk be full. A gateway goes on without its log; of anything else nobody
  // would hear any more.
  for (const output of [process.stdout, process.stderr]) {
    output.on('error', () => {
      if (command.run !== serve) stop.abort()
    })
  }
  const onSignal = () => {
    stop.abort()
    setTimeout(() => process.exit(EXIT_FAILED), SHUTDOWN_MS_MAX).unref()
  }
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  try {
    return await command.run(stop.signal, rest)
  } catch (error) {
    process.stderr.write(`holdfast ${name}: ${errorMessage(error)}\n`)
    const isMisuse = error instanceof HoldfastError && error.source === 'config'
    return isMisuse ? EXIT_MISUSED : EXIT_FAILED
  }
}

process.exitCode = await main(process.argv.slice(2))
