import { parseContentLength, parseContentRange } from './byte-range.ts'

/** The part of a response head that says what its body is. */
export interface EntityHead {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

/** What identifies the bytes that a viewer is reading. */
export interface Entity {
  readonly etag: string | undefined
  readonly lastModified: string | undefined
  readonly totalBytes: number | undefined
}

/** The body of a response as a piece of its entity. */
export interface Part {
  readonly entity: Entity
  readonly startByte: number
  /** Past the last byte; undefined when the source did not say how long its body is. */
  readonly endByte: number | undefined
  /** False for what cannot be asked for again from the middle (several ranges in one body). */
  readonly isResumable: boolean
}

/** How the piece that a source offers relates to the one that a viewer is reading. */
export type EntityVerdict =
  { readonly kind: 'same'; readonly part: Part } | { readonly kind: 'different'; readonly why: string }

/** Undefined when the head contradicts itself. For statuses 200 and 206. */
export function partOf({ status, headers }: EntityHead): Part | undefined {
  const lengthBytes = parseContentLength(headers['content-length'])
  const tags = { etag: headers['etag'], lastModified: headers['last-modified'] }
  if (status !== 206) {
    const entity = { ...tags, totalBytes: lengthBytes }
    return { entity, startByte: 0, endByte: lengthBytes, isResumable: true }
  }
  if (/^multipart\/byteranges\b/i.test(headers['content-type'] ?? '')) {
    return { entity: { ...tags, totalBytes: undefined }, startByte: 0, endByte: lengthBytes, isResumable: false }
  }
  const range = parseContentRange(headers['content-range'])
  if (range?.kind !== 'part') return undefined
  const { startByte, endByte, totalBytes } = range
  if (lengthBytes !== undefined && lengthBytes !== endByte - startByte) return undefined
  return { entity: { ...tags, totalBytes }, startByte, endByte, isResumable: true }
}

/** Whether anything is known by which the same bytes could be recognised elsewhere. */
export function isRecognisable(entity: Entity): boolean {
  return strongTag(entity.etag) !== undefined || entity.totalBytes !== undefined
}

/**
 * Judges an answer to a request for the rest of `known`, from `offset` on. Equal strong entity tags suffice (RFC 9110
 * §8.8.3.2); without a tag on either side the total length has to be equal. A tag or length that differs never passes.
 * `isSameSource`: the same URL was asked with If-Range, so that a 206 already says that the tag is the same, and its
 * file has been replaced when the date of change is another (replicas may carry other dates).
 */
export function judgeResumption(known: Entity, offset: number, head: EntityHead, isSameSource: boolean): EntityVerdict {
  if (head.status === 200) return { kind: 'different', why: 'it answered with the whole, or with another entity' }
  const part = head.status === 206 ? partOf(head) : undefined
  if (part === undefined || !part.isResumable) return { kind: 'different', why: 'its answer is not the rest' }
  if (part.startByte !== offset) {
    return { kind: 'different', why: `its answer begins at byte ${part.startByte} instead of ${offset}` }
  }
  const why = difference(known, part.entity, isSameSource)
  return why === undefined ? { kind: 'same', part } : { kind: 'different', why }
}

function difference(known: Entity, found: Entity, isSameSource: boolean): string | undefined {
  const areTotalsKnown = known.totalBytes !== undefined && found.totalBytes !== undefined
  if (areTotalsKnown && known.totalBytes !== found.totalBytes) {
    return `it is ${found.totalBytes} bytes long instead of ${known.totalBytes}`
  }
  const areTagged = known.etag !== undefined && found.etag !== undefined
  if (areTagged && opaque(known.etag) !== opaque(found.etag)) return 'its entity tag is another'
  if (areTagged && strongTag(known.etag) !== undefined && strongTag(found.etag) !== undefined) return undefined
  const areDated = known.lastModified !== undefined && found.lastModified !== undefined
  if (isSameSource && areDated && known.lastModified !== found.lastModified) return 'it was changed meanwhile'
  if (isSameSource && strongTag(known.etag) !== undefined && found.etag === undefined) return undefined
  return areTotalsKnown ? undefined : 'nothing tells that it is the same'
}

/** An entity tag that stands for the same bytes; weak ones (W/) only stand for the same meaning. */
export function strongTag(etag: string | undefined): string | undefined {
  return etag !== undefined && /^"[^"]*"$/.test(etag) ? etag : undefined
}

function opaque(etag: string): string {
  return etag.replace(/^W\//, '')
}
