import { systemClock } from '../src/lib/clock.ts'
import { errorMessage } from '../src/lib/errors.ts'
import { CONDITIONS } from '../src/streams/detect/conditions.ts'
import type { Pace } from '../test/lab/fault.ts'
import { FaultOrigin } from '../test/lab/fault-origin.ts'
import { GatewayProcess } from '../test/lab/gateway-process.ts'
import { until } from '../test/lab/poll.ts'
import type { Viewer } from '../test/lab/viewer.ts'
import { detectRows } from './detect-rows.ts'
import type { DetectRow } from './detect-rows.ts'
import { measureThroughput } from './detect-throughput.ts'
import { markdownTable, median, note, numberOption, publish } from './report.ts'

/**
 * The detection table: how long it takes on a live gateway from the moment at which something goes wrong with a source to
 * the decision to leave it; and whether sources that are in order are left alone.
 */

const ROWS_AT_ONCE = 6
const DECISION_MS_MAX = 90_000
const MINUTE_MS = 60_000

let scenes = 0

/** Milliseconds from the fault to the decision, which has to be for that condition. */
async function runOnce(gateway: GatewayProcess, row: DetectRow): Promise<number> {
  scenes += 1
  await using stack = new AsyncDisposableStack()
  const primary = stack.use(await FaultOrigin.start({ ...row.primary, name: `primary-${scenes}` }))
  const backup = stack.use(await FaultOrigin.start({ name: `backup-${scenes}`, programme: 'bravo' }))
  const streamId = await gateway.api.stream([primary.url, backup.url], {
    ...(CONDITIONS.some((condition) => condition === row.condition) ? { detect: { [row.condition]: 'fail' } } : {}),
    ...row.stream,
  })
  stack.defer(async () => void (await gateway.api.call('DELETE', `/streams/${streamId}`)))
  const viewer = stack.use(gateway.watch(streamId))
  await viewer.hasRead(1)
  await systemClock.sleep(row.watchedMs)
  const struckMs = systemClock.wallMs()
  if (row.fault !== undefined) primary.inject(row.fault)
  const [decision] = await until(
    async () => {
      const events = await gateway.api.events(streamId, 'failover_triggered')
      return events.length > 0 && events
    },
    { what: row.condition, deadlineMs: DECISION_MS_MAX },
  )
  const reason = String(decision?.data['reason'])
  if (decision === undefined || reason !== row.condition) {
    const [failure] = gateway.logged('source_failed').filter((line) => line['stream_id'] === streamId)
    throw new Error(`${row.condition} was found as ${reason}: ${String(failure?.['detail'])}`)
  }
  return Date.parse(decision.timestamp) - struckMs
}

async function runRow(gateway: GatewayProcess, row: DetectRow, runs: number): Promise<readonly string[]> {
  const name = row.condition === 'stalled' && row.fault?.kind !== 'silence' ? 'stalled (padding)' : row.condition
  const results = await Promise.allSettled(Array.from({ length: runs }, async () => await runOnce(gateway, row)))
  const times = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  for (const result of results) if (result.status === 'rejected') note(`${name}: ${errorMessage(result.reason)}`)
  note(`${name}: ${times.map((time) => Math.round(time)).join(', ')} ms`)
  const measured = times.length === 0 ? 'none' : `${milliseconds(median(times))} / ${milliseconds(Math.max(...times))}`
  return [`\`${row.condition}\``, row.what, row.threshold, `${times.length} of ${runs}`, measured]
}

async function measureRows(runs: number): Promise<readonly (readonly string[])[]> {
  await using gateway = await GatewayProcess.start({ env: { DECODERS_MAX: '64' } })
  const lines = new Map<DetectRow, readonly string[]>()
  // The longest first, so that the last to end are not those that take a minute.
  const queue = detectRows.toSorted((left, right) => right.watchedMs - left.watchedMs)
  const work = async () => {
    for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
      lines.set(row, await runRow(gateway, row, runs))
    }
  }
  await Promise.all(Array.from({ length: ROWS_AT_ONCE }, work))
  return detectRows.map((row) => lines.get(row) ?? [])
}

interface QuietKind {
  readonly name: string
  readonly pace: Pace
  readonly join?: 'mid_gop'
}

