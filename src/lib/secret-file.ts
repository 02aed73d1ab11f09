import { randomBytes } from 'node:crypto'
import { chmod, open, readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeDirectory } from './directory.ts'
import { errorMessage, HoldfastError } from './errors.ts'

export interface KeptSecret {
  readonly secret: string
  /** It was made just now. */
  readonly isGenerated: boolean
}

const SECRET_BYTES = 24
const SECRET_CHARACTERS_MIN = 16
const OTHERS_MAY = 0o077

/**
 * A secret that outlives restarts, in a file of its own (mode 600): printable text of at least 16 characters, made of 24
 * random bytes when the file is not there. Throws invalid_configuration when it can be neither read nor made.
 */
export async function keptSecret(path: string): Promise<KeptSecret> {
  try {
    const existing = await readSecret(path)
    if (existing !== undefined) return { secret: existing, isGenerated: false }
    await makeDirectory(dirname(path), 0o700)
    const secret = randomBytes(SECRET_BYTES).toString('base64url')
    // `wx` fails when another process was quicker, so two that start together cannot end up with two secrets.
    await using file = await open(path, 'wx', 0o600)
    await file.writeFile(`${secret}\n`)
    await file.sync()
    return { secret, isGenerated: true }
  } catch (error) {
    if (error instanceof HoldfastError) throw error
    const text = `${path}: this secret can be neither read nor made (${errorMessage(error)})`
    throw new HoldfastError('invalid_configuration', text, { cause: error })
  }
}

async function readSecret(path: string): Promise<string | undefined> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (found === undefined) return undefined
  if ((found.mode & OTHERS_MAY) !== 0) await chmod(path, 0o600)
  const secret = (await readFile(path, 'utf8')).trim()
  if (secret.length >= SECRET_CHARACTERS_MIN && /^[\x21-\x7e]+$/.test(secret)) return secret
  const text = `${path} must hold one secret of at least ${SECRET_CHARACTERS_MIN} characters; delete it to have one made`
  throw new HoldfastError('invalid_configuration', text)
}
