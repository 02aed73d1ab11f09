import { z } from 'zod'
import { errorMessage } from '../../lib/errors.ts'
import type { StreamRequest } from '../service.ts'
import { COOKIE_TEXT_CHARACTERS_MAX, parseNetscapeCookies } from '../sources/netscape-cookies.ts'
import { parseResolverArguments, RESOLVERS } from '../sources/resolver-arguments.ts'

const ARGUMENT_CHARACTERS_MAX = 2_000

/** Fields of POST /streams and POST /transcode for sources that are pages. */
export const resolverFields = {
  resolver: z
    .enum(RESOLVERS, `must be one of ${RESOLVERS.join(', ')}`)
    .nullish()
    .meta({ description: 'The URLs are pages; this program finds out where their media is, see docs/SOURCES.md' }),
  resolver_args: z
    .string()
    .max(ARGUMENT_CHARACTERS_MAX, `must have at most ${ARGUMENT_CHARACTERS_MAX} characters`)
    .nullish()
    .meta({ description: 'Quality or format, and options of a list, for the resolver' }),
  cookies: z
    .string()
    .max(COOKIE_TEXT_CHARACTERS_MAX, `must have at most ${COOKIE_TEXT_CHARACTERS_MAX} characters`)
    .nullish()
    .meta({ description: 'Text of a Netscape cookie file, for the resolver' }),
}

interface Given {
  readonly resolver?: (typeof RESOLVERS)[number] | null | undefined
  readonly resolver_args?: string | null | undefined
  readonly cookies?: string | null | undefined
}

/** What is wrong with the fields, each with its name. */
export function resolverProblems({ resolver, resolver_args: args, cookies }: Given) {
  const problems: { readonly path: string; readonly message: string }[] = []
  const check = (path: string, parse: () => unknown): void => {
    try {
      parse()
    } catch (error) {
      problems.push({ path, message: errorMessage(error) })
    }
  }
  if (resolver !== undefined && resolver !== null) {
    check('resolver_args', () => parseResolverArguments(resolver, args ?? ''))
  }
  check('cookies', () => parseNetscapeCookies(cookies ?? ''))
  return problems
}

export function toResolver({ resolver, resolver_args: args, cookies }: Given): Pick<StreamRequest, 'resolver'> {
  if (resolver === undefined || resolver === null) return {}
  const jar = typeof cookies === 'string' && cookies !== '' ? { cookies } : {}
  return { resolver: { name: resolver, arguments: args ?? '', ...jar } }
}
