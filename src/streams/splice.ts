import type { KnownTimeline } from '../mpegts/splice/known-join.ts'
import { Splicer } from '../mpegts/splice/splicer.ts'
import type { SpliceFacts } from '../mpegts/splice/splice-facts.ts'
import type { Framer } from './framing/framing.ts'

/**
 * The seam between one source and the next: turns what several sources deliver, one after another, into the one output
 * that viewers read.
 */
export interface Splice {
  /** How much of what a source sent before its join point the first push should begin with, in ms: its audio is used. */
  readonly leadInMs: number
  /** What it did so far; undefined where nothing is looked into. */
  readonly facts: SpliceFacts | undefined
  /** Whether it can go on with a source that is known to carry the same encode. */
  readonly joinsTwins: boolean
  /**
   * A source goes on air; what it pushes next begins at its join point, if it has any, behind the lead-in. With `twin` it
   * goes on with the unit after the last one that was sent, which has to be in what is pushed next.
   */
  begin(source: Framer, output: SpliceOutput, twin?: KnownTimeline): void
  /** Whole units of the source on air; `joinOffsets` are offsets in `data` at which a decoder can begin. */
  push(data: Buffer, joinOffsets: readonly number[], output: SpliceOutput): void
  /** The source on air has ended: what is complete goes out, the rest is dropped. */
  cut(output: SpliceOutput): void
}

/** Takes what viewers read; `preamble` is what one who begins at the latest of `joinOffsets` is given first. */
export type SpliceOutput = (data: Buffer, joinOffsets: readonly number[], preamble: () => Buffer) => void

/** Sound that belongs to a picture comes before it, by what the multiplexer interleaves: up to a second. */
const LEAD_IN_MS = 1_200
const NOTHING = Buffer.alloc(0)
const noPreamble = () => NOTHING

/** Keeps units whole and begins each source with its own tables or header; does not touch a byte. For any container. */
export function createUnitAlignedSplice(): Splice {
  let preamble: () => Buffer = noPreamble
  return {
    leadInMs: 0,
    joinsTwins: false,
    facts: undefined,
    begin: (source, output) => {
      preamble = () => source.preamble()
      const tables = preamble()
      if (tables.length > 0) output(tables, [], noPreamble)
    },
    push: (data, joinOffsets, output) => output(data, joinOffsets, preamble),
    cut: () => {},
  }
}

/** One legal MPEG-TS programme on one timeline, whatever the sources are; see src/mpegts/splice. */
export function createSeamlessSplice(): Splice {
  const splicer = new Splicer()
  // The splicer writes its tables in front of every join point, so that nothing has to be sent before it.
  const sinkOf = (output: SpliceOutput) => ({
    packets: (data: Buffer, joinOffsets: readonly number[]) => output(data, joinOffsets, noPreamble),
  })
  return {
    leadInMs: LEAD_IN_MS,
    joinsTwins: true,
    get facts() {
      return splicer.facts
    },
    begin: (source, output, twin) => splicer.begin(source.preamble(), sinkOf(output), twin),
    push: (data, joinOffsets, output) => splicer.push(data, joinOffsets, sinkOf(output)),
    cut: (output) => splicer.cut(sinkOf(output)),
  }
}
