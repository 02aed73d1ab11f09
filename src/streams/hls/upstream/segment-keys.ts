import { forgetOldest } from '../../../lib/forget-oldest.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { SourceAccess } from './hls-session.ts'

export type KeyAnswer =
  { readonly kind: 'key'; readonly key: Buffer } | { readonly kind: 'failed'; readonly failure: SourceFailure }

/** An AES-128 key (RFC 8216 §5). */
const KEY_BYTES = 16
/** What is read of something that is no key. */
const BODY_BYTES_MAX = 65_536
/** Keys kept; the oldest goes. */
const KEYS_MAX = 32

/** The keys of one source, each fetched once. */
export class SegmentKeys {
  readonly #session: SourceAccess
  readonly #signal: AbortSignal
  readonly #keys = new Map<string, Promise<KeyAnswer>>()

  constructor(session: SourceAccess, signal: AbortSignal) {
    this.#session = session
    this.#signal = signal
  }

  /** Never rejects; a failure is not kept. */
  get(url: string): Promise<KeyAnswer> {
    const known = this.#keys.get(url)
    if (known !== undefined) return known
    const answer = this.#fetch(url)
    this.#keys.set(url, answer)
    forgetOldest(this.#keys, KEYS_MAX)
    return answer
  }

  async #fetch(url: string): Promise<KeyAnswer> {
    const answer = await this.#session.fetch(url, { bytesMax: BODY_BYTES_MAX, signal: this.#signal })
    if (answer.kind === 'answered' && answer.resource.body.length === KEY_BYTES) {
      return { kind: 'key', key: answer.resource.body }
    }
    this.#keys.delete(url)
    if (answer.kind === 'failed') {
      const { failure } = answer
      return { kind: 'failed', failure: { ...failure, message: `the key of its segments: ${failure.message}` } }
    }
    const bytes = answer.resource.body.length
    const message = `sent ${bytes} bytes instead of a key of ${KEY_BYTES}`
    return { kind: 'failed', failure: { kind: 'segment_invalid', message, evidence: { bytes } } }
  }
}
