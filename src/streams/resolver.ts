import { request } from 'undici'
import * as z from 'zod'
import { errorMessage } from '../lib/errors.ts'

/**
 * Asks the operator's own service where a failing stream should go next (m3u-proxy's `failover_resolver_url`): POST of
 * the current URL, its place and the reason; the answer names `next_url`. Anything else means that the static list of
 * failover URLs is used.
 */
export interface ResolverQuestion {
  readonly currentUrl: string
  readonly metadata: Readonly<Record<string, string>>
  /** As in m3u-proxy: -1 is the primary, 0 the first failover URL. */
  readonly currentFailoverIndex: number
  readonly statusCode: number | undefined
  readonly reason: string
}

export type ResolverAnswer =
  { readonly kind: 'next'; readonly url: string } | { readonly kind: 'none'; readonly reason: string }

const ANSWER_BYTES_MAX = 65_536
const answerSchema = z.object({
  next_url: z
    .url({ protocol: /^https?$/ })
    .max(8_192)
    .nullish(),
})

/** Never throws: a resolver that fails, is late, or answers something else gives `none` with the reason. */
export async function askResolver(
  resolverUrl: string,
  question: ResolverQuestion,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<ResolverAnswer> {
  try {
    const { statusCode, body } = await request(resolverUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({
        current_url: question.currentUrl,
        metadata: question.metadata,
        current_failover_index: question.currentFailoverIndex,
        status_code: question.statusCode ?? null,
        reason: question.reason,
      }),
      signal: AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]),
    })
    const text = await readBounded(body, ANSWER_BYTES_MAX)
    if (statusCode < 200 || statusCode >= 300) return { kind: 'none', reason: `the resolver answered ${statusCode}` }
    const parsed = answerSchema.safeParse(JSON.parse(text))
    if (!parsed.success) return { kind: 'none', reason: 'the resolver answered without a usable next_url' }
    const url = parsed.data.next_url
    return typeof url === 'string' ? { kind: 'next', url } : { kind: 'none', reason: 'the resolver knows no other URL' }
  } catch (error) {
    return { kind: 'none', reason: `the resolver failed: ${errorMessage(error)}` }
  }
}

async function readBounded(body: AsyncIterable<Buffer>, bytesMax: number): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of body) {
    length += part.length
    if (length > bytesMax) throw new Error(`its answer is larger than ${bytesMax} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}
