import { codecText } from '../../mpegts/analyser/signature.ts'
import type { CodecSignature } from '../../mpegts/analyser/signature.ts'
import { audioEncodingOf } from './audio-encoding.ts'
import type { AudioEncoding } from './audio-encoding.ts'
import { cardGraph } from './card-graph.ts'
import type { Lettering } from './card-graph.ts'
import { SlateError } from './slate-error.ts'
import type { SlateFileFacts } from './slate-file.ts'
import { videoEncodingOf } from './video-encoding.ts'
import type { VideoEncoding } from './video-encoding.ts'

/** What ffmpeg is to be asked for to make a slate. */
export interface RenderPlan {
  readonly args: readonly string[]
  /** For its standard input. */
  readonly input: Buffer | undefined
}

export interface SlateContent {
  /** Of the built-in card. */
  readonly text: string
  readonly lettering: Lettering
  /** In place of the card. */
  readonly file: SlateFileFacts | undefined
}

const CARD_SECONDS = 4
/** Of a card that takes long to encode. */
const CARD_SECONDS_COSTLY = 2
/** Pixels in a second, of which those of HEVC count more: 200 pictures of 1080p50 take two seconds of two cores. */
const COSTLY_PIXELS = 110_000_000
const HEVC_COST = 4
const FILE_SECONDS_MAX = 60
/** A file that lasts no longer than this is a still picture. */
const STILL_SECONDS_MAX = 0.5
/** More sound than picture, so that a loop can end at any frame of sound. */
const SOUND_MARGIN_SECONDS = 0.3
const AUDIO_STREAMS_MAX = 16

/**
 * How to make a slate of `content` with the streams of `signature`. Throws a SlateError when its video cannot be encoded,
 * or nothing of it. A stream of sound that cannot be encoded is left out.
 */
export function planRender(
  signature: CodecSignature,
  content: SlateContent,
  available: ReadonlySet<string>,
): RenderPlan {
  const streams = signature.streams.filter(({ kind }) => kind === 'audio').slice(0, AUDIO_STREAMS_MAX)
  const audio = streams.flatMap((stream) => audioEncodingOf(stream, available) ?? [])
  const videoStream = signature.streams.find(({ kind }) => kind === 'video')
  if (videoStream !== undefined) return planVideo(videoEncodingOf(videoStream, available), audio, content)
  if (audio.length === 0) {
    const [first] = streams
    if (first === undefined) throw new SlateError('format_unknown', 'the channel has neither video nor audio')
    throw new SlateError('no_encoder', `this ffmpeg has no encoder for ${codecText(first.codec)}`)
  }
  return planSound(audio, content)
}

function planVideo(
  video: VideoEncoding,
  audio: readonly AudioEncoding[],
  { text, lettering, file }: SlateContent,
): RenderPlan {
  if (file !== undefined && !file.hasVideo) throw new SlateError('file_unusable', `there is no picture in ${file.path}`)
  const isMoving = file?.seconds !== undefined && file.seconds > STILL_SECONDS_MAX
  const seconds = isMoving ? Math.min(file.seconds, FILE_SECONDS_MAX) : cardSecondsOf(video)
  const frames = Math.max(2, isMoving ? Math.round(seconds * video.framesPerSecond) : seconds * video.groupFrames)
  const loopSeconds = frames / video.framesPerSecond
  const card = file === undefined ? cardGraph(video, text, loopSeconds, lettering) : undefined
  const end = [
    `trim=end_frame=${frames},setpts=N/(${video.rate})/TB,setsar=1,format=${video.pixelFormat}`,
    ...(video.isInterlaced ? ['setfield=tff'] : []),
  ]
  const sound = soundGraph(audio, file, 1, loopSeconds)
  const graph = [`${card?.graph ?? fileGraph(video)},${end.join(',')}[v]`, ...sound.graphs]
  return {
    args: [
      ...(card?.inputArgs ?? inputArgs(file)),
      ...sound.inputArgs,
      ...['-filter_complex', graph.join(';'), '-map', '[v]', ...sound.maps, '-r', video.rate, ...video.args],
      ...outputArgs(audio),
    ],
    input: card?.input,
  }
}

