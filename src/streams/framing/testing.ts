import { createFramer } from './framing.ts'
import type { Container, Framer } from './framing.ts'

/** What came out of a framer: everything it handed on, and where a viewer could have begun with what. */
export interface Framed {
  readonly framer: Framer
  readonly output: Buffer
  readonly joins: readonly { readonly at: number; readonly preamble: Buffer }[]
  /** The most bytes that were taken in and not handed on or skipped yet. */
  readonly heldBytesMax: number
}

/** Frames chunks as a stream does: copies what it is handed, and nothing else may be relied on after the call. */
export function frameAll(container: Container, chunks: readonly Buffer[]): Framed {
  const framer = createFramer(container)
  const parts: Buffer[] = []
  const joins: { at: number; preamble: Buffer }[] = []
  let outputBytes = 0
  let inputBytes = 0
  let heldBytesMax = 0
  for (const original of chunks) {
    // Memory of its own, which is overwritten once the framer has had it.
    const chunk = Buffer.from(original)
    inputBytes += chunk.length
    framer.push(chunk, {
      packets(data, joinOffsets) {
        for (const offset of joinOffsets) joins.push({ at: outputBytes + offset, preamble: framer.preamble() })
        parts.push(Buffer.from(data))
        outputBytes += data.length
      },
    })
    chunk.fill(0xee)
    heldBytesMax = Math.max(heldBytesMax, inputBytes - outputBytes - framer.counters.skippedBytes)
  }
  return { framer, output: Buffer.concat(parts), joins, heldBytesMax }
}