/** Sources of which nothing is wrong, however they deliver. */
const quietKinds: readonly QuietKind[] = [
  { name: 'smooth', pace: { kind: 'smooth' } },
  { name: 'smooth, joined in mid-group', pace: { kind: 'smooth' }, join: 'mid_gop' },
  { name: 'bursts of 2 s', pace: { kind: 'bursts', everyMs: 2_000 } },
  { name: 'bursts of 5 s', pace: { kind: 'bursts', everyMs: 5_000 } },
  { name: 'bursts of 10 s', pace: { kind: 'bursts', everyMs: 10_000 } },
  { name: 'slow start: a quarter of real time for 6 s', pace: { kind: 'slow_start', forMs: 6_000 } },
  { name: 'twice as fast as real time', pace: { kind: 'slow', factor: 2 } },
]

interface QuietStream {
  readonly kind: QuietKind
  readonly streamId: string
  readonly viewer: Viewer
}

/** Longer than any burst. */
const SILENT_MS_MAX = 15_000

/** No alarm means nothing where nobody looked: throws unless every stream still flows and every source was decoded. */
function assertWatched(gateway: GatewayProcess, watched: readonly QuietStream[]): void {
  for (const { kind, viewer } of watched) {
    const silentMs = systemClock.nowMs() - (viewer.record.lastMarkAtMs ?? 0)
    if (viewer.state !== 'reading' || silentMs > SILENT_MS_MAX) throw new Error(`${kind.name}: the stream has stopped`)
  }
  for (const event of ['decoders_full', 'decoder_not_found', 'decoder_ended']) {
    if (gateway.logged(event).length > 0) throw new Error(`not everything was decoded: ${event}`)
  }
}

/** Every condition fails a source here, but for the one that is true of the lab's programmes: they repeat themselves. */
const everything = Object.fromEntries(
  CONDITIONS.map((condition) => [condition, condition === 'looping' ? 'off' : 'fail']),
)

/** Rows of kind, source-minutes, and false alarms: switches and warnings. */
async function measureQuiet(minutes: number, each: number): Promise<readonly (readonly string[])[]> {
  await using gateway = await GatewayProcess.start({ env: { DECODERS_MAX: '64' } })
  await using stack = new AsyncDisposableStack()
  const watched: QuietStream[] = []
  for (const kind of quietKinds) {
    for (let index = 0; index < each; index += 1) {
      scenes += 1
      const { name: _, ...options } = kind
      const primary = stack.use(await FaultOrigin.start({ ...options, name: `primary-${scenes}` }))
      const backup = stack.use(await FaultOrigin.start({ name: `backup-${scenes}`, programme: 'bravo' }))
      const streamId = await gateway.api.stream([primary.url, backup.url], { detect: everything })
      watched.push({ kind, streamId, viewer: stack.use(gateway.watch(streamId)) })
    }
  }
  await systemClock.sleep(minutes * MINUTE_MS)
  assertWatched(gateway, watched)
  const alarms = new Map<QuietKind, number>()
  for (const { kind, streamId } of watched) {
    for (const type of ['failover_triggered', 'source_warning']) {
      for (const { data } of await gateway.api.events(streamId, type)) {
        note(`${kind.name}: false alarm ${JSON.stringify(data)}`)
        alarms.set(kind, (alarms.get(kind) ?? 0) + 1)
      }
    }
  }
  return quietKinds.map((kind) => [kind.name, `${minutes * each}`, `${alarms.get(kind) ?? 0}`])
}

const milliseconds = (ms: number) => `${Math.round(ms).toLocaleString('en')} ms`

async function main(args: readonly string[]): Promise<void> {
  const runs = numberOption(args, 'runs', 3)
  const minutes = numberOption(args, 'minutes', 3)
  const each = numberOption(args, 'each', 2)
  const { monitor, framer, together } = measureThroughput()
  const rows = await measureRows(runs)
  const quiet = await measureQuiet(minutes, each)
  const markdown = [
    markdownTable(['condition', 'what goes wrong', 'threshold', 'found', 'time to decide (median / longest)'], rows),
    '',
    'False alarms, with every condition set to leave the source, the decoded ones included (but for `looping`, which is true of the lab’s programmes):',
    '',
    markdownTable(['source', 'source-minutes', 'false alarms'], quiet),
    '',
    `One core looks through ${Math.round(monitor)} MB/s for the conditions without decoding, ${Math.round(framer)} MB/s for`,
    `the framer beside it, ${Math.round(together)} MB/s for both.`,
  ].join('\n')
  const command = `npm run bench:detect -- --runs ${runs} --minutes ${minutes} --each ${each}`
  await publish({ name: 'detection', command, markdown }, args)
}

await main(process.argv.slice(2))
