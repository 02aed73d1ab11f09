import { createReadStream } from 'node:fs'
import { Agent, interceptors, request } from 'undici'
import type { Clock } from '../lib/clock.ts'
import { errorMessage } from '../lib/errors.ts'
import { redactUrl } from '../lib/redact.ts'
import type { CheckInput, CheckOptions } from './check-options.ts'

/** How the reading of an input ended. */
export type InputEnd =
  | { readonly kind: 'complete' | 'time is up' | 'interrupted' }
  /** `hasBegun`: bytes had come before. */
  | { readonly kind: 'failed'; readonly reason: string; readonly hasBegun: boolean }

const FILE_CHUNK_BYTES = 1_048_576
const REDIRECTS_MAX = 10

export interface ReadInputOptions {
  readonly options: CheckOptions
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly stdin: AsyncIterable<Buffer | string>
  readonly onBytes: (bytes: Buffer) => void
}

/** Reads the input to its end, or for as long as it may take. Never rejects. */
export async function readInput({ options, signal, clock, stdin, onBytes }: ReadInputOptions): Promise<InputEnd> {
  const stop = new AbortController()
  const { input, readMsMax } = options
  const timer = input.kind === 'file' ? undefined : clock.schedule(readMsMax, () => stop.abort())
  const either = AbortSignal.any([signal, stop.signal])
  let hasBegun = false
  const ended = (): InputEnd | undefined => {
    if (signal.aborted) return { kind: 'interrupted' }
    return stop.signal.aborted ? { kind: 'time is up' } : undefined
  }
  try {
    for await (const chunk of openInput(input, either, stdin)) {
      hasBegun = true
      onBytes(
        typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length),
      )
      const end = ended()
      if (end !== undefined) return end
    }
    return ended() ?? { kind: 'complete' }
  } catch (error) {
    return ended() ?? { kind: 'failed', reason: reasonOf(error), hasBegun }
  } finally {
    timer?.cancel()
  }
}

function openInput(
  input: CheckInput,
  signal: AbortSignal,
  stdin: AsyncIterable<Buffer | string>,
): AsyncIterable<Uint8Array | string> {
  switch (input.kind) {
    case 'file':
      return createReadStream(input.path, { highWaterMark: FILE_CHUNK_BYTES, signal })
    case 'stdin':
      return untilAborted(stdin, signal)
    case 'url':
      return readUrl(input.url, signal)
    default:
      return input satisfies never
  }
}

/** Credentials of the URL become Basic authorization (RFC 7617), which the client does not do by itself. */
async function* readUrl(url: URL, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const bare = new URL(url)
  bare.username = ''
  bare.password = ''
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  const authorization = { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
  const headers = { 'accept-encoding': 'identity', ...(credentials === ':' ? {} : authorization) }
  const agent = new Agent()
  try {
    const dispatcher = agent.compose(interceptors.redirect({ maxRedirections: REDIRECTS_MAX }))
    const { statusCode, body } = await request(bare, { headers, signal, dispatcher })
    if (statusCode < 200 || statusCode > 299) throw new Error(`${redactUrl(url.href)} answers ${statusCode}`)
    yield* body as AsyncIterable<Buffer>
  } finally {
    await agent.destroy()
  }
}

/** Gives up a stream that nothing comes from. */
async function* untilAborted(
  source: AsyncIterable<Buffer | string>,
  signal: AbortSignal,
): AsyncGenerator<Buffer | string> {
  const iterator = source[Symbol.asyncIterator]()
  const aborted = new Promise<'aborted'>((resolve) => {
    signal.addEventListener('abort', () => resolve('aborted'), { once: true })
  })
  while (!signal.aborted) {
    const next = await Promise.race([iterator.next(), aborted])
    if (next === 'aborted' || next.done === true) return
    yield next.value
  }
}

/** Several refused addresses are told as one error without a message. */
function reasonOf(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined
  return first === undefined ? errorMessage(error) : errorMessage(first)
}
