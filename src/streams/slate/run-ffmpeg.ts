import { spawn } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import type { Clock } from '../../lib/clock.ts'
import { errorMessage } from '../../lib/errors.ts'
import { SlateError } from './slate-error.ts'

export interface FfmpegRun {
  /** The program, and arguments that come before `args`. */
  readonly command: readonly [program: string, ...args: readonly string[]]
  readonly args: readonly string[]
  /** Given to it on standard input. */
  readonly input?: Buffer | undefined
  readonly clock: Clock
  readonly limitMs: number
  readonly outputBytesMax: number
  readonly signal: AbortSignal
}

export interface FfmpegResult {
  readonly isOk: boolean
  readonly output: Buffer
  /** The end of what it said. */
  readonly text: string
}

const TEXT_CHARACTERS_MAX = 16_384

/**
 * Runs ffmpeg below the priority of the gateway. Rejects with a SlateError when there is no such program, it takes longer
 * than `limitMs` or writes more than `outputBytesMax`, and with the signal's reason when that aborts; the process is gone
 * or killed then.
 */
export async function runFfmpeg({
  command,
  args,
  input,
  clock,
  limitMs,
  outputBytesMax,
  signal,
}: FfmpegRun): Promise<FfmpegResult> {
  signal.throwIfAborted()
  const [program, ...before] = command
  const child = spawn(program, [...before, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  const { promise, resolve, reject } = Promise.withResolvers<FfmpegResult>()
  const output: Buffer[] = []
  let outputBytes = 0
  let text = ''
  const onAbort = () => reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)))
  const timer = clock.schedule(limitMs, () =>
    reject(new SlateError('render_failed', `ffmpeg did not finish within ${limitMs / 1_000} s`)),
  )
  signal.addEventListener('abort', onAbort, { once: true })
  child.stdout.on('data', (bytes: Buffer) => {
    outputBytes += bytes.length
    if (outputBytes <= outputBytesMax) output.push(bytes)
    else reject(new SlateError('render_failed', `it would be larger than ${outputBytesMax / 1_048_576} MiB`))
  })
  child.stderr.setEncoding('utf8').on('data', (more: string) => {
    text = (text + more).slice(-TEXT_CHARACTERS_MAX)
  })
  child.on('error', (error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? 'ffmpeg is not installed' : `ffmpeg cannot be run: ${errorMessage(error)}`
    reject(new SlateError('no_ffmpeg', reason))
  })
  child.on('close', (code) => resolve({ isOk: code === 0, output: Buffer.concat(output), text }))
  // A program that ends before it has read its input closes the pipe.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  if (child.pid !== undefined) lowerPriority(child.pid)
  try {
    return await promise
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', onAbort)
    child.kill('SIGKILL')
  }
}

/** Viewers come first, but a slate that never gets ready is none. */
function lowerPriority(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // It has ended already, or may not be changed.
  }
}
