import type { SwitchReceipt } from '../receipts/receipt.ts'
import type { DrillReport, DrillStep } from './drill-report.ts'
import { mediaWords } from './media-verdict.ts'
import type { MediaVerdict } from './media-verdict.ts'

export interface DrillOutcome {
  readonly steps: readonly DrillStep[]
  readonly viewers: DrillReport['viewers']
  readonly media: MediaVerdict | undefined
  /** Switches that were no part of the drill. */
  readonly others: readonly SwitchReceipt[]
  /** What did not go as it should, in words. */
  readonly problems: readonly string[]
  /** Media of the channel flows at the end. */
  readonly isLive: boolean
}

/** A pause that is longer than this is not covered by what players commonly have in their buffers. */
const GAP_MS_COVERED = 2_000

/** Whether viewers will have noticed, and why. */
export function judgeDrill(outcome: DrillOutcome): Pick<DrillReport, 'verdict' | 'findings'> {
  const { steps, viewers, media, others, problems, isLive } = outcome
  const failures = [
    ...problems,
    ...others.map(({ to, trigger, reason }) => `source ${to.index} came on air by ${trigger} (${reason}) meanwhile`),
    ...(isLive ? [] : ['the channel is not on air at the end']),
  ]
  const visible = [...steps.flatMap(stepWords), ...(media === undefined ? [] : mediaWords(media))]
  const left = viewers.before - viewers.kept
  const remarks = left === 0 ? [] : [`${left} of ${viewers.before} viewers are not connected any more`]
  const verdict = failures.length > 0 ? 'failed' : visible.length > 0 ? 'visible' : 'seamless'
  return { verdict, findings: [...failures, ...visible, ...remarks] }
}

function stepWords({ name, receipt: { measured } }: DrillStep): readonly string[] {
  if (measured === undefined) return []
  const { gapMs, seam } = measured
  const words: string[] = []
  if (gapMs > GAP_MS_COVERED) words.push(`on the way ${name} viewers were given nothing for ${Math.round(gapMs)} ms`)
  if (seam === 'discontinuity')
    words.push(
      `on the way ${name} the codec changed, or pictures or sound began or ended, which many players do not survive`,
    )
  if (seam === 'packet_aligned' || seam === 'reconnect') {
    words.push(`on the way ${name} the sources were not joined into one programme (${seam})`)
  }
  return words
}
