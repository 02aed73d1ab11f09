/** What a Content-Range header says (RFC 9110 §14.4). Offsets count from 0; `endByte` is past the last byte. */
export type ContentRange =
  | {
      readonly kind: 'part'
      readonly startByte: number
      readonly endByte: number
      readonly totalBytes: number | undefined
    }
  | { readonly kind: 'unsatisfied'; readonly totalBytes: number | undefined }

const PART = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/i
const UNSATISFIED = /^bytes \*\/(\d{1,16}|\*)$/i

/** Undefined when the header is missing, in another unit, or contradicts itself. */
export function parseContentRange(text: string | undefined): ContentRange | undefined {
  if (text === undefined) return undefined
  const unsatisfied = UNSATISFIED.exec(text.trim())
  if (unsatisfied !== null) return { kind: 'unsatisfied', totalBytes: parseTotal(unsatisfied[1]) }
  const [, first, last, total] = PART.exec(text.trim()) ?? []
  if (first === undefined || last === undefined) return undefined
  const startByte = Number(first)
  const endByte = Number(last) + 1
  const totalBytes = parseTotal(total)
  const isSound = endByte > startByte && Number.isSafeInteger(endByte) && endByte <= (totalBytes ?? Infinity)
  return isSound ? { kind: 'part', startByte, endByte, totalBytes } : undefined
}

function parseTotal(text: string | undefined): number | undefined {
  return text === undefined || text === '*' ? undefined : Number(text)
}

/** Undefined when the header is missing or is not one whole number. */
export function parseContentLength(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : undefined
}

/** The Range for what is missing of an entity (RFC 9110 §14.1.2); `endByte` is past the last one wanted. */
export function rangeFrom(startByte: number, endByte: number | undefined): string {
  return endByte === undefined ? `bytes=${startByte}-` : `bytes=${startByte}-${endByte - 1}`
}
