import type { Clock } from '../../../lib/clock.ts'
import type { HoldfastError } from '../../../lib/errors.ts'
import type { HlsRequest } from '../hls-output.ts'
import type { ChangeSignal } from './change-signal.ts'
import { answerWith, PLAYLIST_TYPE } from './documents.ts'
import { playlistText, withCarried } from './playlist-text.ts'
import type { HlsProxyLimits } from './proxy-options.ts'
import type { SwitchWords } from './published-playlist.ts'
import type { PublishedSlots } from './published-slots.ts'
import type { Publisher } from './publisher.ts'
import { notNamed } from './reference.ts'
import { checkReloadTarget, reloadTarget } from './reload-target.ts'
import type { SlotOutput } from './slot-output.ts'

export interface PlaylistServerOptions {
  readonly clock: Clock
  readonly limits: Pick<HlsProxyLimits, 'startTimeoutMs' | 'viewerHoldMs'>
  readonly publisher: Pick<Publisher, 'current' | 'want'>
  readonly slots: PublishedSlots
  readonly changes: ChangeSignal
  /** Why the source of a span is on air, where that is known. */
  readonly wordsOf: (span: number) => SwitchWords | undefined
  /** What to answer while no source delivers. */
  readonly failure: () => HoldfastError
}

/** While a source is looked for, a player with a playlist waits this long for the next one at most. */
const PLAYLIST_WAIT_MS_MAX = 5_000
/** A blocking reload waits for so many target durations (bis §6.2.5.2). */
const BLOCKING_TARGETS = 3

/** Answers for playlists: waits for what is about to be published, and keeps players with what there is while a source is looked for. */
export class PlaylistServer {
  readonly #options: PlaylistServerOptions

  constructor(options: PlaylistServerOptions) {
    this.#options = options
  }

  /** Answers with the master playlist, or with the only playlist there is. Throws what `failure` gives while no source delivers. */
  async serveEntry(request: HlsRequest, gone: AbortSignal): Promise<void> {
    const { clock, limits, failure, publisher, slots, changes } = this.#options
    const deadlineMs = clock.nowMs() + limits.startTimeoutMs
    const master = await changes.until(() => slots.master, { deadlineMs, signal: gone })
    if (gone.aborted) return
    if (master === undefined && slots.master === undefined) throw failure()
    if (master === undefined || slots.master === null) {
      await this.serveSlot(request, 0, '', gone)
      return
    }
    // Players ask for it once: it must not lead them to where nothing is.
    const isThere = () => (publisher.current?.entry !== undefined || this.#isHeld() ? true : undefined)
    const isServed = await changes.until(isThere, { deadlineMs, signal: gone })
    if (gone.aborted) return
    if (isServed === undefined) throw failure()
    const { playlist } = slots.master ?? { playlist: undefined }
    if (playlist === undefined) throw failure()
    const named = { ...playlist, variants: playlist.variants.map((each) => ({ ...each, uri: slotName(each.uri) })) }
    const renditions = playlist.renditions.map((each) => ({
      ...each,
      uri: each.uri === undefined ? undefined : slotName(each.uri),
    }))
    const trickPlayVariants = playlist.trickPlayVariants.map((each) => ({ ...each, uri: slotName(each.uri) }))
    const text = playlistText({ ...named, renditions, trickPlayVariants }, '')
    answerWith(request, withCarried(text, request.carried), PLAYLIST_TYPE)
  }

  /** Answers with the playlist of a slot; `up` leads from it to the entry. Throws hls_not_found for a slot that is none, and as above. */
  async serveSlot(request: HlsRequest, number: number, up: string, gone: AbortSignal): Promise<void> {
    const { clock, limits, failure, publisher, slots, changes, wordsOf } = this.#options
    const startMs = clock.nowMs()
    // After a restart it is not known what there is before the first source has answered.
    const known = await changes.until(() => (slots.master === undefined ? undefined : true), {
      ...{ deadlineMs: startMs + limits.startTimeoutMs, signal: gone },
    })
    if (gone.aborted) return
    if (known === undefined) throw failure()
    const slot = slots.slot(number)
    if (slot === undefined) throw notNamed()
    publisher.want(number)
    const target = reloadTarget(request.query)
    checkReloadTarget(slot, target)
    const isThere = (): true | undefined => (this.#isCurrent(number, slot) ? true : undefined)
    const waitMs = slot.hasContent
      ? Math.min(slot.timeline.targetDurationS * 1_000, PLAYLIST_WAIT_MS_MAX)
      : limits.startTimeoutMs
    const found = await changes.until(isThere, { deadlineMs: startMs + waitMs, signal: gone })
    if (found !== undefined && target !== undefined && slot.features?.canBlockReload === true) {
      const deadlineMs = startMs + BLOCKING_TARGETS * 1_000 * slot.timeline.targetDurationS
      await changes.until(() => (slot.holds(target) ? true : undefined), { deadlineMs, signal: gone })
    }
    if (gone.aborted) return
    if (found === undefined && !(slot.hasContent && this.#isHeld())) throw failure()
    slot.lastAskedMs = clock.nowMs()
    const text = slot.text({
      span: slots.stitch.span,
      marks: slots.stitch.marks,
      wordsOf,
      reports: () => this.#reports(number),
      up,
    })
    answerWith(request, withCarried(text, request.carried), PLAYLIST_TYPE)
  }

  /** Whether what a slot shows is the source on air, as far as that has something for it. */
  #isCurrent(number: number, slot: SlotOutput): boolean {
    if (slot.complete !== undefined || slot.isEnded) return true
    const { current } = this.#options.publisher
    if (!slot.hasContent || current === undefined || !current.isAlive) return false
    if (slot.epoch === current.epoch) return true
    // Subtitles that only another source has stand still.
    return current.entry !== undefined && !current.follow(number)
  }

  /** Players are kept with what they have: it is not long since something new came. */
  #isHeld(): boolean {
    const { clock, limits, slots } = this.#options
    const { advancedAtMs } = slots
    return advancedAtMs !== undefined && clock.nowMs() - advancedAtMs < limits.viewerHoldMs
  }

  #reports(own: number) {
    const reports = [...this.#options.slots.all].flatMap(([number, slot]) => {
      const report = number === own ? undefined : slot.report(slotName(String(number)))
      return report === undefined ? [] : [report]
    })
    return reports
  }
}

function slotName(slot: string): string {
  return `v/${slot}/playlist.m3u8`
}
