import type { Receipt } from '../../failover/group.ts'
import type { Arrival } from '../feed-options.ts'
import type { SessionFailure } from '../sources/session.ts'
import { settledReceipt } from './settled-receipt.ts'
import type { Circumstances } from './settled-receipt.ts'
import type { SwitchReceipt } from './receipt.ts'

/** What has been seen of the incident under way: the failure that it began with, and how its end came on air. */
export class IncidentRecord {
  #failure: SessionFailure | undefined
  #arrival: { readonly entry: Arrival; readonly failure: SessionFailure | undefined } | undefined

  failed(failure: SessionFailure): void {
    this.#failure ??= failure
  }

  /** A source delivers, in one of the ways in which the stream takes it in. */
  arrived(entry: Arrival): void {
    this.#arrival = { entry, failure: this.#failure }
    this.#failure = undefined
  }

  forget(): void {
    this.#failure = undefined
    this.#arrival = undefined
  }

  receipt(settled: Receipt, circumstances: Omit<Circumstances, 'failure' | 'entry'>): SwitchReceipt {
    const { failure, entry } = this.#arrival ?? {}
    return settledReceipt(settled, { ...circumstances, failure, entry })
  }
}
