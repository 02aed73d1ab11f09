import { realpath, stat } from 'node:fs/promises'
import { sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SourceFailure } from './http-failure.ts'

export interface FileSource {
  /** Absolute, without links. */
  readonly path: string
  /** `?loop=1` */
  readonly isLooped: boolean
}

/**
 * Where a `file:` URL leads, if that lies below one of the directories that the operator opened. Links are followed before
 * it is decided, so that none leads out. A failure never tells whether a file outside of them exists.
 */
export async function resolveFileSource(
  url: string,
  directories: readonly string[],
): Promise<FileSource | SourceFailure> {
  const parsed = new URL(url)
  const isLooped = /^(?:1|true|yes|on)?$/i.test(parsed.searchParams.get('loop') ?? 'no')
  const forbidden: SourceFailure = {
    kind: 'address_forbidden',
    message: 'the file is not below a directory of SOURCE_FILE_DIRECTORIES',
  }
  const allowed = await Promise.all(directories.map(async (directory) => realpath(directory).catch(() => undefined)))
  const path = await realPathOf(parsed)
  const directory = allowed.find((each) => each !== undefined && path?.startsWith(each.replace(/\/$/, '') + sep))
  if (path === undefined || directory === undefined) return forbidden
  const found = await stat(path).catch(() => undefined)
  // Devices and pipes have no end, or wait for ever.
  if (found?.isFile() !== true) return { kind: 'refused', message: 'it is not a regular file' }
  return { path, isLooped }
}

async function realPathOf(url: URL): Promise<string | undefined> {
  try {
    url.search = ''
    url.hash = ''
    return await realpath(fileURLToPath(url))
  } catch {
    // Not there, or not a path.
    return undefined
  }
}
