import type { PublishedSlots } from './published-slots.ts'
import type { SlotOutput } from './slot-output.ts'

export interface SegmentsAheadOptions {
  readonly slots: Pick<PublishedSlots, 'stitch'>
  readonly prefetch: (name: string) => Promise<unknown>
}

/** Segments that are ordered ahead of the players at once, for a playlist. */
const AHEAD_MAX = 3

/** New segments are fetched before the first player asks for them, which also shows at once whether the source has them. */
export class SegmentsAhead {
  readonly #options: SegmentsAheadOptions
  #ordering = 0

  constructor(options: SegmentsAheadOptions) {
    this.#options = options
  }

  /** Orders what a playlist has got; returns false when there was nothing to order. */
  order(slot: SlotOutput): boolean {
    const { slots, prefetch } = this.#options
    const { segments } = slot.timeline
    const span = slots.stitch.span?.number
    const added = segments.filter(
      ({ sequence, span: of, segment }) => sequence >= slot.orderedSequence && of === span && !segment.isGap,
    )
    slot.orderedSequence = slot.timeline.nextSequence
    const wanted = added.slice(-AHEAD_MAX)
    for (const { segment } of wanted) {
      if (this.#ordering >= 2 * AHEAD_MAX) break
      this.#ordering += 1
      void prefetch(segment.uri)
        .catch(() => undefined)
        .finally(() => {
          this.#ordering -= 1
        })
    }
    return wanted.length > 0
  }
}
