const START_CODE = Buffer.from([0, 0, 1])

/** A NAL unit, or the part of an MPEG-2 stream behind a start code, as offsets behind the start code and at its end. */
export interface Unit {
  readonly start: number
  readonly end: number
}

/** Units of an access unit's head that are looked at; its pictures come before that. */
const UNITS_MAX = 64

/** The units in `bytes[from, to)` (H.264 Annex B, H.262 §5.2.3). The last one may be cut short by `to`. */
export function* unitsIn(bytes: Buffer, from: number, to: number): Generator<Unit> {
  const view = bytes.subarray(0, to)
  let found = view.indexOf(START_CODE, from)
  for (let count = 0; found >= 0 && count < UNITS_MAX; count += 1) {
    const start = found + START_CODE.length
    found = view.indexOf(START_CODE, start)
    if (start < to) yield { start, end: found < 0 ? to : found }
  }
}
