import type { ProbeResult } from '../standby/source-probe.ts'
import type { SwitchReceipt } from '../receipts/receipt.ts'
import type { StagedFault } from '../sources/staged-fault.ts'
import type { Action, Condition } from '../detect/conditions.ts'
import type { Container } from '../framing/framing.ts'
import type { StreamSnapshot } from '../service.ts'

/** A source as a drill sees it. */
export interface DrillSource {
  readonly index: number
  readonly url: string
  readonly health: 'healthy' | 'unhealthy' | 'unknown'
  readonly lastFailureReason: string | undefined
}

/** What a drill needs of a live channel. Everything is read anew each time. */
export interface DrillChannel {
  readonly streamId: string
  readonly phase: StreamSnapshot['phase']
  readonly container: Container | undefined
  /** In the stream's order. */
  readonly sources: readonly DrillSource[]
  readonly onAirIndex: number
  /** Who would take over if the source on air failed now; undefined when nobody could. */
  readonly nextIndex: number | undefined
  /** The source that is received already and could take over at once. */
  readonly receivedIndex: number | undefined
  readonly isPinned: boolean
  /** The source on air has delivered long enough to be trusted. */
  readonly isProven: boolean
  /** The source on air was chosen by a person. */
  readonly isByHand: boolean
  readonly failsOverByItself: boolean
  readonly viewerIds: ReadonlySet<string>
  readonly outputDelayMs: number
  actionOf(condition: Condition): Action
  /** Whether there is another source that was not itself left for this condition, or a worse one, a while ago. */
  hasBetterThan(condition: Condition): boolean
  /** The index of the source that is named by index or URL. Throws failover_target_unknown. */
  indexOf(named: number | string): number
  /** Connects, waits for media that a decoder can begin with, closes. */
  look(index: number): Promise<ProbeResult>
  /** Everything that viewers are given from now on. */
  watch(observer: (bytes: Buffer) => void): Disposable
  /** Stages a fault on the source on air, or takes it away. False when there is no source to stage it on. */
  stage(fault: StagedFault | undefined): boolean
  /** Part of the drill; `byHand`: the source then counts as chosen by a person. */
  switchTo(index: number, options: { readonly by: string; readonly byHand: boolean }): void
  /** Every switch that settles from now on. */
  onSwitched(listener: (receipt: SwitchReceipt) => void): Disposable
}
