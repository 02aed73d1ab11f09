import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { systemClock } from '../src/lib/clock.ts'
import { endWithThisProcess, GatewayProcess } from '../test/lab/gateway-process.ts'
import { HlsOriginProcess } from '../test/lab/hls-origin-process.ts'
import { OriginProcess } from '../test/lab/origin-process.ts'
import { until } from '../test/lab/poll.ts'
import { processFacts } from '../test/lab/process-facts.ts'
import { HlsViewers } from './hls-viewers.ts'
import type { HlsViewersCount } from './hls-viewers.ts'
import { NginxHls } from './nginx-hls.ts'
import { markdownTable, median, note, numberOption, publish } from './report.ts'

/**
 * What it costs to serve one channel of HLS to many viewers: passed on from an HLS origin, beside nginx with `proxy_cache`
 * in front of the same origin; and packaged from a continuous source, beside nginx serving what `ffmpeg -c copy -f hls`
 * writes. In turns, the same viewers for all; processor seconds of the server per GB that arrived.
 */

const GB = 1e9
const MiB = 2 ** 20
const VIDEO_KBPS = 4_000
const SEGMENT_SECONDS = 4
/** Time in which viewers come and the servers' caches fill. */
const WARM_UP_MS = 12_000
const START_DEADLINE_MS = 30_000

interface Options {
  readonly viewers: number
  readonly seconds: number
}

interface Measured extends HlsViewersCount {
  readonly cpuSecondsPerGb: number
  /** Of the program that packages, where that is not the server itself; as if it had served as much. */
  readonly makerCpuSecondsPerGb: number
  readonly cpuPercent: number
  readonly rssMib: number
  readonly megabitsPerSecond: number
  /** What the origin was asked for meanwhile. */
  readonly upstream: string
}

interface Target {
  readonly pid: number
  /** The address of the playlist for each viewer. */
  readonly playlist: (viewer: number) => string
  readonly makerPid?: number
  readonly origin?: HlsOriginProcess
}

interface Contender {
  readonly name: string
  /** Runs it once; undefined where a program is not installed. */
  readonly run: (options: Options) => Promise<Measured | undefined>
}

async function measure(target: Target, { viewers, seconds }: Options): Promise<Measured> {
  const { pid, playlist, makerPid, origin } = target
  const isThere = async () => {
    const answer = await fetch(playlist(0))
    const text = await answer.text()
    return answer.status === 200 && text.split('#EXTINF').length > 3
  }
  await until(isThere, { what: 'a playlist', deadlineMs: START_DEADLINE_MS })
  await using players = new HlsViewers()
  await players.open(Array.from({ length: viewers }, (_, index) => playlist(index)))
  await systemClock.sleep(WARM_UP_MS)
  await origin?.forget()
  const makerCpu = async () => (makerPid === undefined ? 0 : (await processFacts(makerPid)).cpuSeconds)
  const [factsBefore, makerBefore, before, startMs] = [
    await processFacts(pid),
    await makerCpu(),
    await players.count(),
    systemClock.nowMs(),
  ]
  await systemClock.sleep(seconds * 1_000)
  const [factsAfter, makerAfter, after, endMs] = [
    await processFacts(pid),
    await makerCpu(),
    await players.count(),
    systemClock.nowMs(),
  ]
  const bytes = after.bytes - before.bytes
  const cpuSeconds = factsAfter.cpuSeconds - factsBefore.cpuSeconds
  const tookS = (endMs - startMs) / 1_000
  return {
    ...after,
    cpuSecondsPerGb: cpuSeconds / (bytes / GB),
    makerCpuSecondsPerGb: (makerAfter - makerBefore) / (bytes / GB),
    cpuPercent: (cpuSeconds / tookS) * 100,
    rssMib: factsAfter.rssBytes / MiB,
    megabitsPerSecond: (bytes * 8) / tookS / 1e6,
    upstream: origin === undefined ? '' : await upstreamOf(origin, tookS),
  }
}

