import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import type { Decoder, DecoderEnd, DecoderListener, DecoderSpec, PassthroughOption, StartDecoder } from './decoder.ts'

/** Why a source cannot be decoded at present. */
export type NoDecoder = 'no_decoder_free' | 'no_ffmpeg'

/** What a session is to be told when its decoder ends by itself. */
export interface DecoderUser extends Omit<DecoderListener, 'ended'> {
  ended(): void
}

export interface DecodersOptions {
  /** Processes that may run at once; 0: none ever. */
  readonly processesMax: number
  readonly clock: Clock
  readonly log: Log
  readonly start: StartDecoder
}

/** A missing program is looked for again after this. */
const NOT_FOUND_RETRY_MS = 300_000
const FULL_LOGGED_EVERY_MS = 600_000

/** The decoders of a gateway: how many may run, and whether there is a program to run. */
export class Decoders {
  readonly #options: DecodersOptions
  readonly #running = new Set<object>()
  #notFoundUntilMs = Number.NEGATIVE_INFINITY
  #fullLoggedMs = Number.NEGATIVE_INFINITY
  #isNotFoundLogged = false
  #passthroughOption: PassthroughOption = '-fps_mode'

  constructor(options: DecodersOptions) {
    this.#options = options
  }

  get running(): number {
    return this.#running.size
  }

  /** Starts a decoder if one more may run. Its `close` makes room for another. */
  open(spec: Omit<DecoderSpec, 'passthroughOption'>, user: DecoderUser): Decoder | NoDecoder {
    const { processesMax, clock, log, start } = this.#options
    const nowMs = clock.nowMs()
    if (nowMs < this.#notFoundUntilMs) return 'no_ffmpeg'
    if (this.#running.size >= processesMax) {
      if (nowMs - this.#fullLoggedMs >= FULL_LOGGED_EVERY_MS) {
        this.#fullLoggedMs = nowMs
        log.warn(
          'decoders_full',
          `Black, frozen and silent are looked for in ${processesMax} sources at once, no more`,
          {
            decoders_max: processesMax,
          },
        )
      }
      return 'no_decoder_free'
    }
    const place = {}
    this.#running.add(place)
    const decoder = start(
      { ...spec, passthroughOption: this.#passthroughOption },
      {
        picture: (luma, mediaMs) => user.picture(luma, mediaMs),
        sound: (samples) => user.sound(samples),
        ended: (end) => {
          this.#running.delete(place)
          this.#note(end)
          user.ended()
        },
      },
    )
    return {
      write: (packets) => decoder.write(packets),
      close: () => {
        this.#running.delete(place)
        decoder.close()
      },
    }
  }

  #note({ reason, detail }: DecoderEnd): void {
    const { clock, log } = this.#options
    if (reason === 'option_unknown' && this.#passthroughOption === '-fps_mode') {
      this.#passthroughOption = '-vsync'
      return
    }
    if (reason !== 'not_found') {
      log.warn('decoder_ended', 'A decoder that looks for black, frozen and silent ended and is started again', {
        detail,
      })
      return
    }
    this.#notFoundUntilMs = clock.nowMs() + NOT_FOUND_RETRY_MS
    if (this.#isNotFoundLogged) return
    this.#isNotFoundLogged = true
    log.warn('decoder_not_found', 'There is no ffmpeg here, so black, frozen and silent are not looked for', { detail })
  }
}
