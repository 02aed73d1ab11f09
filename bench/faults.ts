import { systemClock } from '../src/lib/clock.ts'
import { errorMessage } from '../src/lib/errors.ts'
import { FaultOrigin } from '../test/lab/fault-origin.ts'
import { GatewayProcess } from '../test/lab/gateway-process.ts'
import { OriginProcess } from '../test/lab/origin-process.ts'
import { until } from '../test/lab/poll.ts'
import type { Viewer } from '../test/lab/viewer.ts'
import { faultRows } from './fault-rows.ts'
import type { FaultRow } from './fault-rows.ts'
import { markdownTable, median, note, numberOption, publish } from './report.ts'

/**
 * The stream fault scoreboard: a viewer on one connection to a gateway with default settings, a primary that breaks, two
 * backups. Time runs from the fault (or, at the start, from the request) to the first byte of the source that follows.
 */

interface Outcome {
  readonly survived: boolean
  readonly nextByteMs: number
  /** The sources that the viewer read after the fault. */
  readonly followed: string
  readonly misalignedBytes: number
}

const NEXT_BYTE_MS_MAX = 40_000
/** Rows that mostly wait run beside each other; rows that are over in milliseconds run alone. */
const WAITING_ROWS_AT_ONCE = 4
let streams = 0

async function runOnce(gateway: GatewayProcess, row: FaultRow): Promise<Outcome> {
  streams += 1
  const suffix = `-${streams}`
  await using stack = new AsyncDisposableStack()
  const programmes = ['bravo', 'charlie'] as const
  const backups: FaultOrigin[] = []
  for (const [index, programme] of programmes.slice(0, row.backups).entries()) {
    backups.push(stack.use(await FaultOrigin.start({ name: `backup ${index + 1}${suffix}`, programme })))
  }
  const options = { ...row.primary, name: `primary${suffix}` }
  const external = row.strike === 'kill_9' ? stack.use(await OriginProcess.start([options])) : undefined
  const primary = stack.use(await FaultOrigin.start(options))
  const url = external?.url(options.name) ?? row.primaryUrl?.(primary) ?? primary.url
  const streamId = await gateway.api.stream([url, ...backups.map((backup) => backup.url)])
  const viewer = stack.use(gateway.watch(streamId))
  const outcome = await (row.when === 'at_start'
    ? watchStart(viewer)
    : strikeAndWatch(viewer, row, () => strike(row, { primary, external, gateway, streamId })))
  viewer.close()
  await gateway.api.call('DELETE', `/streams/${streamId}`)
  return { ...outcome, followed: outcome.followed.replaceAll(suffix, '') }
}

interface Struck {
  readonly primary: FaultOrigin
  readonly external: OriginProcess | undefined
  readonly gateway: GatewayProcess
  readonly streamId: string
}

async function strike(row: FaultRow, { primary, external, gateway, streamId }: Struck): Promise<void> {
  if (row.strike === 'kill_9') await external?.kill()
  else if (row.strike === 'manual_failover') await gateway.api.failover(streamId)
  else await row.strike?.(primary)
}

async function watchStart(viewer: Viewer): Promise<Outcome> {
  await until(() => viewer.record.stretches.length > 0 || !viewer.isAlive, {
    what: 'the first mark',
    deadlineMs: NEXT_BYTE_MS_MAX,
  })
  return outcomeOf(viewer, viewer.firstByteMs ?? Number.NaN, viewer.sources)
}

async function strikeAndWatch(viewer: Viewer, row: FaultRow, act: () => Promise<void>): Promise<Outcome> {
  await viewer.hasRead(1)
  await systemClock.sleep(row.watchedMs)
  const stretches = viewer.record.stretches.length
  const struckMs = systemClock.nowMs()
  await act()
  if (row.backups === 0) return await watchSame(viewer, struckMs)
  await until(() => viewer.record.stretches.length > stretches || !viewer.isAlive, {
    what: 'the next source',
    deadlineMs: NEXT_BYTE_MS_MAX,
  })
  const next = viewer.record.stretches[stretches]
  return outcomeOf(viewer, (next?.atMs ?? Number.NaN) - struckMs, viewer.sources.slice(stretches))
}

/** With one source there is no other name to wait for: its stamps tell what was due after the fault. */
async function watchSame(viewer: Viewer, struckMs: number): Promise<Outcome> {
  await until(() => (viewer.record.lastMark?.dueMs ?? 0) > struckMs || !viewer.isAlive, {
    what: 'media from after the fault',
    deadlineMs: NEXT_BYTE_MS_MAX,
  })
  return outcomeOf(viewer, (viewer.record.lastMarkAtMs ?? Number.NaN) - struckMs, viewer.sources.slice(-1))
}

function outcomeOf(viewer: Viewer, nextByteMs: number, followed: readonly string[]): Outcome {
  return {
    survived: viewer.state === 'reading' && viewer.status === 200,
    nextByteMs,
    followed: followed.join(', then '),
    misalignedBytes: viewer.record.misalignedBytes,
  }
}

async function runRow(gateway: GatewayProcess, row: FaultRow, runs: number): Promise<readonly string[]> {
  const outcomes: Outcome[] = []
  for (let run = 0; run < runs; run += 1) {
    const failed = { survived: false, nextByteMs: Number.NaN, followed: 'nothing', misalignedBytes: 0 }
    outcomes.push(
      await runOnce(gateway, row).catch((error: unknown) => {
        note(`${row.name}: ${errorMessage(error)}`)
        return failed
      }),
    )
  }
  const times = outcomes.map(({ nextByteMs }) => nextByteMs).filter((ms) => !Number.isNaN(ms))
  const survivors = outcomes.filter(({ survived }) => survived).length
  const name = row.when === 'at_start' ? `at the start: ${row.name}` : row.name
  note(`${name}: ${survivors}/${runs}, ${milliseconds(median(times))}`)
  return [
    name,
    `${survivors} of ${runs}`,
    times.length === 0 ? 'none' : `${milliseconds(median(times))} / ${milliseconds(Math.max(...times))}`,
    [...new Set(outcomes.map(({ followed }) => followed))].join(' or '),
    String(Math.max(...outcomes.map(({ misalignedBytes }) => misalignedBytes))),
    row.peer,
  ]
}

const milliseconds = (ms: number) => `${Math.round(ms).toLocaleString('en')} ms`

async function main(args: readonly string[]): Promise<void> {
  const runs = numberOption(args, 'runs', 5)
  await using gateway = await GatewayProcess.start()
  const lines = new Map<FaultRow, readonly string[]>()
  const isWaiting = (row: FaultRow) => row.watchedMs > 1_000 || /never|nothing|noise/.test(row.name)
  for (const row of faultRows.filter((each) => !isWaiting(each))) lines.set(row, await runRow(gateway, row, runs))
  const queue = faultRows.filter(isWaiting)
  const work = async () => {
    for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
      lines.set(row, await runRow(gateway, row, runs))
    }
  }
  await Promise.all(Array.from({ length: WAITING_ROWS_AT_ONCE }, work))
  const head = ['fault', 'survived', 'next byte (median / longest)', 'followed by', 'misaligned bytes', 'm3u-proxy ¹']
  const markdown = [
    markdownTable(
      head,
      faultRows.map((row) => lines.get(row) ?? []),
    ),
    '',
    `Runs of each row: ${runs}.`,
  ].join('\n')
  await publish({ name: 'faults', command: `npm run bench:faults -- --runs ${runs}`, markdown }, args)
}

await main(process.argv.slice(2))
