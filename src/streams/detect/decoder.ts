import { errorMessage } from '../../lib/errors.ts'
import { ProcessUnavailable } from '../../process/process-spec.ts'
import type { ProcessExit } from '../../process/process-spec.ts'
import type { Processes } from '../../process/processes.ts'
import type { SupervisedProcess } from '../../process/supervised-process.ts'
import { PICTURE_BYTES, PICTURE_HEIGHT, PICTURE_WIDTH } from './picture-watch.ts'
import { SOUND_CHANNELS, SOUND_SAMPLES_PER_SECOND } from './sound-watch.ts'

/** What a decoder is to decode of the packets that it is given. */
export interface DecoderSpec {
  /** PIDs; undefined: not decoded. At least one is given. */
  readonly videoPid: number | undefined
  readonly audioPid: number | undefined
  /**
   * `keyframes` costs least. Some H.264 (open groups of pictures) cannot be decoded so, since the order of its keyframes
   * is lost with what lies between them; it needs every picture that others refer to.
   */
  readonly pictures: 'keyframes' | 'references'
  /** The option by which ffmpeg hands on each picture once; -vsync is its name before version 5.1. */
  readonly passthroughOption: PassthroughOption
}

export type PassthroughOption = '-fps_mode' | '-vsync'

export interface DecoderListener {
  /** Luma of a picture in small; valid during the call. `mediaMs` is its time on the decoder's own clock, NaN without. */
  picture(luma: Buffer, mediaMs: number): void
  /** Samples as `SoundWatch` takes them; valid during the call. */
  sound(samples: Buffer): void
  /** The process is gone, unless `close` ended it. Called once. */
  ended(end: DecoderEnd): void
}

export interface DecoderEnd {
  readonly reason: 'not_found' | 'option_unknown' | 'exited'
  /** What it last said, for the log. */
  readonly detail: string
}

export interface Decoder {
  /** Hands over whole packets, which are not kept; false when it is too slow, and nothing was taken. */
  write(packets: Buffer): boolean
  close(): void
}

export type StartDecoder = (spec: DecoderSpec, listener: DecoderListener) => Decoder

/** Bytes that wait for the decoder; a keyframe of 50 Mbit/s fits. */
export const DECODER_QUEUE_BYTES_MAX = 4 * 1024 * 1024
/** At most so many pictures a second are judged, however many keyframes there are. */
const PICTURE_INTERVAL_SECONDS = 0.5
const PROBE_BYTES = 1_000_000
const PROBE_MICROSECONDS = 1_000_000
/** Pictures whose time has not been read yet, and the reverse. */
const UNPAIRED_MAX = 64

/** ffmpeg's arguments: packets on standard input, luma on standard output, sound on descriptor 3, times among the log. */
export function decoderArguments({ videoPid, audioPid, pictures, passthroughOption }: DecoderSpec): readonly string[] {
  const size = `scale=${PICTURE_WIDTH}:${PICTURE_HEIGHT}:flags=area`
  const sparse = `select='isnan(prev_selected_t)+gte(t-prev_selected_t\\,${PICTURE_INTERVAL_SECONDS})'`
  return [
    ...['-hide_banner', '-nostats', '-loglevel', 'info', '-threads', '1'],
    ...['-probesize', `${PROBE_BYTES}`, '-analyzeduration', `${PROBE_MICROSECONDS}`],
    ...(pictures === 'keyframes'
      ? ['-skip_frame:v', 'nokey', '-skip_loop_filter:v', 'all']
      : ['-skip_frame:v', 'noref']),
    ...['-f', 'mpegts', '-i', 'pipe:0'],
    ...(videoPid === undefined
      ? []
      : [
          ...['-map', `0:i:${videoPid}`, '-vf', `${sparse},${size},format=gray,showinfo`],
          ...[passthroughOption, 'passthrough', '-flush_packets', '1', '-f', 'rawvideo', 'pipe:1'],
        ]),
    ...(audioPid === undefined
      ? []
      : [
          ...['-map', `0:i:${audioPid}`, '-ac', `${SOUND_CHANNELS}`, '-ar', `${SOUND_SAMPLES_PER_SECOND}`],
          ...['-flush_packets', '1', '-f', 's16le', 'pipe:3'],
        ]),
  ]
}

