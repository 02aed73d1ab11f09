import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errorMessage, HoldfastError } from '../lib/errors.ts'
import type { AccessMode } from './access.ts'
import { isLoopbackHost } from './loopback.ts'

export interface ApiTokenOptions {
  /** API_TOKEN */
  readonly configuredToken: string | undefined
  /** HOST; undefined when it was not given. */
  readonly host: string | undefined
  /** API_AUTH=off */
  readonly isAuthOff: boolean
  /** The data directory, made when it is not there. */
  readonly directory: string
}

export interface ResolvedApiToken {
  readonly mode: AccessMode
  /** Where to listen. */
  readonly host: string
  /** A token was made just now, and `message` is the only time that it is shown. */
  readonly isGenerated: boolean
  /** What to tell the operator at the start. */
  readonly message: string
}

const LOOPBACK = '127.0.0.1'
const EVERYWHERE = '0.0.0.0'
const TOKEN_FILE = 'api-token'
const TOKEN_BYTES = 24
const TOKEN_CHARACTERS_MIN = 16
const OTHERS_MAY = 0o077

/**
 * Secure by default: without a token only this machine is served; told to serve others without one, the gateway makes a
 * token and keeps it (mode 600). Throws invalid_configuration when the token's file cannot be used.
 */
export async function resolveApiToken(options: ApiTokenOptions): Promise<ResolvedApiToken> {
  const { configuredToken, isAuthOff, directory } = options
  const hasToken = configuredToken !== undefined && configuredToken !== ''
  const host = options.host ?? (hasToken && !isAuthOff ? EVERYWHERE : LOOPBACK)
  if (isAuthOff) {
    const message = isLoopbackHost(host)
      ? 'API_AUTH=off: no token is asked for'
      : `API_AUTH=off: everyone who reaches ${host} can operate this gateway`
    return { mode: { kind: 'off' }, host, isGenerated: false, message }
  }
  if (hasToken) {
    const message = 'The API asks for the token in API_TOKEN'
    return { mode: { kind: 'token', token: configuredToken }, host, isGenerated: false, message }
  }
  if (isLoopbackHost(host)) {
    const message = `Only this machine is served (${host}). Set API_TOKEN, or HOST=0.0.0.0, to serve others`
    return { mode: { kind: 'loopback' }, host, isGenerated: false, message }
  }
  const path = join(directory, TOKEN_FILE)
  const kept = await keptToken(path, directory)
  const message = kept.isGenerated
    ? `API token: ${kept.token} (made now, kept in ${path}, shown only this once)`
    : `The API asks for the token in ${path}`
  return { mode: { kind: 'token', token: kept.token }, host, isGenerated: kept.isGenerated, message }
}

async function keptToken(path: string, directory: string): Promise<{ token: string; isGenerated: boolean }> {
  try {
    const existing = await readToken(path)
    if (existing !== undefined) return { token: existing, isGenerated: false }
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const token = randomBytes(TOKEN_BYTES).toString('base64url')
    // `wx` fails when another process was quicker, so two that start together cannot end up with two tokens.
    await using file = await open(path, 'wx', 0o600)
    await file.writeFile(`${token}\n`)
    await file.sync()
    return { token, isGenerated: true }
  } catch (error) {
    if (error instanceof HoldfastError) throw error
    const text = `${path}: the API token can be neither read nor made (${errorMessage(error)}); set API_TOKEN instead`
    throw new HoldfastError('invalid_configuration', text, { cause: error })
  }
}

async function readToken(path: string): Promise<string | undefined> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (found === undefined) return undefined
  if ((found.mode & OTHERS_MAY) !== 0) await chmod(path, 0o600)
  const token = (await readFile(path, 'utf8')).trim()
  if (token.length >= TOKEN_CHARACTERS_MIN && /^[\x21-\x7e]+$/.test(token)) return token
  const text = `${path} must hold one token of at least ${TOKEN_CHARACTERS_MIN} characters; delete it to have one made`
  throw new HoldfastError('invalid_configuration', text)
}
