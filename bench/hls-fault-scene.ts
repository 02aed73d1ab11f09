import { systemClock } from '../src/lib/clock.ts'
import { FaultOrigin } from '../test/lab/fault-origin.ts'
import type { GatewayProcess } from '../test/lab/gateway-process.ts'
import { loadTsMedia } from '../test/lab/hls-media.ts'
import { HlsOriginProcess } from '../test/lab/hls-origin-process.ts'
import { HlsOrigin } from '../test/lab/hls-origin.ts'
import { OriginProcess } from '../test/lab/origin-process.ts'
import { until } from '../test/lab/poll.ts'
import { ContinuousPlayer } from './continuous-player.ts'
import type { HlsFaultRow, Way } from './hls-fault-rows.ts'
import { HlsPlayer } from './hls-player.ts'
import type { ScoredPlayer } from './scored-player.ts'

/** What one round of a row came to. */
export interface Outcome {
  readonly fatal: string | undefined
  readonly stalls: number
  readonly stalledMs: number
  readonly longestStallMs: number
  /** From the fault to the first media of another source; undefined when there was none. */
  readonly nextMs: number | undefined
  /** Sources after the fault. */
  readonly followed: string
  readonly refusals: readonly string[]
  readonly violations: readonly string[]
  readonly skipped: number
}

const PROGRAMMES = ['alpha', 'bravo', 'charlie'] as const
const NAMES = ['primary', 'backup 1', 'backup 2'] as const
const BEGIN_DEADLINE_MS = 30_000
/** The player has played for so long when it happens. */
const WATCHED_MS = 4_000
const NEXT_DEADLINE_MS = 30_000
/** The next source has to go on for so long. */
const SETTLED_MS = 6_000
/** Where the primary may stay, it is watched for so long. */
const STAYED_MS = 15_000
/** Segments that a channel has when players come to it, as one that is on all day. */
const READY_SEGMENTS = 5
let scenes = 0

interface Sources<Origin> extends AsyncDisposable {
  readonly urls: readonly string[]
  readonly primary: Origin
  readonly kill: () => Promise<void>
  readonly fail: () => void
  readonly heal: () => void
}

/** Sources of HLS: a primary, in a process of its own where that is to be killed, and two more. */
export async function hlsSources(isKilled: boolean): Promise<Sources<HlsOrigin>> {
  scenes += 1
  await using stack = new AsyncDisposableStack()
  const named = NAMES.map((name, index) => ({ source: `${name}-${scenes}`, programme: PROGRAMMES[index] ?? 'alpha' }))
  const origins: HlsOrigin[] = []
  for (const [index, options] of named.entries()) {
    const media = await loadTsMedia({ ...options, offsetTicks: 90_000_000 * index })
    origins.push(
      stack.use(await HlsOrigin.start({ renditions: [{ name: 'main', media }], firstSequence: 900 * index })),
    )
  }
  const [primary] = origins
  const [own] = named
  if (primary === undefined || own === undefined) throw new Error('no origin')
  const external = isKilled ? stack.use(await HlsOriginProcess.start(own)) : undefined
  const kept = stack.move()
  const setFault = (fault: HlsOrigin['playlistFault']) => {
    primary.playlistFault = fault
    primary.segmentFault = fault
  }
  return {
    urls: [external?.url ?? primary.url, ...origins.slice(1).map(({ url }) => url)],
    primary,
    kill: async () => await external?.kill(),
    fail: () => setFault({ kind: 'reset' }),
    heal: () => setFault(undefined),
    [Symbol.asyncDispose]: async () => await kept[Symbol.asyncDispose](),
  }
}

/** The same for continuous sources. */
export async function tsSources(isKilled: boolean): Promise<Sources<FaultOrigin>> {
  scenes += 1
  await using stack = new AsyncDisposableStack()
  const named = NAMES.map((name, index) => ({ name: `${name}-${scenes}`, programme: PROGRAMMES[index] ?? 'alpha' }))
  const origins: FaultOrigin[] = []
  for (const options of named) origins.push(stack.use(await FaultOrigin.start(options)))
  const [primary] = origins
  const [own] = named
  if (primary === undefined || own === undefined) throw new Error('no origin')
  const external = isKilled ? stack.use(await OriginProcess.start([own])) : undefined
  const kept = stack.move()
  return {
    urls: [external?.url(own.name) ?? primary.url, ...origins.slice(1).map(({ url }) => url)],
    primary,
    kill: async () => await external?.kill(),
    fail: () => {
      primary.answer = { kind: 'status', status: 404 }
      primary.inject({ kind: 'end' })
    },
    heal: () => {
      primary.answer = { kind: 'live' }
    },
    [Symbol.asyncDispose]: async () => await kept[Symbol.asyncDispose](),
  }
}

