import { execFile } from 'node:child_process'
import { mkdir, readFile, rename, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Changes when what the fixtures contain changes, so that old ones are not taken for new ones. */
const CACHE_VERSION = 'v3'
const CACHE_DIRECTORY = join(tmpdir(), `holdfast-lab-${CACHE_VERSION}`)
const MAKE_TIMEOUT_MS = 120_000

/** Frames of one loop: 8 s of video at 25 fps are exactly 375 AAC frames at 48 kHz, so the loop has no seam. */
export const LOOP_SECONDS = 8
const FRAMES_AUDIO = 375
/** Before the first sample that it was given, the AAC encoder sends a frame of its own. */
const FRAMES_PRIMING = 1
const GOP_FRAMES = 20

/**
 * Test pictures that differ in picture, tone, PIDs and service name. The pictures of `bravo` and `charlie` stand still.
 * Three have the PIDs of `alpha`, as if its own encoder had lost the picture, its movement or the sound.
 */
export type Programme = 'alpha' | 'bravo' | 'charlie' | 'alpha_black' | 'alpha_still' | 'alpha_mute'

const PROGRAMMES: Readonly<Record<Programme, { picture: string; toneHz: number; firstPid: number }>> = {
  alpha: { picture: 'testsrc2', toneHz: 440, firstPid: 0x100 },
  bravo: { picture: 'smptehdbars', toneHz: 660, firstPid: 0x200 },
  charlie: { picture: 'rgbtestsrc', toneHz: 880, firstPid: 0x300 },
  alpha_black: { picture: 'color', toneHz: 440, firstPid: 0x100 },
  alpha_still: { picture: 'smptehdbars', toneHz: 440, firstPid: 0x100 },
  alpha_mute: { picture: 'testsrc2', toneHz: 0, firstPid: 0x100 },
}

export interface TsFixtureOptions {
  readonly programme: Programme
  /** 300 to 20,000 kbit/s of video; above 2,000 the picture has noise in it that takes as much, at a constant rate. */
  readonly videoKbps?: number
}

/** The path of a seamless 8 s loop of H.264 and AAC in MPEG-TS, made on first use. */
export function tsFixture({ programme, videoKbps = 600 }: TsFixtureOptions): Promise<string> {
  const { picture, toneHz, firstPid } = PROGRAMMES[programme]
  const rate = `${videoKbps}k`
  const isNoisy = videoKbps > 2_000
  const padding = isNoisy ? ['-x264-params', 'nal-hrd=cbr:force-cfr=1'] : []
  const noise = isNoisy ? ',noise=alls=60:allf=t' : ''
  return fixture(`loop-${programme}-${videoKbps}${isNoisy ? '-noisy' : ''}.ts`, [
    // Inputs that end by themselves: cut off by a number of frames, ffmpeg leaves the last audio out.
    ...input(
      `${picture}=size=320x180:rate=25,trim=duration=${LOOP_SECONDS}${noise}`,
      `${tone(toneHz)},atrim=end_sample=${(FRAMES_AUDIO - FRAMES_PRIMING) * 1024}`,
    ),
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-g', `${GOP_FRAMES}`, '-sc_threshold', '0'],
    ...['-b:v', rate, '-minrate', rate, '-maxrate', rate, '-bufsize', rate, ...padding],
    ...['-pix_fmt', 'yuv420p', '-c:a', 'aac', '-b:a', '64k', '-ac', '1'],
    ...['-mpegts_start_pid', `${firstPid}`, '-mpegts_pmt_start_pid', `${firstPid + 0x80}`],
    ...['-metadata', `service_name=${programme}`, '-muxdelay', '0', '-muxpreload', '0', '-f', 'mpegts'],
  ])
}

/** Continuous bodies other than MPEG-TS, each with its media type. */
export const otherBodies = {
  mp3: {
    contentType: 'audio/mpeg',
    args: ['-map', '1:a', '-c:a', 'libmp3lame', '-b:a', '128k', '-write_xing', '0', '-id3v2_version', '0', '-f', 'mp3'],
  },
  adts: { contentType: 'audio/aac', args: ['-map', '1:a', '-c:a', 'aac', '-b:a', '128k', '-f', 'adts'] },
  flv: {
    contentType: 'video/x-flv',
    args: ['-c:v', 'libx264', '-preset', 'ultrafast', '-b:v', '300k', '-g', '20', '-c:a', 'aac', '-ar', '44100'],
  },
  matroska: {
    contentType: 'video/x-matroska',
    args: ['-c:v', 'libx264', '-preset', 'ultrafast', '-b:v', '300k', '-g', '20', '-c:a', 'aac', '-live', '1'],
  },
} as const

export type OtherBody = keyof typeof otherBodies
export const OTHER_BODY_SECONDS = 60

/** A minute of MP3, ADTS, FLV or Matroska as a live server sends it. */
export function otherFixture(body: OtherBody): Promise<string> {
  return fixture(`body.${body}`, [
    ...input('testsrc2=size=160x90:rate=25', 'sine=frequency=500:sample_rate=48000'),
    ...['-t', `${OTHER_BODY_SECONDS}`, '-pix_fmt', 'yuv420p', ...otherBodies[body].args],
    ...(body === 'flv' || body === 'matroska' ? ['-f', body] : []),
  ])
}

/** A film of `seconds` as an MP4 with its index in front. */
export function filmFixture(seconds: number): Promise<string> {
  return fixture(`film-${seconds}.mp4`, [
    ...input('testsrc2=size=320x180:rate=25', 'sine=frequency=500:sample_rate=48000'),
    ...['-t', `${seconds}`, '-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-preset', 'ultrafast', '-b:v', '1500k'],
    ...['-g', '25', '-c:a', 'aac', '-movflags', '+faststart', '-f', 'mp4'],
  ])
}

export async function readFixture(path: Promise<string>): Promise<Buffer> {
  return await readFile(await path)
}

export interface FfmpegResult {
  readonly code: number
  readonly stdout: string
  /** Warnings and errors only, with the level that the caller asked for. */
  readonly stderr: string
}

/** Runs ffmpeg or ffprobe; a failure is a result, not an exception, and so is an end at the limit of its time. */
export async function runTool(
  tool: 'ffmpeg' | 'ffprobe',
  args: readonly string[],
  timeoutMs = 90_000,
): Promise<FfmpegResult> {
  try {
    const { stdout, stderr } = await run(tool, args, { timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 })
    return { code: 0, stdout, stderr }
  } catch (error) {
    const failure = error as { code?: unknown; killed?: boolean; stdout?: string; stderr?: string }
    const code = typeof failure.code === 'number' ? failure.code : 1
    // Whoever looks for complaints must not take a run that was cut short for one without any.
    const cutShort = failure.killed === true ? `${tool} was ended after ${timeoutMs} ms\n` : ''
    return { code, stdout: failure.stdout ?? '', stderr: `${cutShort}${failure.stderr ?? String(error)}` }
  }
}

const tone = (hz: number) =>
  hz === 0 ? 'anullsrc=channel_layout=mono:sample_rate=48000' : `sine=frequency=${hz}:sample_rate=48000`

function input(picture: string, sound: string): readonly string[] {
  return ['-f', 'lavfi', '-i', picture, '-f', 'lavfi', '-i', sound]
}

const making = new Map<string, Promise<string>>()

function fixture(name: string, args: readonly string[]): Promise<string> {
  const known = making.get(name)
  if (known !== undefined) return known
  const made = makeFixture(name, args)
  making.set(name, made)
  return made
}

async function makeFixture(name: string, args: readonly string[]): Promise<string> {
  const path = join(CACHE_DIRECTORY, name)
  const existing = await stat(path).catch(() => undefined)
  if (existing?.isFile() === true && existing.size > 0) return path
  await mkdir(CACHE_DIRECTORY, { recursive: true })
  // Two test files may make the same fixture at once: each writes its own and the last rename wins.
  const partial = join(CACHE_DIRECTORY, `${process.pid}-${name}`)
  await run('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args, partial], { timeout: MAKE_TIMEOUT_MS })
  await rename(partial, path)
  return path
}
