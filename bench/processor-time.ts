import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
const TOOL_TIMEOUT_MS = 300_000
const OUTPUT_BYTES_MAX = 64 * 1_024 * 1_024

/** Runs ffmpeg, which must succeed, and gives what it said. */
async function runFfmpeg(level: string, args: readonly string[]): Promise<string> {
  const options = { timeout: TOOL_TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX }
  return (await run('ffmpeg', ['-v', level, '-nostdin', '-y', ...args], options)).stderr
}

/** Writes so many seconds of H.264 (8 Mbit/s, a keyframe every two seconds) with AAC as MPEG-TS. */
export async function encodeChannel(path: string, seconds: number): Promise<void> {
  const picture = `testsrc2=size=1280x720:rate=25:duration=${seconds},noise=alls=12:allf=t`
  const input = ['-f', 'lavfi', '-i', picture, '-f', 'lavfi', '-i', `sine=sample_rate=48000:duration=${seconds}`]
  const video = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-g', '50', '-b:v', '8M', '-maxrate', '8M']
  const sound = ['-c:a', 'aac', '-b:a', '128k']
  await runFfmpeg('error', [
    ...[...input, ...video, '-bufsize', '8M', '-pix_fmt', 'yuv420p', ...sound],
    ...['-f', 'mpegts', path],
  ])
}

/** User and system time as ffmpeg tells it, in seconds: the best of several rounds. */
export async function ffmpegCpuS(rounds: number, args: readonly string[]): Promise<number> {
  let cpuS = Infinity
  for (let round = 0; round < rounds; round += 1) {
    const said = await runFfmpeg('info', ['-benchmark', ...args])
    const [, user = '', system = ''] = /utime=([\d.]+)s stime=([\d.]+)s/.exec(said) ?? []
    cpuS = Math.min(cpuS, Number(user) + Number(system))
  }
  return cpuS
}

/** User and system time that this process takes for some work, in seconds. */
export function ownCpuS(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}
