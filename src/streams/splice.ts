/**
 * The seam between one source and the next: turns what several sources deliver, one after another, into the one output
 * that viewers read. This one keeps packets whole and begins each source with its own tables at a point where a decoder
 * can begin; it does not touch a byte. A splice that also rewrites timestamps and continuity counters stands here later.
 */
export interface Splice {
  /** A source goes on air: the bytes that viewers in mid-stream are given before its first media. */
  begin(preamble: Buffer): Buffer
  /** Media of the source on air, whole units; returns what viewers read. May return its argument. */
  pass(data: Buffer): Buffer
}

export const unitAlignedSplice: Splice = {
  begin: (preamble) => preamble,
  pass: (data) => data,
}
