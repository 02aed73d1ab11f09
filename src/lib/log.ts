import { pino } from 'pino'

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>

/**
 * Structured logging: one event a line. `event` is a stable snake_case name (docs/LOGS.md lists them), `message` is for
 * people, `fields` for machines. Nothing that may hold credentials goes in unredacted (see redact.ts).
 */
export interface Log {
  debug(event: string, message: string, fields?: LogFields): void
  info(event: string, message: string, fields?: LogFields): void
  warn(event: string, message: string, fields?: LogFields): void
  error(event: string, message: string, fields?: LogFields): void
}

interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'warning' | 'error' | 'silent'
  readonly format: 'text' | 'json'
  /** Where lines go; standard output by default. */
  readonly write?: (line: string) => void
}

export function createLog({ level, format, write = (line) => process.stdout.write(line) }: LogOptions): Log {
  const destination = { write: format === 'json' ? write : (line: string) => write(toText(line)) }
  const logger = pino(
    {
      level: level === 'warning' ? 'warn' : level,
      base: null,
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )
  return {
    debug: (event, message, fields) => logger.debug({ event, ...fields }, message),
    info: (event, message, fields) => logger.info({ event, ...fields }, message),
    warn: (event, message, fields) => logger.warn({ event, ...fields }, message),
    error: (event, message, fields) => logger.error({ event, ...fields }, message),
  }
}

/** A log that goes nowhere, for tests. */
export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

const LABELS: Readonly<Record<string, string>> = { debug: 'DEBUG', info: 'INFO', warn: 'WARNING', error: 'ERROR' }

/** `2026-01-01T00:00:00.000Z INFO: message event=name key=value`: the level spelt as m3u-proxy's own logs spell it. */
function toText(line: string): string {
  const { level, time, message, event, ...fields } = JSON.parse(line) as Record<string, unknown>
  const pairs = Object.entries({ event, ...fields })
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${quoted(String(value))}`)
  return `${String(time)} ${LABELS[String(level)] ?? String(level)}: ${String(message)} ${pairs.join(' ')}\n`
}

function quoted(value: string): string {
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)
}
