import { Agent, request } from 'undici'
import type { DrillCommandOptions } from './drill-options.ts'

/** What a gateway answered. */
export interface GatewayAnswer {
  readonly status: number
  /** The body as JSON; undefined when it is none. */
  readonly body: unknown
}

/** A drill answers when it is over: its limits on every step, the longest stay, and some. */
const ANSWER_MS_MAX = 480_000

/** Asks a running gateway. Rejects with an Error when it cannot be reached. */
export async function askGateway(
  { gateway, token }: Pick<DrillCommandOptions, 'gateway' | 'token'>,
  { method, path, body }: { readonly method: 'GET' | 'POST'; readonly path: string; readonly body?: object },
  signal: AbortSignal,
): Promise<GatewayAnswer> {
  const agent = new Agent({ headersTimeout: ANSWER_MS_MAX, bodyTimeout: ANSWER_MS_MAX })
  try {
    const url = new URL(`${gateway.pathname.replace(/\/+$/, '')}${path}`, gateway)
    const answer = await request(url, {
      ...{ method, signal, dispatcher: agent },
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: answer.statusCode, body: parsed(await answer.body.text()) }
  } finally {
    await agent.destroy()
  }
}

/** The words of an error that a gateway answered with. */
export function wordsOf({ status, body }: GatewayAnswer): string {
  const detail = fieldOf(body, 'detail')
  if (typeof detail === 'string') return detail
  if (Array.isArray(detail)) {
    return detail
      .map((problem: unknown) => {
        const loc = fieldOf(problem, 'loc')
        return `${Array.isArray(loc) ? loc.slice(1).join('.') : ''} ${String(fieldOf(problem, 'msg'))}`.trim()
      })
      .join('; ')
  }
  return `the gateway answered ${status}`
}

/** A field of what may be an object. */
export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (Reflect.get(value, name) as unknown) : undefined
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
