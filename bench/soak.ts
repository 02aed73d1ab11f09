import { systemClock } from '../src/lib/clock.ts'
import { seededRandom } from '../src/lib/random.ts'
import type { Random } from '../src/lib/random.ts'
import type { Fault } from '../test/lab/fault.ts'
import { FaultOrigin } from '../test/lab/fault-origin.ts'
import { GatewayProcess } from '../test/lab/gateway-process.ts'
import { until } from '../test/lab/poll.ts'
import type { Viewer } from '../test/lab/viewer.ts'
import { heldBy, heldRows } from './held.ts'
import type { Held } from './held.ts'
import { markdownTable, note, numberOption, publish } from './report.ts'
import { pick } from './soak-origins.ts'

/**
 * Some minutes of sources that flap and viewers that come, pause and go. Afterwards what the process holds has to be what
 * it held before: descriptors, sockets, what keeps the event loop alive, memory. The same seed gives the same sequence of faults.
 */

const MiB = 2 ** 20
const STREAMS = 4
const SOURCES_PER_STREAM = 3
const VIEWERS_MAX = 40
const STEP_MS = 100
const SETTLE_DEADLINE_MS = 30_000
/** The first part of a soak fills caches and pools: what is held after it is what the end is compared with. */
const WARM_UP_SHARE = 0.2

interface Channel {
  readonly streamId: string
  readonly origins: readonly FaultOrigin[]
}

interface Tally {
  faults: number
  viewers: number
  cut: number
  misalignedBytes: number
  bytes: number
}

const FAULTS: readonly Fault[] = [
  { kind: 'end' },
  { kind: 'fin', aligned: false },
  { kind: 'reset', aligned: true },
  { kind: 'silence' },
  { kind: 'burst_of_garbage', bytes: 777 },
]

async function channelOf(gateway: GatewayProcess, number: number): Promise<Channel> {
  const origins = await Promise.all(
    Array.from({ length: SOURCES_PER_STREAM }, (_, index) =>
      FaultOrigin.start({ name: `source ${number}.${index}`, programme: 'bravo' }),
    ),
  )
  return { origins, streamId: await gateway.api.stream(origins.map(({ url }) => url)) }
}

/** One source in trouble, another in order again: at any time most are fine. */
function flap({ origins }: Channel, random: Random, tally: Tally): void {
  const victim = pick(origins, random)
  if (victim === undefined) return
  const recovered = pick(origins, random)
  if (recovered !== undefined) recovered.answer = { kind: 'live' }
  const fault = pick(FAULTS, random)
  if (fault !== undefined) victim.inject(fault)
  if (random.next() < 0.3 && recovered !== victim) victim.answer = { kind: 'status', status: 503 }
  tally.faults += 1
}

function leave(viewer: Viewer, tally: Tally): void {
  if (!viewer.isAlive && viewer.status === 200) tally.cut += 1
  tally.misalignedBytes += viewer.record.misalignedBytes
  tally.bytes += viewer.totalBytes
  viewer.close()
}

function comeAndGo(
  gateway: GatewayProcess,
  channels: readonly Channel[],
  viewers: Viewer[],
  random: Random,
  tally: Tally,
) {
  const channel = pick(channels, random)
  if (channel !== undefined && viewers.length < VIEWERS_MAX && random.next() < 0.5) {
    viewers.push(gateway.watch(channel.streamId, { keepBytesMax: 0 }))
    tally.viewers += 1
    return
  }
  const [viewer] = viewers.splice(Math.floor(random.next() * viewers.length), 1)
  if (viewer === undefined) return
  if (random.next() < 0.3) viewer.pause()
  leave(viewer, tally)
}

async function soakFor(
  ms: number,
  gateway: GatewayProcess,
  channels: readonly Channel[],
  random: Random,
  tally: Tally,
): Promise<void> {
  const endMs = systemClock.nowMs() + ms
  const viewers: Viewer[] = []
  while (systemClock.nowMs() < endMs) {
    comeAndGo(gateway, channels, viewers, random, tally)
    const channel = random.next() < 0.15 ? pick(channels, random) : undefined
    if (channel !== undefined) flap(channel, random, tally)
    await systemClock.sleep(STEP_MS)
  }
  for (const viewer of viewers) leave(viewer, tally)
  for (const { origins } of channels) for (const origin of origins) origin.answer = { kind: 'live' }
}

/** What the gateway holds once it has let go of every source and viewer. */
async function held(gateway: GatewayProcess, channels: readonly Channel[]): Promise<Held> {
  await until(() => channels.every(({ origins }) => origins.every(({ deliveringNow }) => deliveringNow === 0)), {
    what: 'the release of every source',
    deadlineMs: SETTLE_DEADLINE_MS,
  })
  // Silent connections of retries may still run into their deadlines; then one more collection's worth of calm.
  await until(() => channels.every(({ origins }) => origins.every(({ connectionsNow }) => connectionsNow === 0)), {
    what: 'the end of every connection to a source',
    deadlineMs: SETTLE_DEADLINE_MS,
  })
  return await heldBy(gateway)
}

async function main(args: readonly string[]): Promise<void> {
  const minutes = numberOption(args, 'minutes', 3)
  const seed = numberOption(args, 'seed', 20_260)
  const random = seededRandom(seed)
  await using gateway = await GatewayProcess.start({ env: { SHARED_STREAM_GRACE: '1' } })
  const channels: Channel[] = []
  for (let number = 0; number < STREAMS; number += 1) channels.push(await channelOf(gateway, number))
  const tally: Tally = { faults: 0, viewers: 0, cut: 0, misalignedBytes: 0, bytes: 0 }
  await soakFor(minutes * 60_000 * WARM_UP_SHARE, gateway, channels, random, tally)
  const before = await held(gateway, channels)
  note(`after the first part: ${JSON.stringify(before)}`)
  await soakFor(minutes * 60_000 * (1 - WARM_UP_SHARE), gateway, channels, random, tally)
  const after = await held(gateway, channels)
  note(`at the end: ${JSON.stringify(after)}`)
  for (const { origins } of channels) for (const origin of origins) await origin[Symbol.asyncDispose]()
  const what = `${tally.faults} faults, ${tally.viewers} viewers, ${Math.round(tally.bytes / MiB)} MiB delivered`
  const markdown = [
    `${minutes} minutes, ${STREAMS} streams of ${SOURCES_PER_STREAM} sources, seed ${seed}: ${what}; ` +
      `viewers that lost their connection: ${tally.cut}; misaligned bytes: ${tally.misalignedBytes}.`,
    '',
    markdownTable(
      ['held with nobody watching', `after ${WARM_UP_SHARE * 100} % of the time`, 'at the end'],
      heldRows([before, after]),
    ),
  ].join('\n')
  await publish({ name: 'soak', command: `npm run bench:soak -- --minutes ${minutes} --seed ${seed}`, markdown }, args)
}

await main(process.argv.slice(2))
