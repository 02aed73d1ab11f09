/**
 * The media of one stream that viewers can still read: a bounded run of slices, each a piece of contiguous memory that
 * every viewer is given as it is, so that fan-out neither copies nor allocates per viewer. A slice that begins at a join
 * point (a keyframe) carries the preamble that a decoder needs before it.
 */
export interface Slice {
  /** Rises by one from slice to slice, for ever. */
  readonly sequence: number
  /** Bytes published before this slice. */
  readonly offset: number
  readonly publishedAtMs: number
  readonly data: Buffer
  /** Present when a viewer may begin here: what it must be given first (PAT and PMT, a container's header, or nothing). */
  readonly preamble: Buffer | undefined
}

interface RingOptions {
  /** Published bytes that are kept; the oldest slices go first. */
  readonly bytesMax: number
  /** Slices older than this go too, in milliseconds; the latest join point and what follows it stay. */
  readonly ageMsMax: number
}

/** Slices are cut from blocks of this size, so no slice is larger. */
export const SLICE_BYTES_MAX = 262_144
/** Containers in which every frame is a join point (audio) are not cut into slices smaller than this. */
const JOIN_SLICE_BYTES_MIN = 4_096
/** What a viewer is given at first of a stream that has no join points. */
const BACKLOG_BYTES_MAX = 1_048_576

export class StreamRing {
  readonly bytesMax: number
  readonly #ageMsMax: number
  readonly #nowMs: () => number
  #slices: Slice[] = []
  #bytes = 0
  #nextSequence = 0
  #nextOffset = 0
  #latestJoin: Slice | undefined
  #block = Buffer.allocUnsafeSlow(0)
  #sliceStart = 0
  #blockEnd = 0
  #pendingPreamble: Buffer | undefined
  readonly #observers = new Set<(slice: Slice) => void>()

  constructor({ bytesMax, ageMsMax }: RingOptions, nowMs: () => number) {
    this.bytesMax = bytesMax
    this.#ageMsMax = ageMsMax
    this.#nowMs = nowMs
  }

  /** Sequence of the oldest slice that can still be read (`nextSequence` when there is none). */
  get oldestSequence(): number {
    return this.#nextSequence - this.#slices.length
  }

  /** Sequence that the next published slice will get. */
  get nextSequence(): number {
    return this.#nextSequence
  }

  /** Bytes appended and not yet published. */
  get pendingBytes(): number {
    return this.#blockEnd - this.#sliceStart
  }

  /** All bytes ever appended. */
  get appendedBytes(): number {
    return this.#nextOffset + this.pendingBytes
  }

  get publishedBytes(): number {
    return this.#bytes
  }

  /** The latest slice at which a viewer may begin, while it is still kept. */
  get latestJoin(): Slice | undefined {
    const join = this.#latestJoin
    return join !== undefined && join.sequence >= this.oldestSequence ? join : undefined
  }

  /** Published bytes from this slice on; everything that is kept when it is older than that. */
  bytesFrom(sequence: number): number {
    if (sequence >= this.#nextSequence) return 0
    return this.#nextOffset - (this.at(sequence)?.offset ?? this.#nextOffset - this.#bytes)
  }

  /** Where a viewer begins: the latest join point, or without one a little before the newest media. */
  get startSequence(): number {
    const join = this.latestJoin
    if (join !== undefined) return join.sequence
    let sequence = this.#nextSequence
    while (sequence > this.oldestSequence && this.bytesFrom(sequence - 1) <= BACKLOG_BYTES_MAX) sequence -= 1
    return sequence
  }

  at(sequence: number): Slice | undefined {
    return this.#slices[sequence - this.oldestSequence]
  }

  /** Calls `observer` with every slice that is published from now on, until it is disposed of. It must not throw. */
  observe(observer: (slice: Slice) => void): Disposable {
    this.#observers.add(observer)
    return { [Symbol.dispose]: () => void this.#observers.delete(observer) }
  }

  /**
   * Copies media in (the only copy on its way to the viewers). `joinOffsets` are offsets in `data`, ascending, at which
   * a viewer may begin behind `preamble`. Full slices are published at once; the rest waits for `publish`.
   */
  append(data: Buffer, joinOffsets: readonly number[], preamble: () => Buffer): void {
    let from = 0
    for (const join of joinOffsets) {
      this.#copy(data, from, join)
      this.#beginJoin(preamble)
      from = join
    }
    this.#copy(data, from, data.length)
  }

  /** Makes what was appended readable; true if there was anything. */
  publish(): boolean {
    const length = this.pendingBytes
    if (length === 0) return false
    const publishedAtMs = this.#nowMs()
    const slice: Slice = {
      publishedAtMs,
      sequence: this.#nextSequence,
      offset: this.#nextOffset,
      data: this.#block.subarray(this.#sliceStart, this.#blockEnd),
      preamble: this.#pendingPreamble,
    }
    this.#nextSequence += 1
    this.#nextOffset += length
    this.#sliceStart = this.#blockEnd
    this.#pendingPreamble = undefined
    this.#slices.push(slice)
    this.#bytes += length
    if (slice.preamble !== undefined) this.#latestJoin = slice
    this.#evict(publishedAtMs)
    for (const observer of this.#observers) observer(slice)
    return true
  }

  #evict(nowMs: number): void {
    for (let oldest = this.#slices[0]; oldest !== undefined && this.#slices.length > 1; oldest = this.#slices[0]) {
      const isNeeded = this.#latestJoin === undefined || oldest.sequence >= this.#latestJoin.sequence
      const isOld = nowMs - oldest.publishedAtMs > this.#ageMsMax && !isNeeded
      if (this.#bytes <= this.bytesMax && !isOld) return
      this.#slices.shift()
      this.#bytes -= oldest.data.length
    }
  }

  /** Forgets everything; sequences go on rising, so a viewer's old cursor can never read newer media by mistake. */
  clear(): void {
    this.#slices = []
    this.#bytes = 0
    this.#latestJoin = undefined
    this.#block = Buffer.allocUnsafeSlow(0)
    this.#sliceStart = 0
    this.#blockEnd = 0
    this.#pendingPreamble = undefined
  }

  #beginJoin(preamble: () => Buffer): void {
    const pending = this.pendingBytes
    if (pending > 0 && pending < JOIN_SLICE_BYTES_MIN && this.#pendingPreamble !== undefined) return
    this.publish()
    this.#pendingPreamble = preamble()
  }

  #copy(data: Buffer, start: number, end: number): void {
    let from = start
    while (from < end) {
      if (this.#blockEnd === this.#block.length) {
        this.publish()
        this.#block = Buffer.allocUnsafeSlow(SLICE_BYTES_MAX)
        this.#sliceStart = 0
        this.#blockEnd = 0
      }
      const copied = data.copy(this.#block, this.#blockEnd, from, end)
      this.#blockEnd += copied
      from += copied
    }
  }
}
