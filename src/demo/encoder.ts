import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { Clock } from '../lib/clock.ts'
import { encoderArguments, textProbeArguments } from './programme.ts'
import type { Programme } from './programme.ts'

export const FFMPEG_MISSING = [
  'the demo makes its pictures with ffmpeg, and ffmpeg was not found. To get it:',
  '  Debian, Ubuntu: apt-get update && apt-get install -y ffmpeg',
  '  Fedora: dnf install ffmpeg-free    Alpine: apk add ffmpeg    macOS: brew install ffmpeg',
].join('\n')

/** A process gets this long to end by itself before it is killed. */
const END_MS_MAX = 2_000

/** Whether ffmpeg is there, and whether it can write text into a picture (that takes a font). */
export function probeFfmpeg(): { readonly found: boolean; readonly canWriteText: boolean } {
  const found = spawnSync('ffmpeg', ['-hide_banner', '-version'], { stdio: 'ignore' }).status === 0
  return { found, canWriteText: found && spawnSync('ffmpeg', textProbeArguments, { stdio: 'ignore' }).status === 0 }
}

interface EncoderOptions {
  readonly programme: Programme
  readonly canWriteText: boolean
  readonly clock: Clock
  readonly onBytes: (bytes: Buffer) => void
}

/** One ffmpeg that makes a programme in real time; ends with its owner. */
export class Encoder implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #clock: Clock

  constructor({ programme, canWriteText, clock, onBytes }: EncoderOptions) {
    this.#clock = clock
    this.#child = spawn('ffmpeg', encoderArguments(programme, canWriteText), { stdio: ['ignore', 'pipe', 'inherit'] })
    // When it cannot run there is no picture, and the demo says so when it waits for the first one.
    this.#child.once('error', () => {})
    this.#child.stdout?.on('data', onBytes)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProcess(this.#child, this.#clock)
  }
}

/** Asks a child process to end, then makes it. Resolves when it has ended. */
export async function endProcess(child: ChildProcess, clock: Clock): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
  })
  child.kill('SIGTERM')
  const timer = clock.schedule(END_MS_MAX, () => child.kill('SIGKILL'))
  await ended
  timer.cancel()
}
