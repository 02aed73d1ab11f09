import type { Clock } from '../../lib/clock.ts'
import type { SlateMaker } from '../outage.ts'
import { SlatePlayer } from './slate-player.ts'
import type { SlateRenderer } from './slate-renderer.ts'

export interface SlateMakerOptions {
  readonly renderer: SlateRenderer
  readonly clock: Clock
}

/** Renders a slate, and then plays it anew as often as it is asked to. */
export function createSlateMaker({ renderer, clock }: SlateMakerOptions): SlateMaker {
  return {
    prepare: async (signature, { file, text }, signal) => {
      const slate = await renderer.slateFor(signature, { file, text }, signal)
      return (listener) => new SlatePlayer({ slate, clock, listener })
    },
  }
}
