import { createHash } from 'node:crypto'

/** Pieces that are hashed; all of a segment would cost more than everything else that is read of it. */
const SAMPLES = 16
const SAMPLE_BYTES = 4_096

/** The same for the same bytes, and for other media most likely another: their number and pieces from all over them. */
export function digestOf(bytes: Buffer): string {
  const sum = createHash('sha1').update(String(bytes.length))
  for (let index = 0; index < SAMPLES; index += 1) {
    const at = Math.floor((index * bytes.length) / SAMPLES)
    sum.update(bytes.subarray(at, at + SAMPLE_BYTES))
  }
  return sum.digest('base64')
}
