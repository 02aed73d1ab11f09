import { boxesIn } from './box.ts'
import type { Box } from './box.ts'
import { readEventMessage } from './event-message.ts'
import type { EventMessage } from './event-message.ts'
import { readFragment } from './fragment-reader.ts'
import type { SamplePlace } from './fragment-reader.ts'
import { readMovie } from './init-reader.ts'
import { IsobmffError } from './isobmff-error.ts'
import type { ReadTrack, Sample } from './track.ts'

/** A sample of a fragment, its data a view that stays valid. */
export interface ReadSample extends Sample {
  readonly track: ReadTrack
  /** Ticks of the track. */
  readonly decodeTime: bigint
}

export interface SegmentListener {
  /** An initialisation segment came: what follows belongs to these tracks. */
  onTracks(tracks: readonly ReadTrack[]): void
  onSample(sample: ReadSample): void
  onEvent?(message: EventMessage): void
}

const HEADER_BYTES_MAX = 16
const MOVIE_BYTES_MAX = 4 * 1_024 * 1_024
/** 20 s of 50 Mbit/s. */
const DATA_BYTES_MAX = 128 * 1_024 * 1_024
const FIRST_BYTES = 1_024 * 1_024
/** Boxes whose content is read, with what they may weigh; the others are passed over. */
const BYTES_MAX_OF_BOX: Readonly<Record<string, number>> = {
  moov: MOVIE_BYTES_MAX,
  moof: MOVIE_BYTES_MAX,
  emsg: 64 * 1_024,
  mdat: DATA_BYTES_MAX,
}

/**
 * Reads initialisation and media segments that come in any pieces, one after the other. Memory is one box at a time, bounded. Throws only an
 * IsobmffError; what follows then counts from the next `beginSegment` on.
 */
export class SegmentReader {
  readonly #listener: SegmentListener
  #tracks: readonly ReadTrack[] = []
  readonly #nextDecodeTimes = new Map<number, bigint>()
  #places: readonly SamplePlace[] = []
  /** Where the box in progress begins in the segment. */
  #position = 0
  readonly #header = Buffer.alloc(HEADER_BYTES_MAX)
  #headerBytes = 0
  #box: { readonly type: string; readonly bytes: number } | undefined
  #received = 0
  #memory = Buffer.alloc(0)
  #isBroken = false

  constructor(listener: SegmentListener) {
    this.#listener = listener
  }

  get tracks(): readonly ReadTrack[] {
    return this.#tracks
  }

  /** The file that follows is another one: offsets count from 0, what was incomplete is forgotten. */
  beginSegment(): void {
    this.#position = 0
    this.#places = []
    this.#isBroken = false
    this.#endBox()
  }

  push(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && !this.#isBroken;) {
      try {
        at = this.#box === undefined ? this.#takeHeader(bytes, at) : this.#takeContent(bytes, at, this.#box)
      } catch (error) {
        this.#isBroken = true
        this.#endBox()
        throw error
      }
    }
  }

  #takeHeader(bytes: Buffer, from: number): number {
    let at = from
    const needed = this.#headerBytes >= 8 ? HEADER_BYTES_MAX : 8
    const taken = Math.min(bytes.length - at, needed - this.#headerBytes)
    bytes.copy(this.#header, this.#headerBytes, at, at + taken)
    this.#headerBytes += taken
    at += taken
    if (this.#headerBytes < 8) return at
    const small = this.#header.readUInt32BE(0)
    if (small === 1 && this.#headerBytes < HEADER_BYTES_MAX) return at
    const type = this.#header.toString('latin1', 4, 8)
    const size = small === 1 ? Number(this.#header.readBigUInt64BE(8)) : small
    if (size < this.#headerBytes) throw new IsobmffError('damaged', `a box ${JSON.stringify(type)} of ${size} bytes`)
    const bytesMax = BYTES_MAX_OF_BOX[type]
    if (bytesMax !== undefined && size > bytesMax) {
      throw new IsobmffError('too-large', `a box ${type} of ${size} bytes, ${bytesMax} at most`)
    }
    this.#box = { type, bytes: size }
    this.#received = this.#headerBytes
    if (bytesMax !== undefined) this.#keep(this.#header, 0, this.#headerBytes, size)
    if (this.#received === size) this.#finishBox(this.#box)
    return at
  }

  #takeContent(bytes: Buffer, at: number, box: { readonly type: string; readonly bytes: number }): number {
    const taken = Math.min(bytes.length - at, box.bytes - this.#received)
    if (BYTES_MAX_OF_BOX[box.type] !== undefined) this.#keep(bytes, at, at + taken, box.bytes, this.#received)
    this.#received += taken
    if (this.#received === box.bytes) this.#finishBox(box)
    return at + taken
  }

  /** Memory grows with what came, not with what a header claims. */
  #keep(source: Buffer, from: number, to: number, boxBytes: number, at = 0): void {
    const needed = at + to - from
    if (needed > this.#memory.length) {
      const size = Math.min(boxBytes, Math.max(needed, this.#memory.length * 2, FIRST_BYTES))
      const larger = Buffer.allocUnsafeSlow(size)
      this.#memory.copy(larger, 0, 0, at)
      this.#memory = larger
    }
    source.copy(this.#memory, at, from, to)
  }

  #finishBox({ type, bytes }: { readonly type: string; readonly bytes: number }): void {
    const content = this.#memory
    const position = this.#position
    this.#position += bytes
    this.#endBox()
    if (BYTES_MAX_OF_BOX[type] === undefined) return
    for (const box of boxesIn(content, 0, bytes)) {
      if (type === 'moov') this.#takeMovie(content, box)
      else if (type === 'moof') this.#places = readFragment(content, box, this.#tracks, position)
      else if (type === 'emsg') this.#listener.onEvent?.(readEventMessage(content, box))
      else this.#takeData(content, box, position)
    }
  }

  #endBox(): void {
    this.#box = undefined
    this.#headerBytes = 0
    this.#received = 0
    this.#memory = Buffer.alloc(0)
  }

  #takeMovie(bytes: Buffer, moov: Box): void {
    this.#tracks = readMovie(bytes, moov)
    this.#nextDecodeTimes.clear()
    this.#places = []
    this.#listener.onTracks(this.#tracks)
  }

  /** Gives the samples of the latest moof that lie in this mdat. */
  #takeData(bytes: Buffer, mdat: Box, position: number): void {
    const [start, end] = [position + mdat.contentStart, position + mdat.end]
    const isHere = ({ dataOffset, dataBytes }: SamplePlace) => dataOffset >= start && dataOffset + dataBytes <= end
    const here = this.#places.filter(isHere)
    const rest = this.#places.filter((place) => !isHere(place))
    if (here.length === 0 && rest.length > 0) throw new IsobmffError('damaged', 'samples lie outside of mdat')
    this.#places = rest
    for (const { track, decodeTime, dataOffset, dataBytes, ...sample } of here) {
      const time = decodeTime ?? this.#nextDecodeTimes.get(track.id) ?? 0n
      this.#nextDecodeTimes.set(track.id, time + BigInt(sample.duration))
      const data = bytes.subarray(dataOffset - position, dataOffset - position + dataBytes)
      this.#listener.onSample({ ...sample, track, decodeTime: time, data })
    }
  }
}
