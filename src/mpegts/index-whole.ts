import { TsIndexer } from './indexer.ts'

/** Where a decoder can begin in a piece of a programme, and the tables that it needs first. */
export interface IndexedPiece {
  /** PAT and PMT packets; empty where there are none. */
  readonly tables: Buffer
  /** Offsets of random access points, ascending. */
  readonly joinOffsets: readonly number[]
}

/** Reads whole 188-byte packets that are all there; an unfinished packet at the end is left out. */
export function indexWhole(packets: Buffer): IndexedPiece {
  const indexer = new TsIndexer()
  const joinOffsets: number[] = []
  for (let from = 0; from < packets.length;) {
    const read = indexer.index(packets.subarray(from))
    joinOffsets.push(...indexer.joinPoints.map((offset) => from + offset))
    if (read === 0) break
    from += read
  }
  return { tables: indexer.preamble(), joinOffsets }
}
