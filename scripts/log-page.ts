import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A log line as the code writes it. */
interface LoggedEvent {
  readonly name: string
  readonly level: string
  /** With `…` where a value goes. */
  readonly message: string
  readonly path: string
}

/** `log.info('event_name', 'message', …)`; the message is a string or a template. */
const LOG_CALL = /\blog\.(debug|info|warn|error)\(\s*'([a-z][a-z0-9_]*)',\s*(`(?:[^`\\]|\\.)*`|'(?:[^'\\]|\\.)*')/g

const LEVEL_LABELS: Readonly<Record<string, string>> = { debug: 'DEBUG', info: 'INFO', warn: 'WARNING', error: 'ERROR' }

/** docs/LOGS.md, made of the calls of `log` in the code. */
export function logPage(): string {
  const rows = loggedEvents(sourceTexts()).map(
    ({ name, level, message, path }) => `| \`${name}\` | ${level} | ${cell(message)} | \`${path}\` |`,
  )
  return `<!-- Made from the code by \`npm run docs\`; edits here are lost. -->

# Log lines

One event a line, on standard output: time, level, message, then \`event=name\` and the event's fields. With
\`LOG_FORMAT=json\` each line is a JSON object. The names are stable, so alerts can be built on them; the messages are for
people. Credentials in URLs are replaced by \`***\`.

| event | level | message | where |
|---|---|---|---|
${rows.join('\n')}
`
}

/** The events that these files log, in the order of their names; one row for each place. */
export function loggedEvents(texts: Readonly<Record<string, string>>): readonly LoggedEvent[] {
  const found = Object.entries(texts).flatMap(([path, text]) =>
    [...text.matchAll(LOG_CALL)].map(([, level = '', name = '', message = '']) => ({
      name,
      level: LEVEL_LABELS[level] ?? level,
      message: message.slice(1, -1).replaceAll(/\$\{[^}]*\}/g, '…'),
      path,
    })),
  )
  return found.toSorted((a, b) => a.name.localeCompare(b.name) || a.path.localeCompare(b.path))
}

function sourceTexts(): Readonly<Record<string, string>> {
  const root = join(import.meta.dirname, '..')
  const paths = globSync('src/**/*.ts', { cwd: root, exclude: ['src/**/*.test.ts', 'src/demo/**'] }).toSorted()
  return Object.fromEntries(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]))
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
