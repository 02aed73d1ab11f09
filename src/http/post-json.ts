import { request } from 'undici'
import type { Dispatcher } from 'undici'
import type { Clock } from '../lib/clock.ts'
import { errorMessage } from '../lib/errors.ts'
import { redactUrlsIn } from '../lib/redact.ts'

export interface JsonPost {
  /** http or https; user and password in it are sent as Basic authentication unless `headers` have their own. */
  readonly url: string
  /** Names in small letters. */
  readonly headers: Readonly<Record<string, string>>
  /** JSON text. */
  readonly body: string
  readonly timeoutMs: number
  readonly clock: Clock
  readonly signal: AbortSignal
  /** The connections to use; those that all of the process share by default. */
  readonly dispatcher?: Dispatcher
}

/** How it ended. Redirects are not followed; `error` has no credentials in it. */
export type PostResult =
  { readonly kind: 'answered'; readonly status: number } | { readonly kind: 'failed'; readonly error: string }

/** Of the answer's body, which nobody needs, this much is read so that the connection can be used again. */
const ANSWER_BYTES_MAX = 65_536
const ERROR_CHARACTERS_MAX = 500

/** Posts JSON to a receiver of notifications once. Does not throw: not even an abort, which is a post that failed. */
export async function postJson(post: JsonPost): Promise<PostResult> {
  const { url, body, timeoutMs, clock, dispatcher } = post
  const deadline = new AbortController()
  const timer = clock.schedule(timeoutMs, () => deadline.abort(new Error(`no answer within ${timeoutMs / 1_000} s`)))
  const signal = AbortSignal.any([post.signal, deadline.signal])
  try {
    const answer = await request(targetOf(url), {
      ...{ method: 'POST', headers: headersOf(post), body, signal, headersTimeout: 0, bodyTimeout: 0 },
      ...(dispatcher === undefined ? {} : { dispatcher }),
    })
    // The status is the answer; what becomes of the body changes nothing.
    await answer.body.dump({ limit: ANSWER_BYTES_MAX, signal }).catch(() => undefined)
    return { kind: 'answered', status: answer.statusCode }
  } catch (error) {
    return { kind: 'failed', error: describe(signal.aborted ? signal.reason : error) }
  } finally {
    timer.cancel()
  }
}

/** The URL without its credentials, which go into a header. */
function targetOf(text: string): URL {
  const url = new URL(text)
  url.username = ''
  url.password = ''
  url.hash = ''
  return url
}

function headersOf({ url, headers }: JsonPost): Record<string, string> {
  const { username, password } = new URL(url)
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return {
    ...(credentials === ':' ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }),
    ...headers,
    'content-type': 'application/json',
  }
}

function describe(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  // Several addresses of one name that all failed arrive as an AggregateError without a message.
  const message = errorMessage(error) || (error instanceof AggregateError ? errorMessage(error.errors[0]) : '')
  const text = code === undefined || message.includes(code) ? message : `${code}: ${message}`
  return redactUrlsIn(text || 'unknown error').slice(0, ERROR_CHARACTERS_MAX)
}
