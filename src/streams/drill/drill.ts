import { randomUUID } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import { HoldfastError } from '../../lib/errors.ts'
import type { SwitchReceipt } from '../receipts/receipt.ts'
import type { DrillChannel } from './drill-channel.ts'
import type { DrillRequest } from './drill-mode.ts'
import { planDrill } from './drill-refusal.ts'
import type { DrillReport, DrillStep, Verification } from './drill-report.ts'
import { judgeDrill } from './drill-verdict.ts'
import { DrillViewer } from './drill-viewer.ts'
import { stageFault } from './stage-fault.ts'

/** What viewers are given is looked at for so long before the first switch and after the last. */
const LEAD_MS = 1_500
const TAIL_MS = 3_000
/** A failure that was not noticed by then is taken away again: as long as the slowest condition takes, and some. */
const NOTICE_MS_MAX = 30_000
/** A switch that was decided has settled by then. */
const SETTLE_MS_MAX = 30_000
const POLL_MS = 50

export interface DrillOptions {
  readonly channel: DrillChannel
  readonly request: DrillRequest
  readonly clock: Clock
  readonly signal: AbortSignal
}

/**
 * Rehearses a failover on a live channel and resolves with what was measured. The target is verified before anything is
 * done; throws drill_refused, with the reason in words, where the channel would be put at risk, and
 * failover_target_unknown.
 */
export async function runDrill(options: DrillOptions): Promise<DrillReport> {
  const { channel, request } = options
  const planned = planOrThrow(options)
  const verified = await verify(channel, planned)
  // It took a while, in which the channel may have changed.
  const to = planOrThrow(options)
  if (to !== planned) throw refused(`a failure would lead to source ${to} by now, not to source ${planned}`)
  return new Drill(options, { ...request, target: to }, verified).run()
}

function planOrThrow({ channel, request }: DrillOptions): number {
  const plan = planDrill(channel, request)
  if (plan.kind === 'refused') throw refused(plan.reason)
  return plan.to
}

async function verify(channel: DrillChannel, to: number): Promise<Verification> {
  if (channel.receivedIndex === to) return { kind: 'received' }
  const found = await channel.look(to)
  switch (found.kind) {
    case 'good':
      return { ...found, kind: 'probed' }
    case 'bad':
      throw refused(`source ${to} ${found.failure.message} when it was looked at`)
    case 'skipped':
      throw refused(`source ${to} could not be looked at: ${found.reason}`)
    default:
      return found satisfies never
  }
}

function refused(reason: string): HoldfastError {
  return new HoldfastError('drill_refused', `The drill was refused: ${reason}`)
}

class Drill {
  readonly #options: DrillOptions
  readonly #request: DrillRequest & { readonly target: number }
  readonly #verified: Verification
  readonly #receipts: SwitchReceipt[] = []
  readonly #steps: DrillStep[] = []
  readonly #problems: string[] = []

  constructor(options: DrillOptions, request: DrillRequest & { readonly target: number }, verified: Verification) {
    this.#options = options
    this.#request = request
    this.#verified = verified
  }

  async run(): Promise<DrillReport> {
    const { channel, clock } = this.#options
    const beganWallMs = clock.wallMs()
    const origin = channel.onAirIndex
    const wasByHand = channel.isByHand
    const before = channel.viewerIds
    using viewer = new DrillViewer(channel)
    using _receipts = channel.onSwitched((receipt) => this.#receipts.push(receipt))
    await this.#pause(LEAD_MS)
    viewer.begin()
    if (channel.phase !== 'live' || channel.onAirIndex !== origin) {
      throw refused('the source on air failed by itself before the drill began')
    }
    try {
      const hasMoved = await this.#out(origin)
      if (hasMoved) await this.#stay(this.#request.stayMs)
      if (hasMoved && this.#request.returns) await this.#back(origin, wasByHand)
    } finally {
      if (channel.onAirIndex === origin) channel.stage(undefined)
    }
    await this.#pause(TAIL_MS + channel.outputDelayMs)
    const after = channel.viewerIds
    const measured = {
      steps: this.#steps,
      viewers: { before: before.size, after: after.size, kept: [...before].filter((id) => after.has(id)).length },
      media: viewer.verdict(),
    }
    const others = this.#receipts.filter((receipt) => !receipt.isDrill)
    return {
      drillId: randomUUID(),
      streamId: channel.streamId,
      mode: this.#request.mode,
      by: this.#request.by,
      beganWallMs,
      endedWallMs: clock.wallMs(),
      verified: this.#verified,
      ...measured,
      ...judgeDrill({ ...measured, others, problems: this.#problems, isLive: channel.phase === 'live' }),
    }
  }

  /** Away from the source on air; true when another one has delivered. */
  async #out(origin: number): Promise<boolean> {
    const { channel } = this.#options
    const { mode, target, by, returns } = this.#request
    const known = this.#receipts.length
    if (mode === 'switch') channel.switchTo(target, { by, byHand: !returns })
    else if (!channel.stage(stageFault(mode))) {
      this.#problems.push('the source on air ended before its failure could be staged')
      return false
    }
    const receipt = await this.#settled(known, mode === 'switch' ? SETTLE_MS_MAX : NOTICE_MS_MAX)
    if (receipt === undefined) {
      if (channel.onAirIndex === origin) channel.stage(undefined)
      const within = `within ${NOTICE_MS_MAX / 1_000} s`
      this.#problems.push(channel.phase === 'live' ? `nothing was switched ${within}` : `no source delivered ${within}`)
      return false
    }
    this.#steps.push({ name: 'out', receipt })
    if (receipt.to.index !== target) {
      this.#problems.push(`it led to source ${receipt.to.index} (${receipt.trigger}), not to source ${target}`)
    }
    return receipt.to.index !== origin
  }

  async #back(origin: number, wasByHand: boolean): Promise<void> {
    const { channel } = this.#options
    if (channel.onAirIndex === origin) return
    if (channel.phase !== 'live') {
      this.#problems.push('there was no way back: the other source does not deliver')
      return
    }
    const known = this.#receipts.length
    channel.switchTo(origin, { by: this.#request.by, byHand: wasByHand })
    const receipt = await this.#settled(known, SETTLE_MS_MAX)
    if (receipt !== undefined) this.#steps.push({ name: 'back', receipt })
    if (receipt?.to.index !== origin) this.#problems.push(`source ${origin} did not come back on air`)
  }

  /** The first switch after the `known` ones; undefined when none settles, or the stream ends. */
  async #settled(known: number, withinMs: number): Promise<SwitchReceipt | undefined> {
    const { channel } = this.#options
    await this.#until(() => this.#receipts.length > known || channel.phase === 'idle', withinMs)
    return this.#receipts[known]
  }

  /** For as long as nothing else happens. */
  async #stay(ms: number): Promise<void> {
    const { channel } = this.#options
    const known = this.#receipts.length
    await this.#until(() => this.#receipts.length > known || channel.phase !== 'live', ms)
    // A failure in between is recovered from as at any other time, and then told.
    if (channel.phase === 'recovering') await this.#until(() => channel.phase !== 'recovering', SETTLE_MS_MAX)
  }

  async #until(isOver: () => boolean, withinMs: number): Promise<void> {
    const { clock } = this.#options
    const endMs = clock.nowMs() + withinMs
    while (!isOver() && clock.nowMs() < endMs) await this.#pause(Math.min(POLL_MS, endMs - clock.nowMs()))
  }

  async #pause(ms: number): Promise<void> {
    const { clock, signal } = this.#options
    await clock.sleep(ms, signal)
  }
}
