import type { Fields } from './fields.ts'
import type { RefusalReason } from './refusal.ts'

/** What the fields say about the message itself and its connection, collected in one pass. */
export interface ControlFields {
  contentLength: number | undefined
  /** Transfer-Encoding: chunked, the only coding that is accepted. */
  chunked: boolean
  /** The options of Connection, in lower case. */
  connection: readonly string[]
  host: string | undefined
  /** The value of Upgrade without protocols that carry requests, when Connection names it too. */
  upgrade: string | undefined
  expect: string | undefined
}

const NO_OPTIONS: readonly string[] = []
/** 15 digits stay below 2^53, so that no length is ever rounded. */
const digits = /^\d{1,15}$/

/**
 * Reads the fields that frame and route a message, or says why the message is refused. Framing is decided here and
 * nowhere else: a length and a coding together, a length given twice (even the same one) and any coding but "chunked" are
 * refused, as RFC 9112 section 6 allows, because another parser on the way could decide differently.
 */
export function readControlFields(fields: Fields, versionMinor: number): ControlFields | RefusalReason {
  const found: ControlFields = {
    contentLength: undefined,
    chunked: false,
    connection: NO_OPTIONS,
    host: undefined,
    upgrade: undefined,
    expect: undefined,
  }
  let codings: string | undefined
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] ?? ''
    const value = fields[index + 1] ?? ''
    // The length of a name rules out nearly every other field without lower-casing it.
    switch (name.length) {
      case 4:
        if (name.toLowerCase() !== 'host') break
        if (found.host !== undefined) return 'repeated_host'
        found.host = value
        break
      case 6:
        if (name.toLowerCase() === 'expect') found.expect = value
        break
      case 7:
        if (name.toLowerCase() === 'upgrade') found.upgrade = joined(found.upgrade, value)
        break
      case 10:
        if (name.toLowerCase() === 'connection') found.connection = withOptions(found.connection, value)
        break
      case 14:
        if (name.toLowerCase() !== 'content-length') break
        if (found.contentLength !== undefined) return 'repeated_content_length'
        if (!digits.test(value)) return 'invalid_content_length'
        found.contentLength = Number(value)
        break
      case 17:
        if (name.toLowerCase() === 'transfer-encoding') codings = joined(codings, value)
        break
      default:
    }
  }
  if (found.upgrade !== undefined) {
    found.upgrade = found.connection.includes('upgrade') ? withoutCarriers(found.upgrade) : undefined
  }
  if (codings === undefined) return found
  if (found.contentLength !== undefined) return 'length_and_coding'
  const reason = codingFault(codings, versionMinor)
  if (reason !== undefined) return reason
  found.chunked = true
  return found
}

/**
 * `h2c`, `HTTP/…` and `TLS/…` would make the connection one for requests again, which nobody would look at any more: their
 * routes, keys and paths would be whatever the client likes. A server may pass an Upgrade over (RFC 9110 §7.8).
 */
function withoutCarriers(upgrade: string): string | undefined {
  const protocols = upgrade.split(',').map((protocol) => protocol.trim())
  const kept = protocols.filter((protocol) => protocol !== '' && !/^(?:h2c?|http|tls)(?:\/|$)/i.test(protocol))
  return kept.length === 0 ? undefined : kept.join(', ')
}

function joined(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before}, ${value}`
}

function withOptions(before: readonly string[], value: string): readonly string[] {
  const options = before.length === 0 ? [] : [...before]
  for (const part of value.split(',')) {
    const option = part.trim().toLowerCase()
    if (option !== '') options.push(option)
  }
  return options
}

/** Exactly "chunked" is accepted. A list that would still end in it is a coding we do not know: 501 (RFC 9112, 6.1). */
function codingFault(codings: string, versionMinor: number): RefusalReason | undefined {
  if (versionMinor === 0) return 'invalid_transfer_encoding'
  if (codings.toLowerCase() === 'chunked') return undefined
  const list = codings.split(',').map((coding) => coding.trim().toLowerCase())
  const isListOfTokens = list.every((coding) => /^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(coding))
  const chunkedAt = list.indexOf('chunked')
  if (!isListOfTokens || (chunkedAt >= 0 && chunkedAt !== list.length - 1)) return 'invalid_transfer_encoding'
  return 'unsupported_transfer_encoding'
}
