/**
 * What a source has delivered of late and nobody has been given yet: the audio that belongs to the picture at which it
 * will be joined, or, of a source that is received all the time, its last groups of pictures. Bounded; the oldest goes.
 */
export interface HistoryBounds {
  readonly bytesMax: number
  /** Older media goes, in milliseconds; the latest join point and what follows it stay while `bytesMax` allows. */
  readonly ageMsMax: number
}

/** Whole units as they arrived, kept in memory of its own. `joinOffsets` are offsets in `data`. */
export interface HistoryChunk {
  readonly data: Buffer
  readonly joinOffsets: readonly number[]
  /** Monotonic, ms. */
  readonly arrivedAtMs: number
}

/** A point in a history at which a decoder can begin. */
export interface HistoryJoin {
  readonly chunk: HistoryChunk
  readonly offset: number
}

export class MediaHistory {
  readonly #bounds: HistoryBounds
  #chunks: HistoryChunk[] = []
  #bytes = 0

  constructor(bounds: HistoryBounds) {
    this.#bounds = bounds
  }

  get bytes(): number {
    return this.#bytes
  }

  /** All that is kept, oldest first. */
  get chunks(): readonly HistoryChunk[] {
    return this.#chunks
  }

  /** Copies media in; `nowMs` is when it arrived and never falls. */
  append(data: Buffer, joinOffsets: readonly number[], nowMs: number): void {
    this.#chunks.push({ data: Buffer.from(data), joinOffsets: [...joinOffsets], arrivedAtMs: nowMs })
    this.#bytes += data.length
    this.#evict(nowMs)
  }

  /**
   * Where to join so that as little as possible is repeated or missed: the latest join point that had arrived at
   * `aimMs`, else the earliest after it. Undefined while there is none.
   */
  joinNear(aimMs: number): HistoryJoin | undefined {
    let earliest: HistoryJoin | undefined
    for (let index = this.#chunks.length - 1; index >= 0; index -= 1) {
      const chunk = this.#chunks[index]
      if (chunk === undefined || chunk.joinOffsets.length === 0) continue
      const latestOfChunk = { chunk, offset: chunk.joinOffsets.at(-1) ?? 0 }
      if (chunk.arrivedAtMs <= aimMs) return latestOfChunk
      earliest = { chunk, offset: chunk.joinOffsets[0] ?? 0 }
    }
    return earliest
  }

  /**
   * The media from a join point on. `leadInMs` of what came before it is the head of the first chunk, whose first join
   * offset is then where the lead-in ends.
   */
  from(join: HistoryJoin, leadInMs: number): readonly HistoryChunk[] {
    const at = this.#chunks.indexOf(join.chunk)
    if (at < 0) return []
    const leadIn = this.#chunks
      .slice(0, at)
      .filter(({ arrivedAtMs }) => leadInMs > 0 && join.chunk.arrivedAtMs - arrivedAtMs <= leadInMs)
      .map(({ data }) => data)
    const leadInBytes = leadIn.reduce((sum, { length }) => sum + length, 0)
    const from = leadInMs > 0 ? 0 : join.offset
    const first: HistoryChunk = {
      data: leadIn.length === 0 ? join.chunk.data.subarray(from) : Buffer.concat([...leadIn, join.chunk.data]),
      joinOffsets: join.chunk.joinOffsets
        .filter((offset) => offset >= join.offset)
        .map((offset) => offset - from + leadInBytes),
      arrivedAtMs: join.chunk.arrivedAtMs,
    }
    return [first, ...this.#chunks.slice(at + 1)]
  }

  clear(): void {
    this.#chunks = []
    this.#bytes = 0
  }

  #evict(nowMs: number): void {
    const { bytesMax, ageMsMax } = this.#bounds
    const latestJoinAt = this.#chunks.findLastIndex(({ joinOffsets }) => joinOffsets.length > 0)
    let evicted = 0
    for (const { data, arrivedAtMs } of this.#chunks) {
      const isOld = nowMs - arrivedAtMs > ageMsMax && (latestJoinAt < 0 || evicted < latestJoinAt)
      if (!isOld && this.#bytes <= bytesMax) break
      this.#bytes -= data.length
      evicted += 1
    }
    if (evicted > 0) this.#chunks.splice(0, evicted)
  }
}