function cardSecondsOf({ width, height, framesPerSecond, codec }: VideoEncoding): number {
  const cost = width * height * framesPerSecond * (codec === 'hevc' ? HEVC_COST : 1)
  return cost > COSTLY_PIXELS ? CARD_SECONDS_COSTLY : CARD_SECONDS
}

function planSound(audio: readonly AudioEncoding[], { file }: SlateContent): RenderPlan {
  const seconds = Math.min(file?.hasAudio === true ? (file.seconds ?? CARD_SECONDS) : CARD_SECONDS, FILE_SECONDS_MAX)
  const own = file?.hasAudio === true ? file : undefined
  const sound = soundGraph(audio, own, own === undefined ? 0 : 1, Math.max(1, seconds))
  const args = [...inputArgs(own), ...sound.inputArgs, '-filter_complex', sound.graphs.join(';'), ...sound.maps]
  return { args: [...args, ...outputArgs(audio)], input: undefined }
}

/** Any picture or film in the channel's size, with bars where its shape is another. Its last picture stays to the end. */
function fileGraph({ width, height, rate }: VideoEncoding): string {
  // Pixels that are not square first become so.
  const fit = `scale=iw*sar:ih,setsar=1,scale=${width}:${height}:force_original_aspect_ratio=decrease:force_divisible_by=2,setsar=1`
  return `[0:v:0]${fit},pad=${width}:${height}:-1:-1:color=black,fps=${rate},tpad=stop=-1:stop_mode=clone`
}

interface SoundGraph {
  readonly inputArgs: readonly string[]
  readonly graphs: readonly string[]
  readonly maps: readonly string[]
}

/** The sound of the file that is input 0, or silence as input `silenceInput`, for each stream. */
function soundGraph(
  audio: readonly AudioEncoding[],
  file: SlateFileFacts | undefined,
  silenceInput: number,
  seconds: number,
): SoundGraph {
  if (audio.length === 0) return { inputArgs: [], graphs: [], maps: [] }
  const hasOwn = file?.hasAudio === true
  const source = hasOwn ? '0:a:0' : `${silenceInput}:a`
  const copies = audio.map((_, index) => `[copy${index}]`).join('')
  const length = `atrim=duration=${seconds + SOUND_MARGIN_SECONDS}`
  return {
    inputArgs: hasOwn ? [] : ['-f', 'lavfi', '-i', 'anullsrc=channel_layout=stereo:sample_rate=48000'],
    graphs: [
      `[${source}]apad,${length},asplit=${audio.length}${copies}`,
      ...audio.map(({ filter }, index) => `[copy${index}]${filter}[a${index}]`),
    ],
    maps: audio.flatMap((_, index) => ['-map', `[a${index}]`]),
  }
}

/** Only a file of this machine is opened, whatever its name looks like. */
function inputArgs(file: SlateFileFacts | undefined): readonly string[] {
  if (file === undefined) return []
  return ['-protocol_whitelist', 'file,crypto,data', '-t', `${FILE_SECONDS_MAX}`, '-i', `file:${file.path}`]
}

function outputArgs(audio: readonly AudioEncoding[]): readonly string[] {
  const flags = new Set(['pat_pmt_at_frames', ...audio.flatMap(({ muxFlags }) => muxFlags)])
  return [
    ...audio.flatMap(({ args }, index) => args.map((arg) => arg.replace('#', `${index}`))),
    ...['-map_metadata', '-1', '-f', 'mpegts', '-mpegts_flags', `+${[...flags].join('+')}`],
    // Frames of sound that are further apart than half of the delay do not share a PES packet, so a loop can end at any.
    ...['-muxdelay', '0.04', '-muxpreload', '0', '-pes_payload_size', '0'],
    'pipe:1',
  ]
}
