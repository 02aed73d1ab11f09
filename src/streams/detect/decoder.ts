import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { errorMessage } from '../../lib/errors.ts'
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
const LINE_CHARACTERS_MAX = 4_096
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

/**
 * Starts ffmpeg at the lowest priority that still runs. `command` is the program with arguments before its own. It ends
 * with this process, whose end closes its input.
 */
export function startDecoder(
  spec: DecoderSpec,
  listener: DecoderListener,
  command: readonly [program: string, ...args: readonly string[]] = ['ffmpeg'],
): Decoder {
  const [program, ...args] = command
  return new FfmpegDecoder(spec, listener, program, args)
}

class FfmpegDecoder implements Decoder {
  readonly #child: ChildProcess
  readonly #listener: DecoderListener
  readonly #luma = Buffer.alloc(PICTURE_BYTES)
  #lumaBytes = 0
  readonly #pictures: Buffer[] = []
  readonly #times: number[] = []
  #line = ''
  #lastLine = ''
  #isOptionUnknown = false
  #hasEnded = false

  constructor(spec: DecoderSpec, listener: DecoderListener, program: string, args: readonly string[]) {
    this.#listener = listener
    const child = spawn(program, [...args, ...decoderArguments(spec)], { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] })
    this.#child = child
    if (child.pid !== undefined) lowerPriority(child.pid)
    child.on('error', (error: NodeJS.ErrnoException) => {
      this.#end(error.code === 'ENOENT' ? 'not_found' : 'exited', errorMessage(error))
    })
    // Not at its exit: what it said last may not have been read by then.
    child.on('close', (code, signal) => {
      const detail = `${this.#lastLine} (${code ?? signal ?? 'unknown'})`
      this.#end(this.#isOptionUnknown ? 'option_unknown' : 'exited', detail)
    })
    for (const stream of child.stdio) stream?.on('error', () => {})
    child.stdout?.on('data', (bytes: Buffer) => this.#takeLuma(bytes))
    child.stderr?.setEncoding('latin1').on('data', (text: string) => this.#takeText(text))
    child.stdio[3]?.on('data', (bytes: Buffer) => {
      if (!this.#hasEnded) listener.sound(bytes)
    })
  }

  write(packets: Buffer): boolean {
    const { stdin } = this.#child
    if (stdin === null || stdin.destroyed || stdin.writableLength + packets.length > DECODER_QUEUE_BYTES_MAX)
      return false
    stdin.write(packets)
    return true
  }

  close(): void {
    this.#hasEnded = true
    this.#child.stdin?.destroy()
    this.#child.kill('SIGKILL')
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

  #takeText(text: string): void {
    const lines = (this.#line + text).split(/[\r\n]+/)
    this.#line = (lines.pop() ?? '').slice(-LINE_CHARACTERS_MAX)
    for (const line of lines) {
      const isPicture = line.includes('showinfo') && / n: *\d+ /.test(line)
      if (!isPicture) {
        // What showinfo says of colours and side data is no news.
        if (line !== '' && !line.includes('showinfo')) this.#lastLine = line.slice(0, LINE_CHARACTERS_MAX)
        this.#isOptionUnknown ||= /Unrecognized option '?fps_mode/.test(line)
        continue
      }
      this.#times.push(Number(/ pts_time: *([\d.-]+)/.exec(line)?.[1]) * 1_000)
    }
    this.#pair()
  }

  /** The times come by another way than the pictures, in the same order. */
  #pair(): void {
    while (this.#pictures.length > 0 && this.#times.length > 0) {
      const [picture, time] = [this.#pictures.shift(), this.#times.shift()]
      if (picture !== undefined && time !== undefined && !this.#hasEnded) this.#listener.picture(picture, time)
    }
    if (Math.max(this.#pictures.length, this.#times.length) > UNPAIRED_MAX) {
      this.#child.kill('SIGKILL')
      this.#end('exited', 'its pictures and their times do not match')
    }
  }

  #end(reason: DecoderEnd['reason'], detail: string): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#child.stdin?.destroy()
    this.#listener.ended({ reason, detail })
  }
}

/** Decoding must never cost a viewer a packet. Where the system does not allow it, it runs as it is. */
function lowerPriority(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW)
  } catch {
    // It has ended already, or may not be changed.
  }
}
