import { HoldfastError } from '../../../lib/errors.ts'
import type { ReloadTarget, SlotOutput } from './slot-output.ts'

/** The delivery directives of a blocking reload (bis §6.2.5.2). Throws invalid_request for a part without a segment. */
export function reloadTarget(query: Readonly<Record<string, string>>): ReloadTarget | undefined {
  const { _HLS_msn: sequence, _HLS_part: part } = query
  if (sequence === undefined && part === undefined) return undefined
  const isSound = /^\d{1,15}$/.test(sequence ?? '') && (part === undefined || /^\d{1,6}$/.test(part))
  if (!isSound)
    throw new HoldfastError('invalid_request', '_HLS_msn and _HLS_part are whole numbers, and _HLS_part needs _HLS_msn')
  return { sequence: Number(sequence), part: part === undefined ? undefined : Number(part) }
}

/** bis §6.2.5.2: what lies more than two segments ahead will not be there in time. Throws invalid_request for it. */
export function checkReloadTarget({ timeline, features }: SlotOutput, target: ReloadTarget | undefined): void {
  if (target === undefined || features?.canBlockReload !== true || timeline.segments.length === 0) return
  if (target.sequence <= timeline.nextSequence + 1) return
  throw new HoldfastError(
    'invalid_request',
    `_HLS_msn ${target.sequence} is too far ahead; the next is ${timeline.nextSequence}`,
  )
}
