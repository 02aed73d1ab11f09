import type { RenditionRequest, TranscodeRequest } from '../streams/service.ts'
import type { EncoderArguments } from './encoder-arguments.ts'
import type { Hardware } from './hardware.ts'
import { ladderArguments } from './ladder/ladder-arguments.ts'
import { bestFirst, defaultRungs } from './ladder/rungs.ts'
import { linesOf } from './ladder/source-lines.ts'
import type { Profiles, ResolvedProfile } from './profiles.ts'

export interface EncoderPlanOptions {
  readonly profiles: Profiles
  readonly hardware: Hardware
  /** TRANSCODE_RAW_ARGS. */
  readonly mayBeRaw: boolean
  readonly transcode: () => TranscodeRequest
}

/** So much is looked at for the size of the picture. */
const HEAD_BYTES_MAX = 1_048_576

/** What the encoders of one stream are told to make: the profile, the hardware, and the renditions of a ladder. */
export class EncoderPlan {
  readonly #options: EncoderPlanOptions
  #profile: ResolvedProfile
  #rungs: readonly RenditionRequest[] | undefined
  /** The encoder in silicon has failed; from now on the processor does it. */
  #isHardwareOff = false

  /** Throws when there is no such profile, or it may not be used. */
  constructor(options: EncoderPlanOptions) {
    this.#options = options
    this.#profile = this.#resolve(false)
    this.#rungs = this.#asked
  }

  get profile(): ResolvedProfile {
    return this.#profile
  }

  get hasVideo(): boolean {
    return !this.#profile.arguments.output.includes('-vn')
  }

  /** Of a ladder what is made, best first; undefined while that depends on a source that has not been seen. */
  get rungs(): readonly RenditionRequest[] | undefined {
    return this.#rungs
  }

  /** It did not do: the processor has to. */
  hardwareFailed(): void {
    if (this.#profile.hardware !== undefined) this.#isHardwareOff = true
  }

  /** Whether more of the input has to be seen before an encoder can be started. */
  needsMore(head: Buffer): boolean {
    const isSizeWanted = this.#profile.ladder !== undefined && this.#rungs === undefined
    return isSizeWanted && head.length < HEAD_BYTES_MAX && linesOf(head) === undefined
  }

  /** Nobody has seen anything of what was made: the source decides anew how large it may be. */
  forgetSource(): void {
    this.#rungs = this.#asked
  }

  /** For the next encoder, whose input begins with `head`. */
  async arguments(head: Buffer): Promise<EncoderArguments> {
    if (!this.#isHardwareOff) await this.#options.hardware.report()
    this.#profile = this.#resolve(!this.#isHardwareOff)
    const { ladder, arguments: own } = this.#profile
    if (ladder === undefined) return own
    this.#rungs ??= defaultRungs(linesOf(head))
    return ladderArguments(own, this.#rungs, ladder.lastFilter)
  }

  get #asked(): readonly RenditionRequest[] | undefined {
    const { renditions } = this.#options.transcode()
    return renditions === undefined ? undefined : bestFirst(renditions)
  }

  #resolve(isHardwareUsed: boolean): ResolvedProfile {
    const { profiles, hardware, mayBeRaw, transcode } = this.#options
    const { profile, variables, format } = transcode()
    const used = isHardwareUsed ? hardware.known?.used : undefined
    return profiles.resolve({ profile, variables, format, mayBeRaw }, used)
  }
}