async function upstreamOf(origin: HlsOriginProcess, tookS: number): Promise<string> {
  const { segmentRequests, segments, mostForOne, playlists } = await origin.counts()
  const perSegment = (segmentRequests / segments).toFixed(2)
  return `${perSegment} (most ${mostForOne}) a segment, ${(playlists / tookS).toFixed(1)} playlists/s`
}

const startHlsOrigin = () =>
  HlsOriginProcess.start({
    source: 'source',
    programme: 'alpha',
    videoKbps: VIDEO_KBPS,
    segmentMs: SEGMENT_SECONDS * 1_000,
  })

async function ourProxy(options: Options): Promise<Measured> {
  await using origin = await startHlsOrigin()
  await using gateway = await GatewayProcess.start()
  const id = await gateway.api.stream([origin.url])
  const playlist = (viewer: number) => `${gateway.url}/hls/${id}/playlist.m3u8?client_id=viewer-${viewer}`
  return await measure({ pid: gateway.pid, playlist, origin }, options)
}

async function nginxCache(options: Options, sendfile: boolean): Promise<Measured | undefined> {
  await using origin = await startHlsOrigin()
  await using nginx = await NginxHls.start({ origin: origin.url, sendfile })
  if (nginx === undefined) return undefined
  const playlist = () => nginx.url + new URL(origin.url).pathname
  return await measure({ pid: nginx.pid, playlist, origin }, options)
}

type Format = 'mpegts' | 'fmp4'

async function ourPackager(options: Options, format: Format): Promise<Measured> {
  await using origin = await OriginProcess.start([{ name: 'source', videoKbps: VIDEO_KBPS }])
  await using gateway = await GatewayProcess.start({ env: { HLS_SEGMENT_SECONDS: `${SEGMENT_SECONDS}` } })
  const id = await gateway.api.stream([origin.url('source')])
  const query = format === 'fmp4' ? '&format=fmp4' : ''
  const playlist = (viewer: number) => `${gateway.url}/hls/${id}/playlist.m3u8?client_id=viewer-${viewer}${query}`
  return await measure({ pid: gateway.pid, playlist }, options)
}

async function nginxAndFfmpeg(options: Options, format: Format): Promise<Measured | undefined> {
  await using origin = await OriginProcess.start([{ name: 'source', videoKbps: VIDEO_KBPS }])
  await using nginx = await NginxHls.start({ origin: undefined, sendfile: true })
  if (nginx === undefined) return undefined
  const filter = format === 'fmp4' ? ['-bsf:a', 'aac_adtstoasc'] : []
  const hls = ['-f', 'hls', '-hls_time', `${SEGMENT_SECONDS}`, '-hls_list_size', '8', '-hls_flags', 'delete_segments']
  const streams = ['-map', '0:v', '-map', '0:a', '-c', 'copy', ...filter]
  const input = ['-v', 'error', '-nostdin', '-i', origin.url('source')]
  const args = [...input, ...streams, ...hls, '-hls_segment_type', format, join(nginx.directory, 'live.m3u8')]
  const ffmpeg = spawn('ffmpeg', args, { stdio: 'ignore', cwd: nginx.directory })
  endWithThisProcess(ffmpeg)
  try {
    if (ffmpeg.pid === undefined) return undefined
    return await measure({ pid: nginx.pid, makerPid: ffmpeg.pid, playlist: () => `${nginx.url}/live.m3u8` }, options)
  } finally {
    ffmpeg.kill('SIGKILL')
  }
}

const PROXIED: readonly Contender[] = [
  { name: 'Holdfast', run: ourProxy },
  { name: 'nginx, `proxy_cache`', run: (options) => nginxCache(options, true) },
  { name: 'nginx, `proxy_cache`, sendfile off', run: (options) => nginxCache(options, false) },
]
const PACKAGED: readonly Contender[] = [
  { name: 'Holdfast, transport stream', run: (options) => ourPackager(options, 'mpegts') },
  { name: 'nginx and ffmpeg, transport stream', run: (options) => nginxAndFfmpeg(options, 'mpegts') },
  { name: 'Holdfast, CMAF', run: (options) => ourPackager(options, 'fmp4') },
  { name: 'nginx and ffmpeg, fragmented MP4', run: (options) => nginxAndFfmpeg(options, 'fmp4') },
]

