import type { AccessControl } from '../../http/access.ts'
import type { Fields } from '../wire/fields.ts'

/** Whoever knows our keys. */
export type KeyJudge = Pick<AccessControl, 'isOwnKey'>

const KEY_FIELD = 'x-api-token'
export const KEY_PARAMETER = 'api_token'

/** The fields without those that hold a key of ours: an endpoint must not learn it. Any other `Authorization` stays. */
export function withoutKeyFields(fields: Fields, access: KeyJudge): Fields {
  const kept: string[] = []
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] ?? ''
    const value = fields[index + 1] ?? ''
    if (!isKeyField(name.toLowerCase(), value, access)) kept.push(name, value)
  }
  return kept.length === fields.length ? fields : kept
}

function isKeyField(name: string, value: string, access: KeyJudge): boolean {
  if (name === KEY_FIELD) return access.isOwnKey(value)
  return name === 'authorization' && isOwnAuthorization(value, access)
}

/** Whether an `Authorization` shows a key of ours; any other is the endpoint's affair. */
export function isOwnAuthorization(value: string, access: KeyJudge): boolean {
  const bearer = /^Bearer +(.+)$/i.exec(value)?.[1]
  return bearer !== undefined && access.isOwnKey(bearer)
}

/** The path without an `api_token` that is a key of ours; all other parameters exactly as they were. */
export function withoutKeyParameter(path: string, access: KeyJudge): string {
  const at = path.indexOf('?')
  if (at < 0) return path
  const pairs = path.slice(at + 1).split('&')
  const kept = pairs.filter((pair) => {
    const [[name, value] = []] = new URLSearchParams(pair)
    return name !== KEY_PARAMETER || value === undefined || !access.isOwnKey(value)
  })
  if (kept.length === pairs.length) return path
  return kept.length === 0 ? path.slice(0, at) : `${path.slice(0, at)}?${kept.join('&')}`
}

/** The query of a path, each name once, as an access decision reads it. */
export function queryOf(path: string): Readonly<Record<string, string>> {
  const at = path.indexOf('?')
  return at < 0 ? {} : Object.fromEntries(new URLSearchParams(path.slice(at + 1)))
}
