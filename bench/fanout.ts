import { GatewayProcess } from '../test/lab/gateway-process.ts'
import { readFixture, tsFixture } from '../test/lab/media.ts'
import { OriginProcess } from '../test/lab/origin-process.ts'
import { Viewer } from '../test/lab/viewer.ts'
import { load, WARM_UP_MS } from './load.ts'
import type { Load } from './load.ts'
import { Nginx } from './nginx.ts'
import { markdownTable, median, note, numberOption, publish } from './report.ts'

/**
 * What it costs to serve one 8 Mbit/s stream to many viewers, and many streams at once: processor seconds of the
 * gateway's process per GB that arrived at the viewers (from /proc), memory, and the time to the first byte. nginx serves
 * the same bytes in the same run to the same readers at the same rate.
 */

const MiB = 2 ** 20
const VIEWERS = [1, 50, 300, 1_000]
const STREAMS = 200
const VIDEO_KBPS = 7_600
const MANY_STREAMS_KBPS = 2_000
const TTFB_RUNS = 20

const repeated = (path: string, times: number) => Array.from({ length: times }, () => path)

function row(name: string, expected: number, { cpuSecondsPerGb, rssBytes, ...rest }: Load, more: string): string[] {
  return [
    name,
    `${rest.open} of ${expected}`,
    `${Math.round(rest.megabitsPerSecond).toLocaleString('en')} Mbit/s`,
    `${rest.range.map((rate) => rate.toFixed(1)).join('–')} Mbit/s`,
    `${Math.round(rest.cpuPercent)} %`,
    cpuSecondsPerGb.toFixed(2),
    `${Math.round(rssBytes / MiB)} MiB`,
    more,
  ]
}

async function fanOut(counts: readonly number[], seconds: number): Promise<readonly (readonly string[])[]> {
  await using origin = await OriginProcess.start([{ name: 'source', videoKbps: VIDEO_KBPS }])
  const piece = await readFixture(tsFixture({ programme: 'alpha', videoKbps: VIDEO_KBPS }))
  const bytesPerSecond = piece.length / 8
  const fileBytes = bytesPerSecond * (seconds + WARM_UP_MS / 1_000 + 10)
  await using nginx = await Nginx.start(piece, fileBytes)
  if (nginx === undefined) note('nginx is not installed: no floor to compare with')
  const rows: (readonly string[])[] = []
  let rssOfOne = 0
  for (const count of counts) {
    // A fresh process each, so that memory is that of this load and not of the one before.
    await using gateway = await GatewayProcess.start()
    const streamId = await gateway.api.stream([origin.url('source')])
    const ours = await load(gateway.pid, gateway.url, repeated(`/stream/${streamId}`, count), { seconds })
    if (count === 1) rssOfOne = ours.rssBytes
    const perViewerKib = Math.round((ours.rssBytes - rssOfOne) / 1024 / (count - 1))
    const perViewer =
      count === 1 ? '' : perViewerKib > 0 ? `${perViewerKib} KiB a viewer` : 'no more than with one viewer'
    rows.push(row(`Holdfast, ${count} viewers`, count, ours, perViewer))
    note(rows.at(-1)?.join(' | ') ?? '')
    // One reader costs nginx less than the kernel's counter resolves.
    if (nginx === undefined || count === 1) continue
    const floor = await load(nginx.pid, nginx.url, repeated('/live.ts', count), { seconds, bytesPerSecond })
    const ratio = `${(ours.cpuSecondsPerGb / floor.cpuSecondsPerGb).toFixed(2)} × nginx`
    rows.push(row(`nginx, sendfile off, ${count} viewers`, count, floor, `Holdfast is ${ratio}`))
    note(rows.at(-1)?.join(' | ') ?? '')
  }
  return rows
}

async function manyStreams(seconds: number): Promise<readonly string[]> {
  await using origin = await OriginProcess.start([{ name: 'source', videoKbps: MANY_STREAMS_KBPS }])
  await using gateway = await GatewayProcess.start()
  const ids: string[] = []
  for (let index = 0; index < STREAMS; index += 1)
    ids.push(await gateway.api.stream([`${origin.url('source')}?${index}`]))
  const paths = ids.map((id) => `/stream/${id}`)
  const name = `Holdfast, ${STREAMS} streams of ${MANY_STREAMS_KBPS / 1_000} Mbit/s, a viewer each`
  return row(name, STREAMS, await load(gateway.pid, gateway.url, paths, { seconds }), `${STREAMS} sources`)
}

async function firstByteMs(url: string): Promise<number> {
  using viewer = new Viewer({ url })
  await viewer.hasRead(1)
  return viewer.firstByteMs ?? Number.NaN
}

/** Medians in milliseconds: the source itself, through the gateway with nothing open yet, and joining. */
async function firstBytes(): Promise<{ readonly origin: number; readonly cold: number; readonly joining: number }> {
  await using origin = await OriginProcess.start([{ name: 'source', videoKbps: VIDEO_KBPS }])
  await using gateway = await GatewayProcess.start()
  const [direct, cold, joining]: [number[], number[], number[]] = [[], [], []]
  for (let run = 0; run < TTFB_RUNS; run += 1) {
    const sourceUrl = `${origin.url('source')}?${run}`
    direct.push(await firstByteMs(sourceUrl))
    const url = `${gateway.url}/stream/${await gateway.api.stream([sourceUrl])}`
    using first = new Viewer({ url })
    await first.hasRead(1)
    cold.push(first.firstByteMs ?? Number.NaN)
    await first.hasRead(1_000_000)
    joining.push(await firstByteMs(url))
  }
  return { origin: median(direct), cold: median(cold), joining: median(joining) }
}

async function main(args: readonly string[]): Promise<void> {
  const seconds = numberOption(args, 'seconds', 10)
  const most = numberOption(args, 'viewers', 1_000)
  const ttfb = await firstBytes()
  const rows = [
    ...(await fanOut(
      VIEWERS.filter((count) => count <= most),
      seconds,
    )),
    await manyStreams(seconds),
  ]
  const head = ['what', 'viewers served', 'delivered', 'a viewer got', 'CPU', 'CPU-s per GB', 'RSS', '']
  const markdown = [
    `One source of about 8 Mbit/s; ${seconds} s each after ${WARM_UP_MS / 1_000} s of warming up; viewers and source are other processes on the same machine.`,
    '',
    markdownTable(head, rows),
    '',
    markdownTable(
      ['time to the first byte', `median of ${TTFB_RUNS}`, 'm3u-proxy ¹'],
      [
        ['the source itself', `${ttfb.origin.toFixed(1)} ms`, '14 ms'],
        ['through the gateway, first viewer', `${ttfb.cold.toFixed(1)} ms`, '49 ms'],
        ['joining a running stream', `${ttfb.joining.toFixed(1)} ms`, '8–30 ms'],
      ],
    ),
  ].join('\n')
  await publish({ name: 'fanout', command: `npm run bench:fanout -- --seconds ${seconds}`, markdown }, args)
}

await main(process.argv.slice(2))
