import type { Codec, ElementaryStream, StreamKind } from '../elementary-stream.ts'

/** A stream of the output programme. It keeps its PID when a source without it comes and goes. */
export interface OutputStream {
  readonly pid: number
  streamType: number
  kind: StreamKind
  codec: Codec
  language: string | undefined
  descriptors: Buffer
  /** Whether the PMT names it now. */
  isListed: boolean
}

export interface StreamMatch {
  readonly pairs: readonly (readonly [ElementaryStream, OutputStream])[]
  /** Streams that no output stream takes. */
  readonly newcomers: readonly ElementaryStream[]
}

type Likeness = (source: ElementaryStream, output: OutputStream) => boolean

const hasSameCodec: Likeness = (source, output) =>
  source.kind === output.kind && source.codec === output.codec && source.streamType === output.streamType

/** From the best likeness to the least; within each, in the order of the source's PMT. */
const LIKENESSES: readonly Likeness[] = [
  (source, output) =>
    hasSameCodec(source, output) && source.language === output.language && isSameContent(source, output),
  (source, output) => hasSameCodec(source, output) && source.language === output.language && isMedia(source),
  (source, output) => hasSameCodec(source, output) && isMedia(source),
]

/** Finds for each stream of a source the output stream that goes on with it: by type, language and order. */
export function matchStreams(sources: readonly ElementaryStream[], outputs: readonly OutputStream[]): StreamMatch {
  const taken = new Map<ElementaryStream, OutputStream>()
  const free = new Set(outputs)
  for (const isLike of LIKENESSES) {
    for (const source of sources) {
      if (taken.has(source)) continue
      const found = [...free].find((output) => isLike(source, output))
      if (found === undefined) continue
      taken.set(source, found)
      free.delete(found)
    }
  }
  replaceCodec('video', sources, taken, free)
  replaceCodec('audio', sources, taken, free)
  const pairs = sources.flatMap((source) => {
    const output = taken.get(source)
    return output === undefined ? [] : [[source, output] as const]
  })
  return { pairs, newcomers: sources.filter((source) => !taken.has(source)) }
}

/**
 * Where nothing of a kind goes on, its first stream takes the PID of the old first one: another codec under the same PID
 * is what decoders that can follow at all expect.
 */
function replaceCodec(
  kind: 'video' | 'audio',
  sources: readonly ElementaryStream[],
  taken: Map<ElementaryStream, OutputStream>,
  free: Set<OutputStream>,
): void {
  if ([...taken.keys()].some((source) => source.kind === kind)) return
  const source = sources.find((stream) => stream.kind === kind)
  const output = [...free].find((stream) => stream.kind === kind)
  if (source === undefined || output === undefined) return
  taken.set(source, output)
  free.delete(output)
}

function isMedia({ kind }: ElementaryStream): boolean {
  return kind === 'video' || kind === 'audio'
}

/** Subtitle and data streams of one language differ by their pages and ids, which only the descriptors tell. */
function isSameContent(source: ElementaryStream, output: OutputStream): boolean {
  return isMedia(source) || source.descriptors.equals(output.descriptors)
}
