/** EBML (RFC 8794): variable-length numbers and element headers. */
export interface EbmlElement {
  readonly id: number
  /** Bytes of the element's ID and size. */
  readonly headerBytes: number
  /** Bytes of its body; undefined when the size is unknown (RFC 8794 §6.2). */
  readonly bodyBytes: number | undefined
}

/** An ID has at most 4 bytes in Matroska (RFC 9559), a size at most 8. */
export const ELEMENT_HEADER_BYTES_MAX = 12

/** The element header at `at`; `more` when it is cut short, undefined when there can be none. */
export function readElement(bytes: Buffer, at: number): EbmlElement | 'more' | undefined {
  if (at >= bytes.length) return 'more'
  const idBytes = Math.clz32((bytes[at] ?? 0) << 24 || 0x00ffffff) + 1
  if (idBytes > 4) return undefined
  const sizeAt = at + idBytes
  if (sizeAt >= bytes.length) return 'more'
  const sizeBytes = Math.clz32((bytes[sizeAt] ?? 0) << 24 || 0x00ffffff) + 1
  if (sizeBytes > 8) return undefined
  if (sizeAt + sizeBytes > bytes.length) return 'more'
  const bodyBytes = readSize(bytes, sizeAt, sizeBytes)
  return { id: bytes.readUIntBE(at, idBytes), headerBytes: idBytes + sizeBytes, bodyBytes }
}

function readSize(bytes: Buffer, at: number, length: number): number | undefined {
  let value = (bytes[at] ?? 0) & ((1 << (8 - length)) - 1)
  let isUnknown = value === (1 << (8 - length)) - 1
  for (let index = 1; index < length; index += 1) {
    const byte = bytes[at + index] ?? 0
    isUnknown &&= byte === 0xff
    value = value * 256 + byte
  }
  return isUnknown ? undefined : value
}

/** An unsigned integer body of up to 6 bytes; 0 for a longer one, which no element that is read here has. */
export function readUnsigned(bytes: Buffer, start: number, end: number): number {
  const length = end - start
  return length >= 1 && length <= 6 && end <= bytes.length ? bytes.readUIntBE(start, length) : 0
}

/** Children of a master element whose whole body is `bytes[start, end)`; ends at the first that does not fit. */
export function* childrenOf(
  bytes: Buffer,
  start: number,
  end: number,
): Generator<EbmlElement & { readonly at: number }> {
  for (let at = start; at < end;) {
    const element = readElement(bytes, at)
    if (element === undefined || element === 'more' || element.bodyBytes === undefined) return
    const next = at + element.headerBytes + element.bodyBytes
    if (next > end) return
    yield { ...element, at }
    at = next
  }
}
