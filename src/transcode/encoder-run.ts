import type { ProcessUnavailable } from '../process/process-spec.ts'
import type { EncoderProgress } from './progress.ts'

/** How a run of an encoder ended. */
export interface EncoderEnd {
  /** `closed`: nobody needs it any more, or what it put out was found wanting. */
  readonly kind: 'process_unavailable' | 'process_failed' | 'input_failed' | 'input_ended' | 'closed'
  readonly message: string
  /** Why there is no process. */
  readonly unavailable?: ProcessUnavailable['reason']
}

/** One ffmpeg, from the moment that somebody wants it to its end. Times are monotonic milliseconds. */
export interface EncoderRun {
  readonly pid: number | undefined
  readonly startedAtMs: number
  /** Of the first bytes it put out; undefined before. */
  readonly firstOutputAtMs: number | undefined
  readonly bytesIn: number
  readonly bytesOut: number
  /** Times it was too slow and its input went on at a later keyframe. */
  readonly skips: number
  readonly progress: EncoderProgress | undefined
  readonly end: EncoderEnd | undefined
}
