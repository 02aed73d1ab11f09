import { describeExit, ProcessUnavailable } from '../../process/process-spec.ts'
import type { Processes } from '../../process/processes.ts'
import { runProcess } from '../../process/run-process.ts'
import { SlateError } from './slate-error.ts'

export interface FfmpegRun {
  readonly processes: Processes
  /** A name on the PATH, or a path. */
  readonly program: string
  readonly args: readonly string[]
  /** Given to it on standard input. */
  readonly input?: Buffer | undefined
  readonly limitMs: number
  readonly outputBytesMax: number
  readonly signal: AbortSignal
}

export interface FfmpegResult {
  readonly isOk: boolean
  readonly output: Buffer
  /** What it said, oldest first; of a long speech the end. */
  readonly lines: readonly string[]
}

/** A file may have many streams, each with its metadata. */
const LINES_MAX = 256

/**
 * Runs ffmpeg below the priority of the gateway: viewers come first, but a slate that never gets ready is none. Rejects
 * with a SlateError when there is no such program, it takes longer than `limitMs` or writes more than `outputBytesMax`,
 * and with the signal's reason when that aborts; the process is gone then.
 */
export async function runFfmpeg(run: FfmpegRun): Promise<FfmpegResult> {
  const { processes, program, args, input, limitMs, outputBytesMax, signal } = run
  const lines: string[] = []
  const { exit, output, isOutputTooLarge } = await runProcess(processes, {
    ...{ kind: 'slate', program, args, priority: 'below_normal', runLimitMs: limitMs, outputBytesMax, signal },
    ...(input === undefined ? {} : { input }),
    onLine: (line) => {
      lines.push(line)
      if (lines.length > LINES_MAX) lines.shift()
    },
  }).catch((error: unknown) => {
    if (!(error instanceof ProcessUnavailable)) throw error
    const isMissing = error.reason === 'program_missing'
    throw new SlateError('no_ffmpeg', isMissing ? 'ffmpeg is not installed' : `ffmpeg cannot be run: ${error.message}`)
  })
  if (isOutputTooLarge)
    throw new SlateError('render_failed', `it would be larger than ${outputBytesMax / 1_048_576} MiB`)
  switch (exit.reason) {
    case 'exited':
      return { isOk: exit.code === 0, output, lines }
    case 'not_started':
      throw new SlateError('no_ffmpeg', describeExit(exit, 'ffmpeg'))
    case 'run_timeout':
    case 'start_timeout':
      throw new SlateError('render_failed', `ffmpeg did not finish within ${limitMs / 1_000} s`)
    case 'stopped':
      throw new SlateError('render_failed', 'the gateway is shutting down')
    default:
      return exit.reason satisfies never
  }
}
