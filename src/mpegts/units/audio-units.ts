import type { ElementaryStream } from '../elementary-stream.ts'
import type { UnitListener } from './access-unit.ts'
import { AudioFramer } from './audio-framer.ts'

const EAC3_BLOCKS = [1, 2, 3, 6] as const
const EAC3_BLOCKS_OF_UNIT = 6
/** Far above what E-AC-3 makes of six blocks with all their substreams. */
const UNIT_BYTES_MAX = 64 * 1_024

/**
 * Audio frames as access units. Those of E-AC-3 are joined until they hold six blocks of all substreams, which is what MP4 calls a sample
 * (ETSI TS 102 366 §F.2).
 */
export class AudioUnits {
  readonly #stream: ElementaryStream
  readonly #listener: UnitListener
  readonly #framer: AudioFramer
  #joined: Buffer[] = []
  #joinedBytes = 0
  #joinedBlocks = 0
  #joinedPts = 0

  constructor(stream: ElementaryStream, listener: UnitListener) {
    this.#stream = stream
    this.#listener = listener
    this.#framer = new AudioFramer(stream.codec, (bytes, from, to, pts, ticks) => {
      if (stream.codec === 'eac3') this.#join(bytes.subarray(from, to), pts, ticks > 0)
      else this.#emit(bytes.subarray(from, to), pts)
    })
  }

  /** Takes the elementary bytes of one PES packet, `bytes[from, to)`; 90 kHz without a wrap. */
  push(bytes: Buffer, from: number, to: number, pts: number | undefined): void {
    this.#framer.beginPacket(pts)
    this.#framer.push(bytes, from, to)
  }

  flush(): void {
    if (this.#joinedBlocks > 0) this.#emit(Buffer.concat(this.#joined), this.#joinedPts)
    this.#joined = []
    this.#joinedBytes = 0
    this.#joinedBlocks = 0
  }

  lose(): void {
    this.flush()
    this.#framer.lose()
  }

  #join(frame: Buffer, pts: number, isIndependent: boolean): void {
    if (isIndependent && this.#joinedBlocks >= EAC3_BLOCKS_OF_UNIT) this.flush()
    if (!isIndependent && this.#joinedBlocks === 0) return
    if (this.#joinedBytes + frame.length > UNIT_BYTES_MAX) this.flush()
    if (this.#joinedBlocks === 0) this.#joinedPts = pts
    this.#joined.push(Buffer.from(frame))
    this.#joinedBytes += frame.length
    if (isIndependent) this.#joinedBlocks += blocksOf(frame)
  }

  #emit(data: Buffer, pts: number): void {
    this.#listener({ stream: this.#stream, pts, dts: pts, isRandomAccess: true, data, nals: [] })
  }
}

/** ETSI TS 102 366 §E.1.3.1.5: a reduced sample rate has six. */
function blocksOf(frame: Buffer): number {
  const fourth = frame[4] ?? 0
  return fourth >>> 6 === 3 ? EAC3_BLOCKS_OF_UNIT : (EAC3_BLOCKS[(fourth >>> 4) & 3] ?? EAC3_BLOCKS_OF_UNIT)
}
