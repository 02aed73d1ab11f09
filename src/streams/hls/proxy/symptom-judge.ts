import type { Clock } from '../../../lib/clock.ts'
import { forgetOldest } from '../../../lib/forget-oldest.ts'
import type { Action, DetectionPolicy } from '../../detect/conditions.ts'
import type { SourceFailure } from '../../sources/http-failure.ts'
import type { SegmentSymptom } from '../inspection/rendition-watch.ts'
import type { HlsProxyListener } from './proxy-options.ts'
import type { PublishedSlots } from './published-slots.ts'
import type { Publisher } from './publisher.ts'
import type { Reference } from './reference.ts'

export interface SymptomJudgeOptions {
  readonly clock: Clock
  readonly publisher: Pick<Publisher, 'current'>
  readonly slots: Pick<PublishedSlots, 'stitch'>
  readonly detection: Pick<DetectionPolicy, 'actionOf' | 'hasAlternative'>
  /** Told where something is wrong with what a source sends, and it stays on air. */
  readonly listener: Pick<HlsProxyListener, 'warned'>
}

/** A condition that comes and goes is told again after this. */
const WARNING_REPEAT_MS = 60_000
const WARNINGS_MAX = 128

/** What is done about the conditions of segments: which are told, and for which a source is left. */
export class SymptomJudge {
  readonly #options: SymptomJudgeOptions
  readonly #warnedMs = new Map<string, number>()

  constructor(options: SymptomJudgeOptions) {
    this.#options = options
  }

  /**
   * Tells what is to be told, and leaves the source where that is what the stream wants. Gives why the segment itself is refused, if it
   * is.
   */
  judge(reference: Reference, symptoms: readonly SegmentSymptom[]): SourceFailure | undefined {
    for (const symptom of symptoms) {
      const action = this.#actionOn(symptom)
      if (action === 'warn') this.#warn(reference, symptom)
      if (action !== 'fail') continue
      const { condition, message, evidence, isUnusable } = symptom
      const failure: SourceFailure = { kind: 'media_condition', condition, message, evidence }
      if (isUnusable) return failure
      this.#leave(reference, failure)
      return undefined
    }
    return undefined
  }

  /** With nobody to go on from, players are better off with what there is: nothing would be opened anew by leaving. */
  #actionOn({ condition, severity }: SegmentSymptom): Action {
    const { actionOf, hasAlternative } = this.#options.detection
    const chosen = actionOf(condition)
    if (chosen === 'off') return 'off'
    const wanted = severity === 'at_most_warn' ? 'warn' : chosen
    return wanted === 'fail' && !hasAlternative(condition) ? 'warn' : wanted
  }

  #warn({ candidateId }: Reference, { condition, message, evidence }: SegmentSymptom): void {
    const { clock, publisher, listener } = this.#options
    const { current } = publisher
    if (current?.source.candidateId !== candidateId) return
    const key = `${candidateId} ${condition}`
    const nowMs = clock.nowMs()
    if (nowMs - (this.#warnedMs.get(key) ?? Number.NEGATIVE_INFINITY) < WARNING_REPEAT_MS) return
    this.#warnedMs.delete(key)
    this.#warnedMs.set(key, nowMs)
    forgetOldest(this.#warnedMs, WARNINGS_MAX)
    const times = { sinceMs: current.lastGoodMs, detectedMs: nowMs }
    listener.warned(current.source.candidateId, {
      condition,
      reason: condition,
      action: 'warn',
      message,
      evidence,
      ...times,
    })
  }

  #leave({ candidateId, span }: Reference, failure: SourceFailure): void {
    const { publisher, slots } = this.#options
    const { current } = publisher
    const isOnAir = current?.source.candidateId === candidateId && slots.stitch.span?.number === span
    if (isOnAir) current.fail(failure)
  }
}
