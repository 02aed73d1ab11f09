import { readdirSync } from 'node:fs'
import { describeExit, ProcessUnavailable } from '../process/process-spec.ts'
import type { Processes } from '../process/processes.ts'
import { runProcess } from '../process/run-process.ts'

/** Kinds of encoders in silicon, in the order in which they are preferred. */
export const HARDWARE_TYPES = ['nvenc', 'qsv', 'vaapi', 'v4l2m2m'] as const
export type HardwareType = (typeof HARDWARE_TYPES)[number]
export const HARDWARE_CHOICES = ['auto', 'off', ...HARDWARE_TYPES] as const

export interface HardwareAttempt {
  readonly type: HardwareType
  readonly isUsable: boolean
  /** Why it cannot be used, as the trial said. */
  readonly reason: string | undefined
  readonly device: string | undefined
}

/** What there is in this machine, found by trying. */
export interface HardwareReport {
  readonly attempts: readonly HardwareAttempt[]
  /** The one that profiles use; undefined for software. */
  readonly used: { readonly type: HardwareType; readonly device: string | undefined } | undefined
}

const TRIAL_LIMIT_MS = 8_000
const TRIAL_OUTPUT_BYTES_MAX = 1_048_576
const DEVICE_DIRECTORY = '/dev/dri'

export interface HardwareOptions {
  readonly processes: Processes
  readonly program: string
  readonly wanted: (typeof HARDWARE_CHOICES)[number]
  /** Names in the directory of render nodes; the system's by default. */
  readonly renderNodes?: () => readonly string[]
}

/** Tries hardware once, when it is first asked for, and remembers. */
export class Hardware {
  readonly #options: HardwareOptions
  #report: Promise<HardwareReport> | undefined
  #known: HardwareReport | undefined

  constructor(options: HardwareOptions) {
    this.#options = options
  }

  /** What was found; undefined until somebody has asked and the trials are over. */
  get known(): HardwareReport | undefined {
    return this.#known
  }

  /** Never rejects. */
  async report(): Promise<HardwareReport> {
    this.#report ??= this.#try()
    return this.#report
  }

  async #try(): Promise<HardwareReport> {
    const { wanted } = this.#options
    const types = wanted === 'off' ? [] : HARDWARE_TYPES.filter((type) => wanted === 'auto' || wanted === type)
    const attempts: HardwareAttempt[] = []
    // One after another: a trial next to streams that run should not take more than a moment of one core.
    for (const type of types) attempts.push(await this.#attempt(type))
    const used = attempts.find(({ isUsable }) => isUsable)
    this.#known = { attempts, used: used === undefined ? undefined : { type: used.type, device: used.device } }
    return this.#known
  }

  /** Encodes one picture. */
  async #attempt(type: HardwareType): Promise<HardwareAttempt> {
    const { processes, program } = this.#options
    const device = type === 'vaapi' || type === 'qsv' ? this.#renderNode() : undefined
    const failed = (reason: string): HardwareAttempt => ({ type, isUsable: false, reason, device })
    if (type === 'vaapi' && device === undefined) return failed(`there is no render node in ${DEVICE_DIRECTORY}`)
    try {
      const { exit, output } = await runProcess(processes, {
        ...{ kind: 'probe', program, args: trialArguments(type, device), priority: 'low' },
        ...{ runLimitMs: TRIAL_LIMIT_MS, outputBytesMax: TRIAL_OUTPUT_BYTES_MAX },
      })
      if (exit.reason === 'exited' && exit.code === 0 && output.length > 0) {
        return { type, isUsable: true, reason: undefined, device }
      }
      const said = exit.stderrTail.find((line) => !/^Conversion failed|^Error initializing output/.test(line))
      return failed(said ?? describeExit(exit, program))
    } catch (error) {
      if (error instanceof ProcessUnavailable) return failed(error.message)
      throw error
    }
  }

  #renderNode(): string | undefined {
    const list = this.#options.renderNodes ?? (() => readdirSync(DEVICE_DIRECTORY))
    try {
      const name = [...list()].toSorted().find((each) => /^renderD\d{3}$/.test(each))
      return name === undefined ? undefined : `${DEVICE_DIRECTORY}/${name}`
    } catch {
      return undefined
    }
  }
}

/** ffmpeg's arguments for one picture through an encoder; what it made comes out, so that success is seen and not told. */
export function trialArguments(type: HardwareType, device: string | undefined): readonly string[] {
  const chain = type === 'vaapi' ? 'format=nv12,hwupload' : type === 'qsv' ? 'format=nv12' : 'format=yuv420p'
  return [
    ...['-hide_banner', '-loglevel', 'error', '-nostdin'],
    ...(type === 'vaapi' && device !== undefined ? ['-vaapi_device', device] : []),
    ...['-f', 'lavfi', '-i', 'color=c=gray:s=320x240:r=25:d=0.2', '-vf', chain],
    ...['-frames:v', '1', '-c:v', `h264_${type}`, '-f', 'h264', 'pipe:1'],
  ]
}
