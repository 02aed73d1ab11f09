import { errorMessage } from '../src/lib/errors.ts'
import { GatewayProcess } from '../test/lab/gateway-process.ts'
import { hlsSourceRows, tsSourceRows } from './hls-fault-rows.ts'
import type { Way } from './hls-fault-rows.ts'
import { hlsSources, playScene, tsSources } from './hls-fault-scene.ts'
import type { Outcome } from './hls-fault-scene.ts'
import { markdownTable, median, note, numberOption, publish } from './report.ts'

/**
 * The fault scoreboard of HLS: a player that behaves as hls.js does, in each of the three ways in which HLS comes into or
 * out of the gateway, while its primary breaks.
 */

const AT_ONCE = 8
const TARGET_SECONDS = 2

interface Line {
  readonly name: string
  readonly way: Way
  readonly play: (gateway: GatewayProcess) => Promise<Outcome>
  readonly outcomes: (Outcome | undefined)[]
}

const lines: readonly Line[] = [
  ...(['proxied', 'continuous'] as const).flatMap((way) =>
    hlsSourceRows.map((row) => ({
      ...{ name: row.name, way, outcomes: [] },
      play: (gateway: GatewayProcess) => playScene({ gateway, way, row, sources: hlsSources }),
    })),
  ),
  ...tsSourceRows.map((row) => ({
    ...{ name: row.name, way: 'packaged' as const, outcomes: [] },
    play: (gateway: GatewayProcess) => playScene({ gateway, way: 'packaged', row, sources: tsSources }),
  })),
]

const HEAD = [
  'fault',
  'played on',
  'stalls (most in a round)',
  'longest stall',
  'next source after (median / longest)',
  'followed by',
  'other answers',
  'rules broken',
  'segments left out',
]

function cellsOf({ name, outcomes }: Line): readonly string[] {
  const known = outcomes.filter((outcome) => outcome !== undefined)
  const times = known.flatMap(({ nextMs }) => (nextMs === undefined ? [] : [nextMs]))
  const most = (of: (outcome: Outcome) => number) => Math.max(0, ...known.map(of))
  const refusals = known.flatMap((outcome) => outcome.refusals)
  return [
    name,
    `${known.filter(({ fatal }) => fatal === undefined).length} of ${outcomes.length}`,
    String(most(({ stalls }) => stalls)),
    milliseconds(most(({ longestStallMs }) => longestStallMs)),
    times.length === 0 ? '' : `${milliseconds(median(times))} / ${milliseconds(Math.max(...times))}`,
    [...new Set(known.map(({ followed }) => followed))].join(' or '),
    refusals.length === 0 ? '0' : `${refusals.length}: ${[...new Set(refusals)].join(', ')}`,
    String(most(({ violations }) => violations.length)),
    String(most(({ skipped }) => skipped)),
  ]
}

const milliseconds = (ms: number) => `${Math.round(ms).toLocaleString('en')} ms`

async function playOnce(line: Line, gateway: GatewayProcess): Promise<void> {
  const label = `${line.way}, ${line.name}`
  try {
    const outcome = await line.play(gateway)
    line.outcomes.push(outcome)
    note(`${label}: ${JSON.stringify(outcome)}`)
  } catch (error) {
    line.outcomes.push(undefined)
    note(`${label}: ${errorMessage(error)}`)
  }
}

async function main(args: readonly string[]): Promise<void> {
  const rounds = numberOption(args, 'rounds', 3)
  const only = args.includes('--only') ? new RegExp(args[args.indexOf('--only') + 1] ?? '') : /./
  const wanted = lines.filter(({ way, name }) => only.test(`${way}, ${name}`))
  await using gateway = await GatewayProcess.start({
    env: { HLS_SEGMENT_SECONDS: '1.6', FAILBACK_CHECK_SECONDS: '2' },
  })
  const queue = Array.from({ length: rounds }, () => wanted).flat()
  const work = async () => {
    for (let line = queue.shift(); line !== undefined; line = queue.shift()) await playOnce(line, gateway)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  const table = (way: Way) => {
    const rows = wanted.filter((line) => line.way === way).map(cellsOf)
    return markdownTable(
      way === 'continuous' ? HEAD.slice(0, -1) : HEAD,
      rows.map((row) => (way === 'continuous' ? row.slice(0, -1) : row)),
    )
  }
  const markdown = [
    `Rounds of each row: ${rounds}; target duration ${TARGET_SECONDS} s, segments of 1.6 s; ${AT_ONCE} channels at once on one gateway.`,
    '',
    '### HLS sources, passed on',
    '',
    table('proxied'),
    '',
    '### Continuous sources, cut into segments',
    '',
    table('packaged'),
    '',
    '### HLS sources as one continuous stream',
    '',
    table('continuous'),
  ].join('\n')
  await publish({ name: 'faults-hls', command: `npm run bench:faults-hls -- --rounds ${rounds}`, markdown }, args)
}

await main(process.argv.slice(2))
