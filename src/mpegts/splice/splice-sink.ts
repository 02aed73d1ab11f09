/** Takes what goes out to viewers. */
export interface SpliceSink {
  /**
   * Whole packets of the output; the memory is used again after the call. A join offset is where a viewer can begin to
   * read: at a PAT and PMT followed by a random access point. There is at most one in a call, and it is 0.
   */
  packets(data: Buffer, joinOffsets: readonly number[]): void
}
