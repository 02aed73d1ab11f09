import { thresholds } from './thresholds.ts'

const { secondsInRow: SECONDS_IN_ROW, shareMin: SHARE_MIN } = thresholds.scrambled

/** Whether the media packets of a source are scrambled, by seconds of media. */
export class ScramblingWatch {
  #inRow = 0
  #sinceMs = 0
  #wasClear = false

  /** A second of media has passed with so many packets of either kind. `beganMs` is the monotonic time of its begin. */
  secondEnded(scrambledPackets: number, packets: number, beganMs: number): void {
    const isScrambled = scrambledPackets > packets * SHARE_MIN
    if (!isScrambled && packets > 0) this.#wasClear = true
    if (isScrambled && this.#inRow === 0) this.#sinceMs = beganMs
    this.#inRow = isScrambled ? this.#inRow + 1 : 0
  }

  get isScrambled(): boolean {
    return this.#inRow >= SECONDS_IN_ROW
  }

  get secondsInRow(): number {
    return this.#inRow
  }

  /** Whether it ever sent a second of clear media; otherwise it may be meant to be scrambled. */
  get wasClear(): boolean {
    return this.#wasClear
  }

  get sinceMs(): number {
    return this.#sinceMs
  }
}
