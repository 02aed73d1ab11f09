import { createDecipheriv } from 'node:crypto'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { SourceAccess } from '../upstream/hls-session.ts'
import type { SegmentCache } from '../upstream/segment-cache.ts'
import { SegmentKeys } from '../upstream/segment-keys.ts'
import type { ResponseHead, SegmentRequest } from '../upstream/segment.ts'
import type { SegmentKeySource } from './recipe.ts'

/** A segment that its source does not give. */
export class FailedSegment extends Error {
  readonly failure: SourceFailure

  constructor(failure: SourceFailure) {
    super(failure.message)
    this.failure = failure
  }
}

export interface WholeSegment {
  readonly head: ResponseHead
  readonly bytes: Buffer
}

/** A segment whole, decrypted where there is a key. Rejects with a FailedSegment; not any more once the signal is aborted. */
export type ReadWhole = (
  request: SegmentRequest & { readonly session: SourceAccess },
  key: SegmentKeySource | undefined,
  signal: AbortSignal,
) => Promise<WholeSegment>

/** The keys of each source. */
export type KeysOf = (session: SourceAccess) => Pick<SegmentKeys, 'get'>

/** `signal` ends the requests for keys. */
export function keysOfSessions(signal: AbortSignal): KeysOf {
  const keysOf = new WeakMap<SourceAccess, SegmentKeys>()
  return (session) => {
    const keys = keysOf.get(session) ?? new SegmentKeys(session, signal)
    keysOf.set(session, keys)
    return keys
  }
}

/** Reads whole segments through a cache; `keysSignal` ends the requests for keys. */
export function wholeReader(
  cache: SegmentCache,
  keysSignal: AbortSignal,
  keysOf: KeysOf = keysOfSessions(keysSignal),
): ReadWhole {
  return async (request, key, signal) => {
    // Both are on their way at once.
    const [secret, whole] = await Promise.all([
      key === undefined ? undefined : keysOf(request.session).get(key.url),
      read(cache, request, signal),
    ])
    if (key === undefined || secret === undefined) return whole
    if (secret.kind === 'failed') throw new FailedSegment(secret.failure)
    return { ...whole, bytes: decrypted(whole.bytes, secret.key, key) }
  }
}

async function read(cache: SegmentCache, request: SegmentRequest, signal: AbortSignal): Promise<WholeSegment> {
  const reader = cache.open(request)
  const leave = (): void => reader.close()
  signal.addEventListener('abort', leave, { once: true })
  try {
    const answer = await reader.head()
    if (answer.kind === 'failed') throw new FailedSegment(answer.failure)
    const pieces: Buffer[] = []
    for (;;) {
      const piece = await reader.next()
      if (piece.kind === 'failed') throw new FailedSegment(piece.failure)
      if (piece.kind === 'end') return { head: answer.head, bytes: Buffer.concat(pieces) }
      pieces.push(piece.bytes)
    }
  } finally {
    signal.removeEventListener('abort', leave)
    reader.close()
  }
}

/** RFC 8216 §4.3.2.4: AES-128 in CBC with PKCS7 padding. */
function decrypted(bytes: Buffer, secret: Buffer, { iv }: SegmentKeySource): Buffer {
  const decipher = createDecipheriv('aes-128-cbc', secret, Buffer.from(iv, 'hex'))
  try {
    return Buffer.concat([decipher.update(bytes), decipher.final()])
  } catch {
    throw new FailedSegment({ kind: 'segment_invalid', message: 'sent a segment that its key does not decrypt' })
  }
}
