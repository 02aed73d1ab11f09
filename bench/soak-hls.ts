import { systemClock } from '../src/lib/clock.ts'
import { seededRandom } from '../src/lib/random.ts'
import type { Random } from '../src/lib/random.ts'
import { FaultOrigin } from '../test/lab/fault-origin.ts'
import { GatewayProcess } from '../test/lab/gateway-process.ts'
import { HeapObjects } from './heap-objects.ts'
import type { HeapLook } from './heap-objects.ts'
import { heldBy, heldRows } from './held.ts'
import type { Held } from './held.ts'
import { markdownTable, note, numberOption, publish } from './report.ts'
import { PLANS, SoakChannel } from './soak-channel.ts'
import type { SoakPlayer } from './soak-channel.ts'
import { pick } from './soak-origins.ts'

/**
 * Some minutes of HLS whose sources fail in all ways of the scoreboard, one at a time and all at once, while players come
 * and go and streams are edited, switched, deleted and made anew. Each part ends with the deletion of every stream; what the
 * gateway holds then has to be what it held before the first. The same seed gives the same sequence of events.
 */

const PLAYERS_MAX = 18
const STEP_MS = 200
/** Sources stay broken, all of a stream at once, for so many steps: long enough for a slate. */
const OUTAGE_STEPS = 40
/** The first part of a soak fills caches and pools. */
const WARM_UP_SHARE = 0.25
/** The gateway keeps connections of clients for 65 s; what is there after this does not go by itself. */
const SETTLE_MS_MAX = 80_000
/** Below this a list or map is not worth a word. */
const COLLECTION_BYTES_MIN = 4_096
const KINDS_TOLD = 10
/** Some more while in use is the moment at which it was looked. */
const OBJECTS_TOLD_MIN = 50

interface Tally {
  faults: number
  outages: number
  players: number
  edits: number
  switches: number
  deletions: number
  readonly violations: string[]
}

interface Look extends HeapLook {
  readonly held: Held
}

interface Room {
  readonly gateway: GatewayProcess
  readonly channels: readonly SoakChannel[]
  /** A continuous source, which changes the way in which a stream of playlists becomes HLS. */
  readonly continuousUrl: string
  readonly random: Random
  readonly tally: Tally
  /** What it listens on, and what is its own. */
  readonly idleSockets: number
}

async function leave(player: SoakPlayer, tally: Tally): Promise<void> {
  for (const violation of await player.leave()) tally.violations.push(`${player.channel.plan.name}: ${violation}`)
}

async function comeAndGo({ channels, random, tally }: Room, players: SoakPlayer[]): Promise<void> {
  const channel = pick(channels, random)
  if (channel?.exists === true && players.length < PLAYERS_MAX && random.next() < 0.55) {
    players.push(channel.play(random))
    tally.players += 1
    return
  }
  const [player] = players.splice(Math.floor(random.next() * players.length), 1)
  if (player !== undefined) await leave(player, tally)
}

async function operate({ random, tally, continuousUrl }: Room, channel: SoakChannel): Promise<void> {
  const chance = random.next()
  if (!channel.exists) {
    await channel.create()
  } else if (chance < 0.4) {
    tally.edits += 1
    const isMixed = channel.plan.isTranscoded !== true && random.next() < 0.3
    await channel.create(random, isMixed ? continuousUrl : undefined)
  } else if (chance < 0.75 || channel.plan.isKept === true) {
    tally.switches += 1
    await channel.switchOver()
  } else {
    tally.deletions += 1
    await channel.delete()
  }
}

/** Resolves with those who play at its end. */
async function soakFor(ms: number, room: Room): Promise<readonly SoakPlayer[]> {
  const { channels, random, tally } = room
  const endMs = systemClock.nowMs() + ms
  const players: SoakPlayer[] = []
  const outages = new Map<SoakChannel, number>()
  for (const channel of channels) await channel.create()
  for (let step = 0; systemClock.nowMs() < endMs; step += 1) {
    if (random.next() < 0.5) await comeAndGo(room, players)
    const channel = pick(channels, random)
    const chance = random.next()
    if (channel !== undefined && !outages.has(channel) && chance < 0.1) {
      tally.faults += 1
      await channel.flap(random)
    } else if (channel !== undefined && chance > 0.965) await operate(room, channel)
    else if (channel !== undefined && !outages.has(channel) && chance > 0.93) {
      tally.outages += 1
      await channel.failAll(random)
      outages.set(channel, step + OUTAGE_STEPS)
    }
    for (const [broken, until] of outages) {
      if (until > step || !outages.delete(broken)) continue
      await broken.healAll()
    }
    await systemClock.sleep(STEP_MS)
  }
  return players
}

/** Some players go before their streams do, others lose them. */
async function deleteAll({ channels, tally }: Room, players: readonly SoakPlayer[]): Promise<void> {
  const half = players.length / 2
  for (const player of players.slice(0, half)) await leave(player, tally)
  for (const channel of channels) await channel.delete()
  for (const player of players.slice(half)) await leave(player, tally)
  for (const channel of channels) await channel.healAll()
}

/** Resolves when there are no more sockets than before the first request. */
async function settle({ gateway, idleSockets }: Room): Promise<void> {
  const endMs = systemClock.nowMs() + SETTLE_MS_MAX
  while ((await gateway.facts()).sockets > idleSockets && systemClock.nowMs() < endMs) await systemClock.sleep(STEP_MS)
}

async function look({ gateway }: Room, heap: HeapObjects): Promise<Look> {
  const found = await heap.look(gateway.pid)
  return { ...found, held: await heldBy(gateway) }
}

