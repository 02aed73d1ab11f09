import { GatewayProcess } from '../test/lab/gateway-process.ts'
import { OriginProcess } from '../test/lab/origin-process.ts'
import { load } from './load.ts'
import { markdownTable, median, note, numberOption, publish } from './report.ts'

/**
 * What the splice costs a stream with viewers: processor seconds per GB with `seamless` on and off, in turns, each in a
 * process of its own that has run long enough for its code to be compiled.
 */
const VIEWERS = 50
const VIDEO_KBPS = 7_600
const WARM_UP_MS = 20_000

async function cpuSecondsPerGb(url: string, stream: Readonly<Record<string, unknown>>, seconds: number) {
  await using gateway = await GatewayProcess.start()
  const streamId = await gateway.api.stream([url], stream)
  const paths = Array.from({ length: VIEWERS }, () => `/stream/${streamId}`)
  const measured = await load(gateway.pid, gateway.url, paths, { seconds, warmUpMs: WARM_UP_MS })
  note(`${JSON.stringify(stream)}: ${measured.cpuSecondsPerGb.toFixed(3)} CPU-s per GB`)
  return measured.cpuSecondsPerGb
}

async function main(args: readonly string[]): Promise<void> {
  const seconds = numberOption(args, 'seconds', 30)
  const runs = numberOption(args, 'runs', 3)
  await using origin = await OriginProcess.start([{ name: 'source', videoKbps: VIDEO_KBPS }])
  const [on, off]: [number[], number[]] = [[], []]
  for (let run = 0; run < runs; run += 1) {
    on.push(await cpuSecondsPerGb(origin.url('source'), { seamless: true }, seconds))
    off.push(await cpuSecondsPerGb(origin.url('source'), { seamless: false }, seconds))
  }
  const cells = (name: string, values: readonly number[]) => [
    name,
    median(values).toFixed(2),
    `${Math.min(...values).toFixed(2)}–${Math.max(...values).toFixed(2)}`,
  ]
  const share = (median(on) / median(off) - 1) * 100
  const markdown = [
    `One source of about 8 Mbit/s, ${VIEWERS} viewers, ${seconds} s each after ${WARM_UP_MS / 1_000} s of warming up, ${runs} runs in turns.`,
    '',
    markdownTable(
      ['`seamless`', 'CPU-s per GB, median', 'range'],
      [cells('on', on), cells('off', off), ['on, more than off', `${share.toFixed(0)} %`, '']],
    ),
  ].join('\n')
  await publish(
    { name: 'seamless-cost', command: `npm run bench:seamless-cost -- --seconds ${seconds} --runs ${runs}`, markdown },
    args,
  )
}

await main(process.argv.slice(2))
