import { quoted, unquoted } from '../../hls/attribute-list.ts'
import type { AttributeList } from '../../hls/attribute-list.ts'
import { formatDateTime } from '../../hls/date-time.ts'
import type { DateRangeAt } from './media-playlist.ts'

/** What players are told of a switch of the source: no addresses. */
export interface PublishedSwitch {
  readonly receiptId: string
  readonly decidedWallMs: number
  readonly from: { readonly index: number } | undefined
  readonly to: { readonly index: number }
  readonly trigger: string
  /** The code of a failure or wish. */
  readonly reason: string
  readonly measured: { readonly gapMs: number | undefined } | undefined
}

/** Switches in a playlist; the oldest go first. */
const SWITCHES_MAX = 64
const CLASS = 'holdfast.switch'

/** Switches of the source, as EXT-X-DATERANGE (RFC 8216 §4.3.2.7). */
export class SwitchRanges {
  readonly #ranges: DateRangeAt[] = []

  get all(): readonly DateRangeAt[] {
    return this.#ranges
  }

  add(published: PublishedSwitch): void {
    this.#ranges.push({ atMs: published.decidedWallMs, attributes: attributesOf(published) })
    if (this.#ranges.length > SWITCHES_MAX) this.#ranges.shift()
  }
}

function attributesOf({
  receiptId,
  decidedWallMs,
  from,
  to,
  trigger,
  reason,
  measured,
}: PublishedSwitch): AttributeList {
  const attributes = [
    quoted('ID', receiptId),
    quoted('CLASS', CLASS),
    quoted('START-DATE', formatDateTime(decidedWallMs)),
    unquoted('DURATION', '0'),
    quoted('X-CAUSE', codeOf(trigger)),
    quoted('X-REASON', codeOf(reason)),
    unquoted('X-TO-INDEX', to.index),
  ]
  if (from !== undefined) attributes.push(unquoted('X-FROM-INDEX', from.index))
  if (measured?.gapMs !== undefined) attributes.push(unquoted('X-GAP-MS', Math.max(0, Math.round(measured.gapMs))))
  return attributes
}

/** Reasons are codes; should one ever be a sentence, nothing of it may be an address. */
function codeOf(text: string): string {
  return /^[\w .-]{1,64}$/.test(text) ? text : 'other'
}
