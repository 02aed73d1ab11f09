import type { CandidateId } from '../../failover/group.ts'
import type { Condition } from '../detect/conditions.ts'
import { detectionPolicy } from '../detect/policy.ts'
import type { Feed } from '../feed.ts'
import type { LiveOutput } from '../live-output.ts'
import type { LiveSources } from '../live-sources.ts'
import type { SwitchReceipt } from '../receipts/receipt.ts'
import type { StreamRequest, StreamSnapshot } from '../service.ts'
import type { StagedFault } from '../sources/staged-fault.ts'
import type { ProbeResult } from '../standby/source-probe.ts'
import type { StreamContext } from '../stream-context.ts'
import type { StreamGroup } from '../stream-group.ts'
import type { DrillChannel, DrillSource } from './drill-channel.ts'

export interface LiveChannelOptions extends Pick<StreamContext, 'limits' | 'policy'> {
  readonly streamId: string
  readonly group: StreamGroup
  readonly feed: Feed
  readonly sources: LiveSources
  readonly output: LiveOutput
  readonly request: () => StreamRequest
  readonly phase: () => StreamSnapshot['phase']
}

/** A live stream as a drill works on it. */
export class LiveChannel implements DrillChannel {
  readonly #options: LiveChannelOptions
  readonly #listeners = new Set<(receipt: SwitchReceipt) => void>()

  constructor(options: LiveChannelOptions) {
    this.#options = options
  }

  get streamId(): string {
    return this.#options.streamId
  }

  get phase(): StreamSnapshot['phase'] {
    return this.#options.phase()
  }

  get container() {
    return this.#options.feed.container
  }

  get sources(): readonly DrillSource[] {
    return this.#options.group.sourceSnapshots(true)
  }

  get onAirIndex(): number {
    return this.#options.group.current.index
  }

  get nextIndex(): number | undefined {
    return this.#indexOfCandidate(this.#options.group.standby)
  }

  get receivedIndex(): number | undefined {
    const { standby } = this.#options.feed
    return standby?.isReady === true ? this.#indexOfCandidate(standby.id) : undefined
  }

  get isPinned(): boolean {
    return this.#options.group.isPinned
  }

  get isProven(): boolean {
    return this.#options.group.isProven
  }

  get isByHand(): boolean {
    return this.#options.group.isByHand
  }

  get failsOverByItself(): boolean {
    return this.#options.policy.automaticFailover
  }

  get viewerIds(): ReadonlySet<string> {
    return new Set(Array.from(this.#options.output.audience.all(), ({ clientId }) => clientId))
  }

  get outputDelayMs(): number {
    return this.#options.request().outputDelayMs
  }

  actionOf(condition: Condition): ReturnType<DrillChannel['actionOf']> {
    const { limits, request } = this.#options
    const policy = detectionPolicy(limits, {
      choice: () => request().detect,
      silence: () => request().silence,
      hasAlternative: () => true,
      decoders: undefined,
    })
    return policy.actionOf(condition)
  }

  hasBetterThan(condition: Condition): boolean {
    return this.#options.group.hasBetterThan(condition)
  }

  indexOf(named: number | string): number {
    return this.#options.group.target(named).index
  }

  async look(index: number): Promise<ProbeResult> {
    const { group, sources } = this.#options
    const id = group.sources[index]?.candidateId
    if (id === undefined) return { kind: 'skipped', reason: 'it is not a source of this stream any more' }
    return sources.look(id)
  }

  watch(observer: (bytes: Buffer) => void): Disposable {
    return this.#options.output.ring.observe(({ data }) => observer(data))
  }

  stage(fault: StagedFault | undefined): boolean {
    return this.#options.feed.source?.stage?.(fault) ?? false
  }

  switchTo(index: number, { by, byHand }: { readonly by: string; readonly byHand: boolean }): void {
    const { group } = this.#options
    const target = group.sources[index]?.candidateId
    if (target === undefined) return
    group.dispatch({ kind: 'switch_requested', target, by, reason: 'manual', isRehearsal: true, byHand })
  }

  onSwitched(listener: (receipt: SwitchReceipt) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /** A switch of the stream has settled. */
  switched(receipt: SwitchReceipt): void {
    for (const listener of this.#listeners) listener(receipt)
  }

  #indexOfCandidate(id: CandidateId | undefined): number | undefined {
    return id === undefined ? undefined : this.#options.group.source(id).index
  }
}