const HEAD = [
  'what',
  'delivered',
  'failed requests',
  'segments a viewer got',
  'a segment took (median / 99 %)',
  'CPU',
  'CPU-s per GB, median (range)',
  'RSS',
]

async function inTurns(contenders: readonly Contender[], options: Options, runs: number) {
  const measured = new Map<Contender, Measured[]>()
  for (let turn = 0; turn < runs; turn += 1) {
    for (const contender of contenders) {
      const one = await contender.run(options)
      if (one === undefined) note(`${contender.name}: not installed`)
      else measured.set(contender, [...(measured.get(contender) ?? []), one])
      note(`${contender.name}: ${JSON.stringify(one)}`)
    }
  }
  return measured
}

function cells({ name }: Contender, all: readonly Measured[], more: 'upstream' | 'maker'): readonly string[] {
  const middle = (of: (one: Measured) => number) => median(all.map(of))
  const cost = all.map(({ cpuSecondsPerGb }) => cpuSecondsPerGb)
  const range = `${Math.min(...cost).toFixed(2)}–${Math.max(...cost).toFixed(2)}`
  return [
    name,
    `${Math.round(middle(({ megabitsPerSecond }) => megabitsPerSecond)).toLocaleString('en')} Mbit/s`,
    String(Math.max(...all.map(({ failures }) => failures))),
    `${Math.min(...all.map(({ fewestSegments }) => fewestSegments))}–${Math.max(...all.map(({ mostSegments }) => mostSegments))}`,
    `${Math.round(middle(({ segmentMsMedian }) => segmentMsMedian))} / ${Math.round(middle(({ segmentMs99 }) => segmentMs99))} ms`,
    `${Math.round(middle(({ cpuPercent }) => cpuPercent))} %`,
    `${middle(({ cpuSecondsPerGb }) => cpuSecondsPerGb).toFixed(2)} (${range})`,
    `${Math.round(middle(({ rssMib }) => rssMib))} MiB`,
    more === 'upstream'
      ? [...new Set(all.map(({ upstream }) => upstream))].join('; ')
      : middle(({ makerCpuSecondsPerGb }) => makerCpuSecondsPerGb).toFixed(2),
  ]
}

async function main(args: readonly string[]): Promise<void> {
  const viewers = numberOption(args, 'viewers', 300)
  const seconds = numberOption(args, 'seconds', 20)
  const runs = numberOption(args, 'runs', 2)
  const options = { viewers, seconds }
  const only = new RegExp(args.includes('--only') ? (args[args.indexOf('--only') + 1] ?? '') : '')
  const wanted = (all: readonly Contender[]) => all.filter(({ name }) => only.test(name))
  const proxied = await inTurns(wanted(PROXIED), options, runs)
  const packaged = await inTurns(wanted(PACKAGED), options, runs)
  const markdown = [
    `${viewers} viewers of one channel of about ${VIDEO_KBPS / 1_000} Mbit/s in segments of ${SEGMENT_SECONDS} s; ${seconds} s each after ${WARM_UP_MS / 1_000} s of warming up, ${runs} runs in turns.`,
    '',
    '### Passed on from an HLS origin',
    '',
    markdownTable(
      [...HEAD, 'asked of the origin'],
      [...proxied].map(([contender, all]) => cells(contender, all, 'upstream')),
    ),
    '',
    '### Cut from a continuous source',
    '',
    markdownTable(
      [...HEAD, 'ffmpeg besides, CPU-s per GB'],
      [...packaged].map(([contender, all]) => cells(contender, all, 'maker')),
    ),
  ].join('\n')
  const command = `npm run bench:fanout-hls -- --viewers ${viewers} --seconds ${seconds} --runs ${runs}`
  await publish({ name: 'fanout-hls', command, markdown }, args)
}

await main(process.argv.slice(2))
