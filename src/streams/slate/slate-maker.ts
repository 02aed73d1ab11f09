import type { Clock } from '../../lib/clock.ts'
import { errorMessage } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { SlateMaker } from '../outage.ts'
import { SlatePlayer } from './slate-player.ts'
import type { SlateRenderer } from './slate-renderer.ts'

export interface SlateMakerOptions {
  readonly renderer: SlateRenderer
  readonly clock: Clock
  readonly log: Log
}

/** Renders a slate, and then plays it anew as often as it is asked to. The card stands in for a file that is of no use. */
export function createSlateMaker({ renderer, clock, log }: SlateMakerOptions): SlateMaker {
  const render: SlateMaker['render'] = async (signature, { file, text }, signal) => {
    try {
      return await renderer.slateFor(signature, { file, text }, signal)
    } catch (error) {
      if (file === undefined || signal.aborted) throw error
      const card = await renderer.slateFor(signature, { text }, signal)
      log.warn('slate_file_unusable', `The card is shown in place of the slate ${file}`, {
        detail: errorMessage(error),
      })
      return card
    }
  }
  return {
    render,
    prepare: async (...wanted) => {
      const slate = await render(...wanted)
      return (listener) => new SlatePlayer({ slate, clock, listener })
    },
  }
}
