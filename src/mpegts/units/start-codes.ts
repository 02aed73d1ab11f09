const START_CODE = Buffer.from([0, 0, 1])
/** A picture of more units is damage; the rest goes with the last one. */
const UNITS_MAX = 4_096

/**
 * Finds the units behind start codes in `bytes[from, to)` (H.264 Annex B, H.262 §5.2.3): offsets of begin and end of each in turn, start codes
 * and the zeros in front of them left out. The array is filled anew.
 */
export function findUnits(bytes: Buffer, from: number, to: number, units: number[]): void {
  units.length = 0
  const view = bytes.subarray(0, to)
  let found = view.indexOf(START_CODE, from)
  while (found >= 0 && units.length < UNITS_MAX * 2) {
    const start = found + START_CODE.length
    found = units.length === UNITS_MAX * 2 - 2 ? -1 : view.indexOf(START_CODE, start)
    let end = found < 0 ? to : found
    while (end > start && bytes[end - 1] === 0) end -= 1
    if (end > start) units.push(start, end)
  }
}
