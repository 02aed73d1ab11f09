import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes a directory and those above it that are missing. Node's own `recursive` never returns where the system answers
 * ENOENT although the parent is there (/proc, automounted folders); this throws it.
 */
export async function makeDirectory(path: string, mode: number): Promise<void> {
  const isThere = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (isThere) return
  // The path gets shorter with each step, and the root is always there.
  if (dirname(path) !== path) await makeDirectory(dirname(path), mode)
  await mkdir(path, { mode }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
}
