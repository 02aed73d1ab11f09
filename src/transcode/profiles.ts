import { HoldfastError } from '../lib/errors.ts'
import { encoderArguments, ProfileRefused } from './encoder-arguments.ts'
import type { EncoderArguments, TranscodeFormat } from './encoder-arguments.ts'
import type { HardwareType } from './hardware.ts'
import { hardwareParameters, lastFilterOf } from './hardware-profiles.ts'
import { LADDER_PROFILE } from './ladder/rungs.ts'
import { variableProblems } from './profile-template.ts'

/** A named way to encode. */
export interface Profile {
  readonly name: string
  readonly description: string
  /** Arguments of ffmpeg with places for variables; see profile-template.ts. */
  readonly parameters: string
  /** One ffmpeg makes several renditions of it; what differs from one to the next is not in the parameters. */
  readonly isLadder?: true
}

/** What variables are when neither the request nor the profile says. */
export const DEFAULT_VARIABLES: Readonly<Record<string, string>> = {
  video_bitrate: '2M',
  audio_bitrate: '128k',
  crf: '23',
  preset: 'veryfast',
  keyframe_seconds: '2',
  format: 'mpegts',
}

const SOUND = '-c:a aac -b:a {audio_bitrate|128k} -ar 48000 -ac 2'
const KEYFRAMES = '-sc_threshold 0 -force_key_frames expr:gte(t,n_forced*{keyframe_seconds|2})'
const H264 = `-c:v libx264 -pix_fmt yuv420p ${KEYFRAMES}`

export const BUILT_IN_PROFILES: readonly Profile[] = [
  {
    name: 'default',
    description: 'H.264 and AAC at the size of the source, for every player',
    parameters: `${H264} -preset {preset|veryfast} -crf {crf|23} -maxrate {video_bitrate|2M} -bufsize {video_bitrate|2M} ${SOUND}`,
  },
  {
    name: 'hq',
    description: 'H.264 of higher quality at the size of the source; costs more of the processor',
    parameters: `${H264} -preset {preset|medium} -crf {crf|20} -maxrate {video_bitrate|6M} -bufsize {video_bitrate|6M} -c:a aac -b:a {audio_bitrate|192k} -ar 48000 -ac 2`,
  },
  {
    name: 'lowlatency',
    description: 'H.264 without pictures that wait for others, a keyframe each second',
    parameters: `-c:v libx264 -pix_fmt yuv420p -preset {preset|ultrafast} -tune zerolatency -bf 0 -sc_threshold 0 -force_key_frames expr:gte(t,n_forced*{keyframe_seconds|1}) -b:v {video_bitrate|2M} -maxrate {video_bitrate|2M} -bufsize {video_bitrate|2M} ${SOUND} -muxdelay 0`,
  },
  {
    name: '720p',
    description: 'H.264, 720 lines',
    parameters: `${H264} -vf scale=-2:720 -preset {preset|veryfast} -crf {crf|23} -maxrate {video_bitrate|3M} -bufsize {video_bitrate|3M} ${SOUND}`,
  },
  {
    name: '1080p',
    description: 'H.264, 1080 lines',
    parameters: `${H264} -vf scale=-2:1080 -preset {preset|veryfast} -crf {crf|23} -maxrate {video_bitrate|5M} -bufsize {video_bitrate|5M} ${SOUND}`,
  },
  {
    name: 'hevc',
    description: 'H.265 and AAC at the size of the source: half the bits for players that know it',
    parameters: `-c:v libx265 -pix_fmt yuv420p -tag:v hvc1 -preset {preset|ultrafast} -x265-params scenecut=0:open-gop=0:log-level=error -force_key_frames expr:gte(t,n_forced*{keyframe_seconds|2}) -crf {crf|28} -maxrate {video_bitrate|2M} -bufsize {video_bitrate|2M} ${SOUND}`,
  },
  {
    name: LADDER_PROFILE,
    description: 'H.264 in several sizes at once, as large as the source and smaller, for players that choose',
    parameters: `${H264} -bf 0 -preset {preset|veryfast} -c:a aac -ar 48000 -ac 2`,
    isLadder: true,
  },
  {
    name: 'audio',
    description: 'Only the sound, as AAC',
    parameters: `-vn ${SOUND}`,
  },
]

