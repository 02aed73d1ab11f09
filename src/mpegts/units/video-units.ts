import type { ElementaryStream } from '../elementary-stream.ts'
import { isParsedCodec, judgeElementaryBytes } from '../random-access.ts'
import type { AccessUnit, UnitListener } from './access-unit.ts'
import { pictureBoundaryOf } from './picture-boundary.ts'
import type { PictureBoundary, UnitRole } from './picture-boundary.ts'
import { findUnits } from './start-codes.ts'

/** Between pictures that have no timestamp of their own while nothing else is known: 25 a second. */
const FRAME_TICKS_DEFAULT = 3_600
const FRAME_TICKS_MAX = 90_000

interface Part {
  readonly from: number
  readonly to: number
  /** Range in the list of units. */
  readonly firstUnit: number
  readonly endUnit: number
  readonly role: UnitRole
}

/** Cuts what PES packets of a video stream carry into pictures, and puts the two fields of one together. */
export class VideoUnits {
  readonly #stream: ElementaryStream
  readonly #boundary: PictureBoundary | undefined
  readonly #listener: UnitListener
  readonly #units: number[] = []
  /** The first field of a picture, which waits for the second. */
  #held: AccessUnit | undefined
  #latestDts: number | undefined
  #frameTicks = FRAME_TICKS_DEFAULT

  constructor(stream: ElementaryStream, listener: UnitListener) {
    this.#stream = stream
    this.#boundary = pictureBoundaryOf(stream.codec)
    this.#listener = listener
  }

  /** Takes the elementary bytes of one PES packet, `bytes[from, to)`; timestamps in 90 kHz without a wrap. */
  push(bytes: Buffer, from: number, to: number, pts: number, dts: number, isFlagged: boolean): void {
    const boundary = this.#boundary
    if (boundary === undefined) {
      this.#emit({
        stream: this.#stream,
        pts,
        dts,
        isRandomAccess: isFlagged,
        data: bytes.subarray(from, to),
        nals: [],
      })
      return
    }
    findUnits(bytes, from, to, this.#units)
    const parts = this.#cut(boundary, bytes, from, to)
    this.#learnStep(dts, parts.length)
    let timedParts = 0
    for (const part of parts) {
      const offset = timedParts * this.#frameTicks
      const isJoined = this.#take(bytes, part, pts + offset, dts + offset, isFlagged && timedParts === 0)
      if (!isJoined) timedParts += 1
    }
  }

  /** Gives what is held back. */
  flush(): void {
    const held = this.#held
    this.#held = undefined
    if (held !== undefined) this.#emit(held)
  }

  /** Something is missing here. */
  lose(): void {
    this.flush()
    this.#latestDts = undefined
  }

  #cut(boundary: PictureBoundary, bytes: Buffer, from: number, to: number): readonly Part[] {
    const units = this.#units
    const parts: Part[] = []
    let firstUnit = 0
    let partFrom = from
    let role: UnitRole = 'prefix'
    let prefixUnit = -1
    for (let index = 0; index < units.length; index += 2) {
      const unitRole = boundary.roleOf(bytes, units, index)
      if (unitRole === 'prefix') {
        if (prefixUnit < 0) prefixUnit = index
        continue
      }
      if (unitRole !== 'other') {
        if (role !== 'prefix') {
          const endUnit = prefixUnit < 0 ? index : prefixUnit
          const partTo = units[endUnit - 1] ?? to
          parts.push({ from: partFrom, to: partTo, firstUnit, endUnit, role })
          partFrom = partTo
          firstUnit = endUnit
        }
        role = unitRole
      }
      prefixUnit = -1
    }
    if (role !== 'prefix') parts.push({ from: partFrom, to, firstUnit, endUnit: units.length, role })
    return parts
  }

  /** True when the part went to the picture before it. */
  #take(bytes: Buffer, part: Part, pts: number, dts: number, isFlagged: boolean): boolean {
    const held = this.#held
    const nals = this.#nalsOf(part)
    if (part.role === 'second-field' && held !== undefined) {
      const shift = held.data.length
      const data = Buffer.concat([held.data, bytes.subarray(part.from, part.to)])
      this.#held = { ...held, data, nals: [...held.nals, ...nals.map((offset) => offset + shift)] }
      this.flush()
      return true
    }
    this.flush()
    const { codec } = this.#stream
    const isRandomAccess =
      isParsedCodec(codec) && judgeElementaryBytes(codec, bytes, part.from, part.to, isFlagged) === 'yes'
    const unit = { stream: this.#stream, pts, dts, isRandomAccess, data: bytes.subarray(part.from, part.to), nals }
    if (part.role === 'first-field') this.#held = { ...unit, data: Buffer.from(unit.data) }
    else this.#emit(unit)
    return false
  }

  #nalsOf({ from, firstUnit, endUnit }: Part): readonly number[] {
    const { codec } = this.#stream
    if (codec !== 'h264' && codec !== 'hevc') return []
    const nals = this.#units.slice(firstUnit, endUnit)
    for (let index = 0; index < nals.length; index += 1) nals[index] = (nals[index] ?? 0) - from
    return nals
  }

  #learnStep(dts: number, pictures: number): void {
    const step = this.#latestDts === undefined ? 0 : (dts - this.#latestDts) / Math.max(1, pictures)
    this.#latestDts = dts
    if (step > 0 && step <= FRAME_TICKS_MAX) this.#frameTicks = step
  }

  #emit(unit: AccessUnit): void {
    this.#listener(unit)
  }
}
