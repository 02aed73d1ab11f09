import type { ElementaryStream } from '../elementary-stream.ts'
import { PACKET_BYTES, PID_COUNT, PID_PAT, SYNC_BYTE } from '../packet.ts'
import { ProgrammeTables } from '../programme-tables.ts'
import type { UnitListener } from './access-unit.ts'
import { StreamUnits } from './stream-units.ts'
import { UnwrappedTimeline } from './timeline.ts'

export interface UnitReaderOptions {
  readonly onUnit: UnitListener
  /** Another set of streams from here on, in the order of the PMT; what is left of the old ones was given before. */
  readonly onStreams?: (streams: readonly ElementaryStream[]) => void
  /** Which streams of the programme are read; all of audio, video and ID3 without it. */
  readonly select?: (streams: readonly ElementaryStream[]) => readonly ElementaryStream[]
}

/**
 * Reads access units out of whole 188-byte packets of a transport stream that come in any pieces: those of its first programme with video, or
 * else audio. Memory is bounded (16 MiB for each stream at most), nothing throws; a unit of which a part is missing is left out.
 */
export class UnitReader {
  readonly #options: UnitReaderOptions
  readonly #tables = new ProgrammeTables()
  readonly #timeline = new UnwrappedTimeline()
  readonly #isTable = new Uint8Array(PID_COUNT)
  readonly #readers: (StreamUnits | undefined)[] = Array.from({ length: PID_COUNT })
  #streams: readonly ElementaryStream[] = []

  constructor(options: UnitReaderOptions) {
    this.#options = options
    this.#isTable[PID_PAT] = 1
  }

  /** The streams that are read. */
  get streams(): readonly ElementaryStream[] {
    return this.#streams
  }

  push(packets: Buffer): void {
    const end = packets.length - (packets.length % PACKET_BYTES)
    for (let at = 0; at < end; at += PACKET_BYTES) {
      const flags = packets[at + 1] ?? 0
      if (packets[at] !== SYNC_BYTE || (flags & 0x80) !== 0) continue
      const pid = ((flags & 0x1f) << 8) | (packets[at + 2] ?? 0)
      const reader = this.#readers[pid]
      if (reader !== undefined) reader.push(packets, at)
      else if (this.#isTable[pid] === 1 && this.#tables.push(pid, packets, at)) this.#follow()
    }
  }

  /** Nothing more comes, or something else does: gives what is held back. */
  flush(): void {
    for (const { pid } of this.#streams) this.#readers[pid]?.flush()
  }

  #follow(): void {
    const media = this.#tables.chosen?.pmt.streams.filter(isMedia) ?? []
    const streams = this.#options.select?.(media) ?? media
    this.#isTable.fill(0)
    this.#isTable[PID_PAT] = 1
    for (const { pmtPid } of this.#tables.entries) this.#isTable[pmtPid] = 1
    const isKept = ({ stream }: StreamUnits) => streams.some((other) => isSameStream(stream, other))
    for (const { pid } of this.#streams) {
      const reader = this.#readers[pid]
      if (reader === undefined || isKept(reader)) continue
      reader.flush()
      this.#readers[pid] = undefined
    }
    const isSameSet =
      streams.length === this.#streams.length &&
      streams.every((stream, index) => isSameStream(stream, this.#streams[index]))
    this.#streams = streams
    for (const stream of streams) {
      this.#readers[stream.pid] ??= new StreamUnits(stream, this.#timeline, this.#options.onUnit)
    }
    if (!isSameSet) this.#options.onStreams?.(streams)
  }
}

function isMedia({ kind, codec }: ElementaryStream): boolean {
  return kind === 'video' || kind === 'audio' || codec === 'id3'
}

function isSameStream(stream: ElementaryStream, other: ElementaryStream | undefined): boolean {
  return (
    other !== undefined &&
    stream.pid === other.pid &&
    stream.codec === other.codec &&
    stream.language === other.language
  )
}
