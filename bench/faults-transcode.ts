import { systemClock } from '../src/lib/clock.ts'
import { errorMessage } from '../src/lib/errors.ts'
import { GatewayProcess } from '../test/lab/gateway-process.ts'
import { until } from '../test/lab/poll.ts'
import { TranscodeScene } from '../test/lab/transcode-lab.ts'
import { EncodedPlayer } from './encoded-player.ts'
import { markdownTable, median, note, numberOption, publish } from './report.ts'

/**
 * The fault scoreboard of encoded streams: a viewer on one connection, one encoder, a primary and a backup, and what
 * breaks is the encoder or the primary.
 */

interface Row {
  readonly name: string
  readonly body: Readonly<Record<string, unknown>>
  readonly strike: (scene: TranscodeScene) => Promise<void>
  /** The fault is there before the viewer comes. */
  readonly isAtStart?: boolean
  /** How long it is watched after the fault. */
  readonly watchedMs: number
}

interface Outcome {
  readonly survived: boolean
  /** The longest time without media after the fault; at the start, from the request to the first media. */
  readonly withoutMediaMs: number
  readonly stalls: number
  readonly longestStallMs: number
  readonly restarts: number
  readonly onAir: string
  readonly misalignedBytes: number
  readonly pcrJumps: number
}

const DEADLINE_MS = 40_000
const PLAYED_BEFORE_MS = 5_000
const WATCHED_MS = 8_000
/** Media has come so recently in the end. */
const SETTLED_MS = 1_500
/** A hang is noticed after six seconds without output. */
const WATCHED_HANG_MS = 20_000
const ENCODER = { profile: 'lowlatency' }
const LADDER = {
  profile: 'ladder',
  profile_variables: { preset: 'ultrafast' },
  renditions: [
    { height: 180, video_bitrate: '400k', audio_bitrate: '96k' },
    { height: 90, video_bitrate: '150k', audio_bitrate: '64k' },
  ],
}

const signal = (name: NodeJS.Signals) => async (scene: TranscodeScene) => {
  process.kill(await scene.pid(), name)
}
const killTwice = async (scene: TranscodeScene) => {
  const pid = await scene.pid()
  process.kill(pid, 'SIGKILL')
  const { transcoder } = await scene.comesTo('the next encoder', (state) => ![pid, null].includes(state.transcoder.pid))
  process.kill(transcoder.pid ?? 0, 'SIGKILL')
}
const answer404 = async (scene: TranscodeScene) => {
  scene.origin(0).answer = { kind: 'status', status: 404 }
  scene.origin(0).inject({ kind: 'end' })
}
const refuse = async (scene: TranscodeScene) => {
  await scene.origin(0).refuse()
  scene.origin(0).inject({ kind: 'reset', aligned: false })
}

const rows: readonly Row[] = [
  { name: 'kill -9 of ffmpeg', body: ENCODER, strike: signal('SIGKILL'), watchedMs: WATCHED_MS },
  { name: 'kill -9 of ffmpeg, profile `default`', body: {}, strike: signal('SIGKILL'), watchedMs: WATCHED_MS },
  { name: 'kill -9 of ffmpeg, a ladder of two', body: LADDER, strike: signal('SIGKILL'), watchedMs: WATCHED_MS },
  { name: 'kill -9 of ffmpeg, and of the next at once', body: ENCODER, strike: killTwice, watchedMs: WATCHED_MS },
  { name: 'ffmpeg hangs (SIGSTOP)', body: ENCODER, strike: signal('SIGSTOP'), watchedMs: WATCHED_HANG_MS },
  { name: 'the source resets and refuses', body: ENCODER, strike: refuse, watchedMs: WATCHED_MS },
  { name: 'the source ends, then answers 404', body: ENCODER, strike: answer404, watchedMs: WATCHED_MS },
  {
    name: 'silence of the source on an open connection',
    body: ENCODER,
    strike: async (scene) => scene.origin(0).inject({ kind: 'silence' }),
    watchedMs: WATCHED_MS,
  },
  {
    name: 'the source resets and refuses, a ladder of two',
    body: LADDER,
    strike: refuse,
    watchedMs: WATCHED_MS,
  },
  {
    name: 'at the start: the primary answers 404',
    body: ENCODER,
    strike: answer404,
    isAtStart: true,
    watchedMs: 3_000,
  },
]

