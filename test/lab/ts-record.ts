import { readMark, SYNC_BYTE, TS_PACKET_BYTES } from './marker.ts'
import type { Mark } from './marker.ts'

/** A stretch of bytes that came from one source. */
export interface Stretch {
  readonly source: string
  /** When its first mark arrived, by the lab's clock. */
  readonly atMs: number
  /** When its first mark was due at the source. */
  readonly dueMs: number
  /** When its latest mark arrived. */
  lastAtMs: number
  /** Offset of its first mark in the body. */
  readonly offset: number
  marks: number
}

/**
 * Reads a viewer's bytes as they come: whether they are whole 188-byte packets, and which source each stretch is from.
 * Misaligned bytes are those that are not part of a packet that begins with a sync byte in step with its neighbours.
 */
export class TsRecord {
  #rest: Buffer = Buffer.alloc(0)
  #offset = 0
  #inStep = true
  misalignedBytes = 0
  packets = 0
  readonly stretches: Stretch[] = []
  lastMark: Mark | undefined
  lastMarkAtMs: number | undefined

  push(bytes: Buffer, atMs: number): void {
    const data = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    let at = 0
    while (at + TS_PACKET_BYTES < data.length) {
      const isPacket = data[at] === SYNC_BYTE && (this.#inStep || data[at + TS_PACKET_BYTES] === SYNC_BYTE)
      if (!isPacket) {
        this.#inStep = false
        this.misalignedBytes += 1
        at += 1
        continue
      }
      // A packet whose successor is out of step was cut short: its own bytes count as misaligned.
      this.#inStep = data[at + TS_PACKET_BYTES] === SYNC_BYTE
      if (!this.#inStep) {
        this.misalignedBytes += 1
        at += 1
        continue
      }
      this.packets += 1
      const mark = readMark(data, at)
      if (mark !== undefined) this.#marked(mark, atMs, this.#offset + at)
      at += TS_PACKET_BYTES
    }
    this.#offset += at
    this.#rest = data.subarray(at)
  }

  /** The sources in the order in which they were seen, each change once. */
  get sources(): readonly string[] {
    return this.stretches.map(({ source }) => source)
  }

  #marked(mark: Mark, atMs: number, offset: number): void {
    const { source } = mark
    this.lastMark = mark
    this.lastMarkAtMs = atMs
    const last = this.stretches.at(-1)
    if (last?.source === source) {
      last.marks += 1
      last.lastAtMs = atMs
    } else {
      this.stretches.push({ source, atMs, dueMs: mark.dueMs, lastAtMs: atMs, offset, marks: 1 })
    }
  }
}
