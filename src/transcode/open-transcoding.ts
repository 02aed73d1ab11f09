import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { errorMessage, HoldfastError } from '../lib/errors.ts'
import type { Processes } from '../process/processes.ts'
import { Hardware } from './hardware.ts'
import type { HARDWARE_CHOICES } from './hardware.ts'
import { readOwnProfiles } from './own-profiles.ts'
import { Profiles } from './profiles.ts'
import type { TranscodingContext } from './transcoded-stream.ts'

/** What the configuration says of transcoding. */
export interface TranscodingSettings {
  readonly transcodesMax: number
  readonly transcodeProfiles: string | undefined
  readonly transcodeRawArgs: boolean
  readonly transcodeHardware: (typeof HARDWARE_CHOICES)[number]
  readonly transcodeStartMs: number
}

const PROGRAM = 'ffmpeg'

/** How many encoders may run at once: what is configured, or one for each core. */
export function encodersMax({ transcodesMax }: Pick<TranscodingSettings, 'transcodesMax'>): number {
  return transcodesMax > 0 ? transcodesMax : availableParallelism()
}

/** Reads the operator's profiles. Throws invalid_configuration with every problem. Hardware is tried when it is needed. */
export async function openTranscoding(
  settings: TranscodingSettings,
  processes: Processes,
): Promise<TranscodingContext> {
  const { transcodeProfiles: path, transcodeRawArgs, transcodeHardware, transcodeStartMs } = settings
  return {
    processes,
    program: PROGRAM,
    profiles: new Profiles(path === undefined ? [] : readOwnProfiles(await textOf(path), path)),
    hardware: new Hardware({ processes, program: PROGRAM, wanted: transcodeHardware }),
    mayBeRaw: transcodeRawArgs,
    startLimitMs: transcodeStartMs,
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const message = `TRANSCODE_PROFILES (${path}) cannot be read: ${errorMessage(error)}`
    throw new HoldfastError('invalid_configuration', message, { cause: error })
  }
}

/** What GET /info tells of it; hardware as far as it is known without a trial. */
export function transcodingInformation({ profiles, hardware, processes, program }: TranscodingContext) {
  const used = hardware.known?.used
  return {
    hardware_acceleration: {
      enabled: used !== undefined,
      type: used?.type ?? null,
      device: used?.device ?? null,
      ffmpeg_args: used?.type === 'vaapi' && used.device !== undefined ? ['-vaapi_device', used.device] : [],
    },
    transcoding: {
      enabled: processes.isInstalled(program),
      profiles: Object.fromEntries(profiles.list().map(({ name, description }) => [name, description])),
    },
  }
}
