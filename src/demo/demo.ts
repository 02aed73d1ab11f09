import { systemClock } from '../lib/clock.ts'
import type { Clock } from '../lib/clock.ts'
import { errorMessage } from '../lib/errors.ts'
import { parseDemoOptions } from './demo-options.ts'
import type { DemoOptions } from './demo-options.ts'
import { Encoder, FFMPEG_MISSING, probeFfmpeg } from './encoder.ts'
import { isRecord, liveEvents } from './event-stream.ts'
import { GatewayProcess } from './gateway-process.ts'
import { faults, Origin } from './origin.ts'
import { programmes } from './programme.ts'
import { Screen } from './screen.ts'
import { Watcher } from './watcher.ts'

/** A source is broken for this part of the time until the next one breaks. */
const BROKEN_SHARE = 0.6
/** What the viewer saw of a failure is told this part of the time after it. */
const TOLD_SHARE = 0.3
/** Three encoders and a gateway begin at once, which takes a busy machine its time. */
const FIRST_PICTURE_MS_MAX = 45_000
const ASK_EVERY_MS = 50
const RECONNECT_MS = 500

interface DemoParts {
  readonly clock: Clock
  readonly screen: Screen
  readonly origins: readonly Origin[]
  readonly gateway: GatewayProcess
  readonly streamId: string
  readonly watcher: Watcher
  readonly options: DemoOptions
}

/**
 * Runs a gateway with a synthetic primary and two backups, breaks whichever is on air every 20 s in a different way, and
 * tells what happens. Ends when the signal aborts or after `--seconds`; throws an Error when ffmpeg or the gateway is
 * not to be had.
 */
export async function runDemo(demo: {
  readonly signal: AbortSignal
  readonly args?: readonly string[]
  readonly write?: (text: string) => void
}): Promise<void> {
  const options = parseDemoOptions(demo.args ?? [])
  const { found, canWriteText } = probeFfmpeg()
  if (!found) throw new Error(FFMPEG_MISSING)
  const clock = systemClock
  const write = demo.write ?? ((text: string) => process.stdout.write(text))
  const screen = new Screen({ clock, write })
  const over = new AbortController()
  const signal = AbortSignal.any([demo.signal, over.signal])
  await using house = new AsyncDisposableStack()
  try {
    screen.say('starting three sources (ffmpeg test pictures) and the gateway ...')
    const origins = await openSources(house, clock, canWriteText)
    const logLevel = options.showsLog ? 'info' : 'warning'
    const onOutput = options.showsLog ? write : undefined
    const gateway = house.use(await GatewayProcess.start({ clock, signal, logLevel, onOutput }))
    const streamId = await createStream(gateway.url, origins, signal)
    const watcher = house.use(new Watcher({ url: `${gateway.url}/stream/${streamId}?client_id=demo`, clock }))
    const parts = { clock, screen, origins, gateway, streamId, watcher, options }
    await untilFirstPicture(parts, signal)
    screen.welcome(gateway.url, streamId, options)
    if (options.durationMs !== undefined) clock.schedule(options.durationMs, () => over.abort())
    await Promise.all([tellSwitches(parts, signal), breakSources(parts, signal)])
  } catch (error) {
    if (!signal.aborted) throw error
  }
  screen.farewell()
}

async function openSources(house: AsyncDisposableStack, clock: Clock, canWriteText: boolean): Promise<Origin[]> {
  const origins: Origin[] = []
  for (const programme of programmes) {
    const origin = house.use(await Origin.open(programme))
    house.use(new Encoder({ programme, canWriteText, clock, onBytes: (bytes) => origin.push(bytes) }))
    origins.push(origin)
  }
  return origins
}

async function createStream(gatewayUrl: string, origins: readonly Origin[], signal: AbortSignal): Promise<string> {
  const [url, ...failoverUrls] = origins.map((origin) => origin.url)
  const response = await fetch(`${gatewayUrl}/streams`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ url, failover_urls: failoverUrls, metadata: { channel: 'demo' } }),
    signal,
  })
  const body: unknown = await response.json()
  if (!response.ok || !isRecord(body) || typeof body['stream_id'] !== 'string') {
    throw new Error(`POST /streams answered ${response.status}: ${JSON.stringify(body)}`)
  }
  return body['stream_id']
}

async function untilFirstPicture({ clock, watcher, gateway }: DemoParts, signal: AbortSignal): Promise<void> {
  const giveUpAtMs = clock.nowMs() + FIRST_PICTURE_MS_MAX
  while (clock.nowMs() < giveUpAtMs) {
    if (watcher.measure().bytes > 0) return
    await clock.sleep(ASK_EVERY_MS, signal)
  }
  throw new Error(`no picture within ${FIRST_PICTURE_MS_MAX} ms; the gateway says:\n${gateway.output}`)
}

/** Tells each switch as the gateway's own events report it. */
async function tellSwitches(parts: DemoParts, signal: AbortSignal): Promise<void> {
  const { clock, gateway, origins, screen, streamId } = parts
  const nameOf = (url: unknown): string => origins.find((origin) => origin.url === url)?.programme.name ?? String(url)
  let lastProblem = ''
  while (!signal.aborted) {
    try {
      for await (const event of liveEvents(gateway.url, signal)) {
        lastProblem = ''
        if (event.streamId !== streamId) continue
        if (event.type === 'switch_completed') screen.switched(nameOf(event.data['new_url']), event.data)
        if (event.type === 'stream_failed') screen.say(`!  no source delivers (${String(event.data['error'])})`)
      }
    } catch (error) {
      signal.throwIfAborted()
      if (gateway.hasEnded) throw new Error(`the gateway has ended:\n${gateway.output}`, { cause: error })
      const problem = errorMessage(error)
      if (problem !== lastProblem) screen.say(`!  the switches cannot be told: ${problem}`)
      lastProblem = problem
    }
    await clock.sleep(RECONNECT_MS, signal)
  }
}

/** Breaks what is on air, tells what the viewer saw of it, heals it, and so on until the signal aborts. */
async function breakSources(parts: DemoParts, signal: AbortSignal): Promise<void> {
  const { clock, screen, watcher, options } = parts
  const everyMs = options.breakEveryMs
  for (let round = 0; !signal.aborted; round += 1) {
    await clock.sleep(everyMs * (1 - BROKEN_SHARE), signal)
    const fault = faults[round % faults.length] ?? faults[0]
    const origin = await originOnAir(parts, signal)
    watcher.measure()
    screen.say(`✂  ${origin.programme.name} ${fault.text}`)
    origin.break(fault.kind)
    await clock.sleep(everyMs * TOLD_SHARE, signal)
    screen.seen(watcher.measure())
    await clock.sleep(everyMs * (BROKEN_SHARE - TOLD_SHARE), signal)
    origin.heal()
    screen.say(`+  ${origin.programme.name} is well again`)
  }
}

async function originOnAir({ gateway, origins, streamId }: DemoParts, signal: AbortSignal): Promise<Origin> {
  const response = await fetch(`${gateway.url}/streams/${streamId}`, { signal })
  const body: unknown = await response.json()
  const stream = isRecord(body) && isRecord(body['stream']) ? body['stream'] : {}
  const found = origins.find((origin) => origin.url === stream['current_url'])
  if (found === undefined) throw new Error(`no source of the demo is on air: ${JSON.stringify(body)}`)
  return found
}
