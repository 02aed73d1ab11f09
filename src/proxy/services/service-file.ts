import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'
import type { Document } from 'yaml'
import type { z } from 'zod'
import { errorMessage, HoldfastError } from '../../lib/errors.ts'
import { listField, objectField } from './field.ts'
import { serviceDefinition } from './service-definition.ts'
import type { ServiceDefinition } from './service-definition.ts'
import { setProblems } from './service-set.ts'

/** Aliases that a file may resolve: a few bytes must not become gigabytes. */
const ALIASES_MAX = 1_000
const SERVICES_MAX = 10_000

const fileSchema = objectField({ services: listField(serviceDefinition, SERVICES_MAX, 'services').default([]) })

/** A file as data, and where in it a value stands. */
interface FileContent {
  readonly value: unknown
  /** Line from 1, or undefined when the format does not tell. */
  lineOf(path: readonly PropertyKey[]): number | undefined
}

/**
 * Reads the services of a file (`.yaml`, `.yml` or `.json`). Throws a HoldfastError (`invalid_configuration`) that lists
 * every problem with its line, its path, its value and what is allowed. `defaultHost` is where listeners without a host
 * listen.
 */
export async function readServiceFile(path: string, defaultHost: string): Promise<readonly ServiceDefinition[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new HoldfastError('invalid_configuration', `${path} cannot be read: ${errorMessage(error)}`)
  }
  return parseServiceFile(text, path, defaultHost)
}

/** See `readServiceFile`; an empty file has no services. */
export function parseServiceFile(text: string, path: string, defaultHost: string): readonly ServiceDefinition[] {
  const content = contentOf(text, path)
  const parsed = fileSchema.safeParse(content.value ?? {})
  if (!parsed.success)
    fail(
      path,
      parsed.error.issues.map((issue) => issueText(issue, content)),
    )
  const { services } = parsed.data
  const problems = setProblems(services, defaultHost)
  if (problems.length > 0) {
    fail(
      path,
      problems.map(({ serviceId, message }) => {
        const at = services.findLastIndex(({ id }) => id === serviceId)
        return located(['services', at], message, content)
      }),
    )
  }
  return services
}

function contentOf(text: string, path: string): FileContent {
  if (extname(path).toLowerCase() === '.json') return jsonContent(text, path)
  const lines = new LineCounter()
  // 'silent' would also hide that there is a second document, which nobody would read.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' })
  if (document.errors.length > 0) {
    fail(
      path,
      document.errors.map(({ message, pos }) => `line ${lines.linePos(pos[0]).line}: ${message}`),
    )
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount: ALIASES_MAX })
    return { value, lineOf: (at) => lineOf(document, lines, at) }
  } catch (error) {
    return fail(path, [errorMessage(error)])
  }
}

function jsonContent(text: string, path: string): FileContent {
  try {
    return { value: text.trim() === '' ? {} : (JSON.parse(text) as unknown), lineOf: () => undefined }
  } catch (error) {
    return fail(path, [errorMessage(error)])
  }
}

/** The line of a value, or of the nearest one around it that is there. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const node: unknown = document.getIn(path.slice(0, length), true)
    const range = typeof node === 'object' && node !== null ? (Reflect.get(node, 'range') as unknown) : undefined
    if (Array.isArray(range) && typeof range[0] === 'number') return lines.linePos(range[0]).line
  }
  return undefined
}

function issueText({ path, message }: z.core.$ZodIssue, content: FileContent): string {
  return located(path, message, content)
}

/** `line 12, services[0].endpoints[1].weight: must be ...`. */
function located(path: readonly PropertyKey[], message: string, content: FileContent): string {
  const line = content.lineOf(path)
  const place = [...(line === undefined ? [] : [`line ${line}`]), ...(path.length === 0 ? [] : [pathText(path)])]
  return place.length === 0 ? message : `${place.join(', ')}: ${message}`
}

/** `services[0].endpoints[1].weight`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${String(step)}`))
    .join('')
}

function fail(path: string, problems: readonly string[]): never {
  throw new HoldfastError('invalid_configuration', problems.map((problem) => `${path}: ${problem}`).join('\n'))
}