/** Of an encoder: what to encode, and for what. */
export interface ResolvedProfile {
  readonly name: string
  readonly arguments: EncoderArguments
  readonly format: TranscodeFormat
  /** The encoder in silicon that is used; undefined for software. */
  readonly hardware: HardwareType | undefined
  /** Of a profile for several renditions: what its pictures need behind the scaling. */
  readonly ladder: { readonly lastFilter: string | undefined } | undefined
}

export interface ProfileRequest {
  /** A name, or arguments of ffmpeg when it begins with `-`. */
  readonly profile: string
  readonly variables: Readonly<Record<string, string>>
  /** What the request asks for; wins over what the profile says. */
  readonly format: TranscodeFormat | undefined
  /** Whether arguments may be given in place of a name. */
  readonly mayBeRaw: boolean
}

export interface HardwareChoice {
  readonly type: HardwareType
  readonly device: string | undefined
}

/** Every profile by its name: the built-in ones and the operator's own, which win. */
export class Profiles {
  readonly #profiles: ReadonlyMap<string, Profile>

  constructor(own: readonly Profile[]) {
    this.#profiles = new Map([...BUILT_IN_PROFILES, ...own].map((profile) => [profile.name, profile]))
  }

  list(): readonly Profile[] {
    return [...this.#profiles.values()]
  }

  /**
   * What a request comes to. Built-in profiles use `hardware` where it is given and can do what they ask for. Throws
   * transcode_profile_unknown, transcode_profile_invalid, transcode_raw_arguments_refused.
   */
  resolve(request: ProfileRequest, hardware: HardwareChoice | undefined): ResolvedProfile {
    const { profile: name, variables, format, mayBeRaw } = request
    const [problem] = variableProblems(variables)
    if (problem !== undefined) {
      throw new HoldfastError('transcode_profile_invalid', `profile_variables: ${problem.name} ${problem.message}`)
    }
    const isRaw = name.startsWith('-')
    if (isRaw && !mayBeRaw) {
      throw new HoldfastError(
        'transcode_raw_arguments_refused',
        'arguments in place of a profile are for operators, and only with TRANSCODE_RAW_ARGS=true',
      )
    }
    const profile = isRaw ? undefined : this.#named(name)
    const isBuiltIn = profile !== undefined && BUILT_IN_PROFILES.includes(profile)
    const inSilicon = isBuiltIn && hardware !== undefined ? hardwareParameters(name, hardware) : undefined
    const line = inSilicon ?? profile?.parameters ?? name
    const read = readLine(line, variables, isRaw ? 'the arguments' : `the profile ${name}`)
    const asked = format ?? read.format ?? (variables['format'] === 'hls' ? 'hls' : 'mpegts')
    return {
      ...{ name: isRaw ? 'custom' : name, arguments: read, format: asked },
      hardware: inSilicon === undefined ? undefined : hardware?.type,
      ladder:
        profile?.isLadder === true
          ? { lastFilter: inSilicon === undefined || hardware === undefined ? undefined : lastFilterOf(hardware) }
          : undefined,
    }
  }

  #named(name: string): Profile {
    const profile = this.#profiles.get(name)
    if (profile !== undefined) return profile
    const names = [...this.#profiles.keys()].join(', ')
    throw new HoldfastError(
      'transcode_profile_unknown',
      `Unknown profile ${JSON.stringify(name.slice(0, 64))}. Available profiles: ${names}`,
    )
  }
}

function readLine(line: string, variables: Readonly<Record<string, string>>, what: string): EncoderArguments {
  try {
    return encoderArguments(line, variables, DEFAULT_VARIABLES)
  } catch (error) {
    if (!(error instanceof ProfileRefused)) throw error
    throw new HoldfastError('transcode_profile_invalid', `${what} cannot be used: ${error.message}`, { cause: error })
  }
}