async function runOnce(gateway: GatewayProcess, row: Row): Promise<Outcome> {
  await using scene = await TranscodeScene.open(gateway, [{}, {}], row.body)
  if (row.isAtStart === true) await row.strike(scene)
  const askedMs = systemClock.nowMs()
  using player = new EncodedPlayer(`${gateway.url}/stream/${scene.streamId}`)
  await until(() => player.hasMedia || player.fatal !== undefined, { what: 'the first media', deadlineMs: DEADLINE_MS })
  const startMs = systemClock.nowMs() - askedMs
  if (row.isAtStart !== true) await systemClock.sleep(PLAYED_BEFORE_MS)
  player.watchPauses()
  if (row.isAtStart !== true) await row.strike(scene)
  await systemClock.sleep(row.watchedMs)
  const { longestPauseMs } = player
  const state = await scene.state()
  return {
    survived: player.fatal === undefined && player.status === 200 && player.hasMediaWithinMs(SETTLED_MS),
    withoutMediaMs: row.isAtStart === true ? startMs : longestPauseMs,
    stalls: player.stalls,
    longestStallMs: player.longestStallMs,
    restarts: state.transcoder.restarts,
    onAir: state.failover_index === 0 ? 'the primary' : `backup ${state.failover_index}`,
    misalignedBytes: player.misalignedBytes,
    pcrJumps: player.pcrJumps,
  }
}

function cellsOf({ name }: Row, outcomes: readonly Outcome[], runs: number): readonly string[] {
  const all = (of: (outcome: Outcome) => number) => outcomes.map(of)
  const times = (of: (outcome: Outcome) => number) =>
    outcomes.length === 0 ? 'none' : `${milliseconds(median(all(of)))} / ${milliseconds(Math.max(...all(of)))}`
  return [
    name,
    `${outcomes.filter(({ survived }) => survived).length} of ${runs}`,
    times(({ withoutMediaMs }) => withoutMediaMs),
    times(({ longestStallMs }) => longestStallMs),
    [...new Set(outcomes.map(({ onAir }) => onAir))].join(' or '),
    [...new Set(all(({ restarts }) => restarts))].join(' or '),
    String(Math.max(0, ...all(({ misalignedBytes }) => misalignedBytes))),
    String(Math.max(0, ...all(({ pcrJumps }) => pcrJumps))),
  ]
}

const milliseconds = (ms: number) => `${Math.round(ms).toLocaleString('en')} ms`

async function main(args: readonly string[]): Promise<void> {
  const runs = numberOption(args, 'runs', 5)
  const only = args.includes('--only') ? new RegExp(args[args.indexOf('--only') + 1] ?? '') : /./
  await using gateway = await GatewayProcess.start({ env: { TRANSCODES_MAX: '4' } })
  const lines: (readonly string[])[] = []
  // One at a time: encoders beside each other would measure the processor.
  for (const row of rows.filter(({ name }) => only.test(name))) {
    const outcomes: Outcome[] = []
    for (let run = 0; run < runs; run += 1) {
      try {
        const outcome = await runOnce(gateway, row)
        outcomes.push(outcome)
        note(`${row.name}: ${JSON.stringify(outcome)}`)
      } catch (error) {
        note(`${row.name}: ${errorMessage(error)}`)
      }
    }
    lines.push(cellsOf(row, outcomes, runs))
  }
  const head = [
    'fault',
    'survived',
    'without media (median / longest)',
    'stall of a player',
    'on air after it',
    'encoders restarted',
    'misaligned bytes',
    'PCR jumps',
  ]
  const markdown = [markdownTable(head, lines), '', `Runs of each row: ${runs}.`].join('\n')
  await publish(
    { name: 'faults-transcode', command: `npm run bench:faults-transcode -- --runs ${runs}`, markdown },
    args,
  )
}

await main(process.argv.slice(2))