export interface SceneOptions<Origin> {
  readonly gateway: GatewayProcess
  readonly way: Way
  readonly row: HlsFaultRow<Origin>
  readonly sources: (isKilled: boolean) => Promise<Sources<Origin>>
}

/** Plays a stream, lets the fault of the row happen to it, and sees what the player had to bear. */
export async function playScene<Origin>({ gateway, way, row, sources }: SceneOptions<Origin>): Promise<Outcome> {
  const { act, stream = {} } = row
  await using open = await sources(act.kind === 'kill_9')
  const streamId = await gateway.api.stream(open.urls, stream)
  try {
    const player = await playerOf(gateway, way, streamId)
    try {
      await until(() => player.settledMs > 0 || player.fatal !== undefined, {
        ...{ what: 'the first media', deadlineMs: BEGIN_DEADLINE_MS, evidence: () => player.refusals },
      })
      await systemClock.sleep(WATCHED_MS)
      if (act.kind === 'failback') await failFirst(open, player)
      const before = player.changes.length
      const struckMs = systemClock.nowMs()
      if (act.kind === 'kill_9') await open.kill()
      else if (act.kind === 'manual') await gateway.api.failover(streamId)
      else if (act.kind === 'failback') open.heal()
      else await act.strike(open.primary)
      const { mayStay = false, deadlineMs = mayStay ? STAYED_MS : NEXT_DEADLINE_MS } = row
      await watchAfter(player, before, struckMs, deadlineMs)
      return await outcomeOf(player, before, struckMs)
    } finally {
      await player[Symbol.asyncDispose]()
    }
  } finally {
    await gateway.api.call('DELETE', `/streams/${streamId}`)
  }
}

async function playerOf(gateway: GatewayProcess, way: Way, streamId: string): Promise<ScoredPlayer> {
  if (way === 'continuous') return new ContinuousPlayer(`${gateway.url}/stream/${streamId}`)
  const url = `${gateway.url}/hls/${streamId}/playlist.m3u8`
  await until(async () => (await segmentsIn(`${url}?client_id=first`)) >= READY_SEGMENTS, {
    ...{ what: 'a channel that has been on for a while', deadlineMs: BEGIN_DEADLINE_MS },
  })
  return new HlsPlayer(`${url}?client_id=player`)
}

async function segmentsIn(url: string): Promise<number> {
  const answer = await fetch(url)
  const text = await answer.text()
  await systemClock.sleep(200)
  return text.split('#EXTINF').length - 1
}

async function failFirst<Origin>(open: Sources<Origin>, player: ScoredPlayer): Promise<void> {
  const { source } = player
  open.fail()
  await until(() => (player.source !== source && player.settledMs > 2_000) || player.fatal !== undefined, {
    ...{ what: 'the first failover', deadlineMs: NEXT_DEADLINE_MS },
  })
}

async function watchAfter(player: ScoredPlayer, before: number, struckMs: number, deadlineMs: number): Promise<void> {
  const endMs = struckMs + deadlineMs
  const isOver = () => {
    const hasChanged = player.changes.length > before && player.settledMs >= SETTLED_MS
    return hasChanged || player.fatal !== undefined || systemClock.nowMs() > endMs
  }
  await until(isOver, { what: 'the end of a scene', deadlineMs: 2 * deadlineMs })
}

async function outcomeOf(player: ScoredPlayer, before: number, struckMs: number): Promise<Outcome> {
  await player[Symbol.asyncDispose]()
  const after = player.changes.slice(before)
  const { fatal, stalls, stalledMs, longestStallMs, refusals, violations, skipped } = player
  const followed = after.map(({ source }) => source.replace(/-\d+$/, ''))
  const [next] = after
  return {
    ...{ fatal, stalls, stalledMs, longestStallMs, refusals, violations, skipped },
    nextMs: next === undefined ? undefined : next.atMs - struckMs,
    followed: followed.length === 0 ? 'the same' : followed.join(', then '),
  }
}
