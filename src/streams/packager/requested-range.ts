/** Bytes that a client asked for; `endByte` is past the last one. */
export interface RequestedRange {
  readonly startByte: number
  readonly endByte: number
}

/**
 * What a Range header asks of `totalBytes` (RFC 9110 §14.1.2). Undefined: all of it, also for several ranges and other
 * units, which a server may ignore; `unsatisfiable` where no byte of it exists.
 */
export function requestedRange(
  header: string | undefined,
  totalBytes: number,
): RequestedRange | 'unsatisfiable' | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '') ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined
  if (first === '') {
    const startByte = Math.max(0, totalBytes - Number(last))
    return startByte < totalBytes ? { startByte, endByte: totalBytes } : 'unsatisfiable'
  }
  const startByte = Number(first)
  const endByte = last === '' ? totalBytes : Math.min(totalBytes, Number(last) + 1)
  if (last !== '' && Number(last) < startByte) return undefined
  return startByte < totalBytes ? { startByte, endByte } : 'unsatisfiable'
}
