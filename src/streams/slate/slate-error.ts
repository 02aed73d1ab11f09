/**
 * Why there is no slate: no ffmpeg, a codec that it has no encoder for, a channel of which too little is known, a file
 * that cannot be used, a failed or overdue rendering, or too many renderings that wait.
 */
export type SlateProblem = 'no_ffmpeg' | 'no_encoder' | 'format_unknown' | 'file_unusable' | 'render_failed' | 'busy'

/** The message says in words why there is no slate; it begins with `slate unavailable: `. */
export class SlateError extends Error {
  readonly problem: SlateProblem

  constructor(problem: SlateProblem, reason: string) {
    super(`slate unavailable: ${reason}`)
    this.name = 'SlateError'
    this.problem = problem
  }
}
