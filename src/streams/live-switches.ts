import type { Receipt } from '../failover/group.ts'
import type { Arrival } from './feed-options.ts'
import { IncidentRecord } from './receipts/incident-record.ts'
import type { SwitchReceipt } from './receipts/receipt.ts'
import type { SessionFailure } from './sources/session.ts'
import type { Source } from './sources/source-list.ts'
import type { StreamOptions } from './stream-context.ts'
import type { StreamCounters } from './stream-counters.ts'
import type { StreamEffect, StreamGroup } from './stream-group.ts'
import type { StreamReporter } from './stream-reporter.ts'

export interface LiveSwitchesOptions extends Pick<
  StreamOptions,
  'streamId' | 'clock' | 'policy' | 'onSwitched' | 'onMemoryChanged'
> {
  readonly group: StreamGroup
  readonly counters: StreamCounters
  readonly reporter: StreamReporter
  readonly viewerCount: () => number
  readonly firstClientId: () => string | undefined
  /** Whoever shows or keeps something of a switch. */
  readonly observers: () => readonly ((receipt: SwitchReceipt) => void)[]
}

/** Failures and switches of one live stream as they are counted, told and recorded. */
export class LiveSwitches {
  readonly #options: LiveSwitchesOptions
  readonly #incident = new IncidentRecord()

  constructor(options: LiveSwitchesOptions) {
    this.#options = options
  }

  sourceFailed(source: Source, failure: SessionFailure): void {
    const { counters, reporter, firstClientId } = this.#options
    if (failure.isRehearsal !== true) counters.errorCount += 1
    this.#incident.failed(failure)
    reporter.sourceFailed(source, failure, firstClientId())
  }

  /** A source delivers, in one of the ways in which the stream takes it in. */
  sourceArrived(entry: Arrival): void {
    this.#incident.arrived(entry)
  }

  triggered(effect: Extract<StreamEffect, { kind: 'failover_triggered' }>): void {
    const { clock, policy, group, counters, reporter, viewerCount, firstClientId, onMemoryChanged } = this.#options
    const isDrill = effect.isRehearsal ?? false
    if (!isDrill) counters.countFailover(clock.wallMs())
    const move = { from: group.source(effect.from), to: group.source(effect.to), reason: effect.reason }
    reporter.failoverTriggered(
      { ...move, attempt: effect.attempt },
      {
        epoch: effect.epoch,
        attemptsMax: policy.immediateAttempts,
        clientCount: viewerCount(),
        clientId: firstClientId(),
        isDrill,
      },
    )
    onMemoryChanged()
  }

  settled(settled: Receipt): void {
    const { streamId, clock, group, reporter, viewerCount, observers, onSwitched, onMemoryChanged } = this.#options
    const receipt = this.#incident.receipt(settled, {
      ...{ streamId, clock },
      from: group.source(settled.from),
      to: group.source(settled.to),
      viewers: viewerCount(),
    })
    for (const observer of observers()) observer(receipt)
    // What is told for good waits for the sound, which may begin a moment after the pictures.
    const report = () => {
      reporter.switched(receipt)
      onSwitched(receipt)
    }
    if (receipt.measured?.sound === undefined) report()
    else receipt.measured.sound.whenKnown(report)
    onMemoryChanged()
  }

  /** No source delivers, and whoever waited or watched is told. */
  gaveUp(reason: string): void {
    const { group, reporter, viewerCount } = this.#options
    reporter.failed([...group.failures().values()].at(-1), viewerCount(), reason, group.hasAlternative)
  }

  /** The stream rests. */
  forget(): void {
    this.#incident.forget()
  }
}
