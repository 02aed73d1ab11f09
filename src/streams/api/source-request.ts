import { z } from 'zod'
import { requestHeaders } from '../../http/request-headers.ts'
import type { SourceRequest } from '../service.ts'
import { sourceUrl } from './source-url.ts'
import { userAgentText } from './user-agent.ts'

/** Most sources of one stream. */
export const SOURCES_MAX = 101
const NAME_CHARACTERS_MAX = 128
const RANK_MAX = 1_000_000
const CONNECTIONS_MAX = 1_000

const name = z
  .string()
  .min(1, 'must not be empty')
  .max(NAME_CHARACTERS_MAX, `must have at most ${NAME_CHARACTERS_MAX} characters`)

const rank = (description: string) =>
  z
    .int('must be a whole number')
    .min(-RANK_MAX, `must be at least ${-RANK_MAX}`)
    .max(RANK_MAX, `must be at most ${RANK_MAX}`)
    .nullish()
    .meta({ description })

/** One of `sources` in POST /streams. */
export const sourceBody = z.object({
  url: sourceUrl,
  priority: rank('Higher is preferred; 0 by default, which is what url and failover_urls have'),
  weight: z.number().min(0, 'must be at least 0').max(RANK_MAX, `must be at most ${RANK_MAX}`).nullish().meta({
    description: 'Higher is preferred among equal priorities; 1 by default, 0: only when nothing else is left',
  }),
  region: name.nullish().meta({ description: 'Among equal priorities those of the gateway’s own REGION come first' }),
  headers: requestHeaders('Sent to this source, beside the headers of the stream').nullish(),
  user_agent: userAgentText.nullish(),
  account: name.nullish().meta({ description: 'Whose connections it counts for, across all streams' }),
  max_connections: z
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .max(CONNECTIONS_MAX, `must be at most ${CONNECTIONS_MAX}`)
    .nullish()
    .meta({ description: 'Connections that the account allows at a time; 1 by default' }),
})

export type SourceBody = z.output<typeof sourceBody>

interface Listed {
  readonly url?: string | undefined
  readonly failover_urls?: readonly string[] | null | undefined
  readonly sources?: readonly SourceBody[] | null | undefined
}

/** Every source that a body names, the plain URLs first, in the order in which they are preferred. */
export function toSources(
  { url, failover_urls, sources }: Listed,
  region: string | undefined,
): readonly SourceRequest[] {
  const detailed = (sources ?? []).map(toSource)
  const plain = [...(url === undefined ? [] : [url]), ...(failover_urls ?? [])]
    // What `sources` describes in full need not be listed twice.
    .filter((plainUrl) => !detailed.some((source) => source.url === plainUrl))
    .map((plainUrl) => ({ url: plainUrl, priority: 0, weight: 1, headers: {} }))
  const isNear = (source: SourceRequest) => region !== undefined && source.region === region
  return [...plain, ...detailed].toSorted(
    (a, b) =>
      b.priority - a.priority ||
      Number(a.weight === 0) - Number(b.weight === 0) ||
      Number(isNear(b)) - Number(isNear(a)) ||
      b.weight - a.weight,
  )
}

function toSource(body: SourceBody): SourceRequest {
  const { region, user_agent: userAgent, account } = body
  return {
    url: body.url,
    priority: body.priority ?? 0,
    weight: body.weight ?? 1,
    ...(typeof region === 'string' ? { region } : {}),
    headers: body.headers ?? {},
    ...(typeof userAgent === 'string' && userAgent !== '' ? { userAgent } : {}),
    ...(typeof account === 'string' ? { account: { name: account, connectionsMax: body.max_connections ?? 1 } } : {}),
  }
}

/** Where a list says two different things about one account, or a limit for none: index and message. */
export function accountProblems(
  sources: readonly SourceBody[],
): readonly { readonly index: number; readonly message: string }[] {
  const limits = new Map<string, number>()
  return sources.flatMap(({ account, max_connections: limit }, index) => {
    if (typeof account !== 'string') {
      return typeof limit === 'number' ? [{ index, message: 'max_connections needs an account that it holds for' }] : []
    }
    const known = limits.get(account)
    limits.set(account, known ?? limit ?? 1)
    if (known === undefined || known === (limit ?? 1)) return []
    return [
      {
        index,
        message: `must be the same for all sources of account "${account}": ${known} further up, ${limit ?? 1} here`,
      },
    ]
  })
}
