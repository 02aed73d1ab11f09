import type { Processes } from './processes.ts'
import type { ProcessExit, ProcessSpec } from './process-spec.ts'

export interface ProcessRun extends Omit<ProcessSpec, 'stdin' | 'stdout' | 'extraPipes' | 'startLimitMs'> {
  /** Given to it on standard input. */
  readonly input?: Buffer | string
  readonly runLimitMs: number
  /** More output than this ends it. */
  readonly outputBytesMax: number
  readonly signal?: AbortSignal
}

export interface ProcessResult {
  readonly exit: ProcessExit
  readonly output: Buffer
  /** It wrote more than `outputBytesMax`; `output` is what came before. */
  readonly isOutputTooLarge: boolean
}

/**
 * Runs a program to its end and collects what it writes. Throws ProcessUnavailable when it cannot be started, and the
 * signal's reason when that aborts; the process is killed then.
 */
export async function runProcess(processes: Processes, run: ProcessRun): Promise<ProcessResult> {
  const { input, outputBytesMax, signal, ...spec } = run
  signal?.throwIfAborted()
  const running = processes.start({ ...spec, stdin: input === undefined ? 'ignore' : 'pipe', stdout: 'pipe' })
  const output: Buffer[] = []
  let outputBytes = 0
  running.stdout?.on('data', (bytes: Buffer) => {
    outputBytes += bytes.length
    if (outputBytes <= outputBytesMax) output.push(bytes)
    else running.kill()
  })
  running.stdin?.end(input)
  const onAbort = () => running.kill()
  signal?.addEventListener('abort', onAbort, { once: true })
  const exit = await running.exited
  signal?.removeEventListener('abort', onAbort)
  signal?.throwIfAborted()
  return { exit, output: Buffer.concat(output), isOutputTooLarge: outputBytes > outputBytesMax }
}