/** Objects of the gateway's classes beyond those at the start, by class. */
function leftBehind(start: Look, { byClass }: Look): readonly (readonly [name: string, count: number])[] {
  return [...byClass]
    .map(([name, count]) => [name, count - (start.byClass.get(name) ?? 0)] as const)
    .filter(([, count]) => count > 0)
}

/** Maps, sets and lists that take twice the room of before, or more. */
function grown(before: Look, after: Look): readonly string[] {
  return [...after.collections].flatMap(([field, bytes]) => {
    const bytesBefore = before.collections.get(field) ?? 0
    return bytes >= COLLECTION_BYTES_MIN && bytes >= 2 * bytesBefore
      ? [`${field}: ${bytesBefore} to ${bytes} bytes`]
      : []
  })
}

/** The kinds of objects that take most more room than before. */
function heavier(before: Look, after: Look): readonly string[] {
  return [...after.bytesByKind]
    .map(([kind, bytes]) => [kind, bytes - (before.bytesByKind.get(kind) ?? 0)] as const)
    .toSorted(([, left], [, right]) => right - left)
    .slice(0, KINDS_TOLD)
    .map(([kind, bytes]) => `${kind}: ${bytes} bytes`)
}

function tableOf(looks: readonly Look[]): string {
  const [start] = looks
  const objects = looks.map((each) => leftBehind(start ?? each, each).reduce((sum, [, count]) => sum + count, 0))
  const [first, last] = [`after ${WARM_UP_SHARE * 100} % of the time`, 'at the end']
  return markdownTable(
    ['held', 'at the start', ...[first, last].flatMap((when) => [`${when}, in use`, `${when}, all deleted`])],
    [
      ['streams', ...looks.map(({ held }) => `${held.streams}`)],
      ["objects of the gateway's classes, beyond the start", ...objects.map(String)],
      ['accounts with a connection in use', ...looks.map(({ accounts }) => `${accounts}`)],
      ...heldRows(looks.map(({ held }) => held)),
    ],
  )
}

/** The soak for so long, what is held then, and what is held when everything has been deleted. */
async function part(ms: number, room: Room, heap: HeapObjects): Promise<readonly [Look, Look]> {
  const players = await soakFor(ms, room)
  const inUse = await look(room, heap)
  await deleteAll(room, players)
  await settle(room)
  return [inUse, await look(room, heap)]
}

async function main(args: readonly string[]): Promise<void> {
  const minutes = numberOption(args, 'minutes', 5)
  const seed = numberOption(args, 'seed', 20_262)
  await using stack = new AsyncDisposableStack()
  const heap = stack.use(await HeapObjects.prepare())
  const times = { HLS_CLIENT_TIMEOUT_SECONDS: '5', FAILBACK_CHECK_SECONDS: '2', STANDBY_CHECK_SECONDS: '2' }
  const env = { ...heap.env, ...times, SHARED_STREAM_GRACE: '1', HLS_SEGMENT_SECONDS: '1.6', SLATE_HOLD_SECONDS: '5' }
  const gateway = stack.use(await GatewayProcess.start({ env }))
  const channels: SoakChannel[] = []
  for (const plan of PLANS) channels.push(stack.use(await SoakChannel.open(gateway, plan)))
  const continuous = stack.use(await FaultOrigin.start({ name: 'mixed' }))
  const tally: Tally = { faults: 0, outages: 0, players: 0, edits: 0, switches: 0, deletions: 0, violations: [] }
  const room = {
    gateway,
    channels,
    continuousUrl: continuous.url,
    random: seededRandom(seed),
    tally,
    idleSockets: (await gateway.facts()).sockets,
  }
  const start = await look(room, heap)
  const [inUse, deleted] = await part(minutes * 60_000 * WARM_UP_SHARE, room, heap)
  const [inUseLast, deletedLast] = await part(minutes * 60_000 * (1 - WARM_UP_SHARE), room, heap)
  for (const [name, count] of leftBehind(start, deletedLast)) note(`left behind: ${count} of ${name}`)
  for (const [name, count] of leftBehind(inUse, inUseLast)) {
    if (count >= OBJECTS_TOLD_MIN) note(`more while in use: ${count} of ${name}`)
  }
  for (const field of grown(inUse, inUseLast)) note(`grown while in use: ${field}`)
  for (const field of grown(start, deletedLast)) note(`grown, all deleted: ${field}`)
  for (const kind of heavier(deleted, deletedLast)) note(`heavier, all deleted: ${kind}`)
  for (const violation of tally.violations.slice(0, 10)) note(violation)
  for (const line of gateway.logs.filter(({ level }) => level === 'error').slice(0, 10)) note(JSON.stringify(line))
  for (const line of gateway.otherOutput.slice(0, 10)) note(line)
  const { faults, outages, players, edits, switches, deletions, violations } = tally
  const markdown = [
    `${minutes} minutes, ${PLANS.length} streams, seed ${seed}: ${faults} faults, ${outages} times all sources of a stream at once, ` +
      `${players} players, ${edits} edits, ${switches} switches by hand, ${deletions} deletions in between; ` +
      `slates shown: ${gateway.logged('slate_shown').length}; breaches of RFC 8216 at a player: ${violations.length}.`,
    '',
    tableOf([start, inUse, deleted, inUseLast, deletedLast]),
  ].join('\n')
  await publish(
    { name: 'soak-hls', command: `npm run bench:soak-hls -- --minutes ${minutes} --seed ${seed}`, markdown },
    args,
  )
}

await main(process.argv.slice(2))
