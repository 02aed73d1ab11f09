import type { ElementaryStream } from '../elementary-stream.ts'

/** Pairs the streams of two sources by kind, codec, language and order: PID of the first to PID of the second. */
export function pairStreams(
  own: readonly ElementaryStream[],
  twin: readonly ElementaryStream[],
): ReadonlyMap<number, number> {
  const pairs = new Map<number, number>()
  const free = [...twin]
  for (const { pid, streamType, codec, language } of own) {
    const found = free.findIndex(
      (stream) => stream.streamType === streamType && stream.codec === codec && stream.language === language,
    )
    const partner = free[found]
    if (partner === undefined || pairs.has(pid)) continue
    pairs.set(pid, partner.pid)
    free.splice(found, 1)
  }
  return pairs
}
