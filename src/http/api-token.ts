import { join } from 'node:path'
import { keptSecret } from '../lib/secret-file.ts'
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
  const { secret: token, isGenerated } = await keptSecret(path)
  const message = isGenerated
    ? `API token: ${token} (made now, kept in ${path}, shown only this once)`
    : `The API asks for the token in ${path}`
  return { mode: { kind: 'token', token }, host, isGenerated, message }
}
