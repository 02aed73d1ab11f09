import type { AccessUnit } from '../../mpegts/units/access-unit.ts'

const LENGTH_BYTES = 4

interface NalKinds {
  readonly typeOf: (header: number) => number
  /** Delimiters and filler, which samples do not have (ISO/IEC 14496-15 §5.3.2, §8.3.2). */
  readonly left: ReadonlySet<number>
  readonly parameterSets: ReadonlySet<number>
}

const KINDS: Readonly<Record<'h264' | 'hevc', NalKinds>> = {
  h264: { typeOf: (header) => header & 0x1f, left: new Set([9, 12]), parameterSets: new Set([7, 8, 13]) },
  hevc: { typeOf: (header) => (header >>> 1) & 0x3f, left: new Set([35, 38]), parameterSets: new Set([32, 33, 34]) },
}

/**
 * Makes samples of access units in Annex B: a length in front of each NAL unit instead of a start code. Parameter sets that the sample entry has
 * are left out; from the first one on that it does not have, all stay, since a later one may take back what that one changed.
 */
export class LengthPrefixed {
  readonly #kinds: NalKinds
  readonly #known: readonly Buffer[]
  #keepsSets = false

  constructor(codec: 'h264' | 'hevc', parameterSets: readonly Buffer[]) {
    this.#kinds = KINDS[codec]
    this.#known = parameterSets
  }

  /** A sample in memory of its own; undefined when nothing is left of the unit. */
  convert({ data, nals }: AccessUnit): Buffer | undefined {
    let bytes = 0
    const kept: number[] = []
    for (let index = 0; index < nals.length; index += 2) {
      const [start = 0, end = 0] = [nals[index], nals[index + 1]]
      if (!this.#isKept(data, start, end)) continue
      kept.push(start, end)
      bytes += LENGTH_BYTES + end - start
    }
    if (bytes === 0) return undefined
    const sample = Buffer.allocUnsafeSlow(bytes)
    let at = 0
    for (let index = 0; index < kept.length; index += 2) {
      const [start = 0, end = 0] = [kept[index], kept[index + 1]]
      at = sample.writeUInt32BE(end - start, at)
      at += data.copy(sample, at, start, end)
    }
    return sample
  }

  #isKept(data: Buffer, start: number, end: number): boolean {
    const { typeOf, left, parameterSets } = this.#kinds
    const type = typeOf(data[start] ?? 0)
    if (left.has(type)) return false
    if (!parameterSets.has(type) || this.#keepsSets) return true
    const set = data.subarray(start, end)
    this.#keepsSets = !this.#known.some((known) => known.equals(set))
    return this.#keepsSets
  }
}