/** The program, and arguments that come before those of the decoder. */
export type DecoderCommand = readonly [program: string, ...args: readonly string[]]

/** Starts ffmpeg at the lowest priority that still runs: decoding must never cost a viewer a packet. */
export function decoderStarter(processes: Processes, command: DecoderCommand = ['ffmpeg']): StartDecoder {
  return (spec, listener) => new FfmpegDecoder(spec, listener, processes, command)
}

class FfmpegDecoder implements Decoder {
  readonly #process: SupervisedProcess | undefined
  readonly #listener: DecoderListener
  readonly #luma = Buffer.alloc(PICTURE_BYTES)
  #lumaBytes = 0
  readonly #pictures: Buffer[] = []
  readonly #times: number[] = []
  #lastLine = ''
  #isOptionUnknown = false
  #hasEnded = false

  constructor(spec: DecoderSpec, listener: DecoderListener, processes: Processes, command: DecoderCommand) {
    this.#listener = listener
    const [program, ...before] = command
    try {
      this.#process = processes.start({
        ...{ kind: 'decoder', program, args: [...before, ...decoderArguments(spec)], priority: 'low' },
        ...{ stdin: 'pipe', stdout: 'pipe', extraPipes: 1, onLine: (line) => this.#takeLine(line) },
      })
    } catch (error) {
      const isMissing = error instanceof ProcessUnavailable && error.reason === 'program_missing'
      // Told as any other end is: after the start.
      queueMicrotask(() => this.#end(isMissing ? 'not_found' : 'exited', errorMessage(error)))
      return
    }
    this.#process.stdout?.on('data', (bytes: Buffer) => this.#takeLuma(bytes))
    this.#process.extraPipe(0)?.on('data', (bytes: Buffer) => {
      if (!this.#hasEnded) listener.sound(bytes)
    })
    void this.#process.exited.then((exit) => this.#exited(exit))
  }

  write(packets: Buffer): boolean {
    const stdin = this.#process?.stdin
    if (stdin === undefined || stdin.destroyed) return false
    if (stdin.writableLength + packets.length > DECODER_QUEUE_BYTES_MAX) return false
    stdin.write(packets)
    return true
  }

  close(): void {
    this.#hasEnded = true
    this.#process?.stdin?.destroy()
    this.#process?.kill()
  }

  #takeLuma(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const taken = bytes.copy(this.#luma, this.#lumaBytes, at)
      at += taken
      this.#lumaBytes += taken
      if (this.#lumaBytes < PICTURE_BYTES) return
      this.#lumaBytes = 0
      this.#pictures.push(Buffer.from(this.#luma))
    }
    this.#pair()
  }

  #takeLine(line: string): void {
    const isPicture = line.includes('showinfo') && / n: *\d+ /.test(line)
    if (isPicture) {
      this.#times.push(Number(/ pts_time: *([\d.-]+)/.exec(line)?.[1]) * 1_000)
      this.#pair()
      return
    }
    // What showinfo says of colours and side data is no news.
    if (!line.includes('showinfo')) this.#lastLine = line
    this.#isOptionUnknown ||= /Unrecognized option '?fps_mode/.test(line)
  }

  /** The times come by another way than the pictures, in the same order. */
  #pair(): void {
    while (this.#pictures.length > 0 && this.#times.length > 0) {
      const [picture, time] = [this.#pictures.shift(), this.#times.shift()]
      if (picture !== undefined && time !== undefined && !this.#hasEnded) this.#listener.picture(picture, time)
    }
    if (Math.max(this.#pictures.length, this.#times.length) > UNPAIRED_MAX) {
      this.#process?.kill()
      this.#end('exited', 'its pictures and their times do not match')
    }
  }

  #exited({ code, signal }: ProcessExit): void {
    const detail = `${this.#lastLine} (${code ?? signal ?? 'unknown'})`
    this.#end(this.#isOptionUnknown ? 'option_unknown' : 'exited', detail)
  }

  #end(reason: DecoderEnd['reason'], detail: string): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#process?.stdin?.destroy()
    this.#listener.ended({ reason, detail })
  }
}
