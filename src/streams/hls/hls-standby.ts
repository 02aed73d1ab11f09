import type { CandidateId } from '../../failover/candidate.ts'
import type { ConnectionBudget, ConnectionLease } from '../connection-budget.ts'
import type { SessionFailure } from '../sources/session.ts'
import { useOf } from '../sources/source-opener.ts'
import type { Source } from '../sources/source-list.ts'
import type { HlsProxy } from './proxy/hls-proxy.ts'
import type { HlsProxySource } from './proxy/proxy-options.ts'

export interface HlsStandbyListener {
  /** It does not stand by any more. */
  failed(id: CandidateId, failure: SessionFailure): void
  /** Its connection was needed elsewhere; it does not stand by any more. */
  revoked(): void
}

export interface HlsStandbyOptions {
  readonly streamId: string
  readonly budget: ConnectionBudget
  readonly source: (id: CandidateId) => Source
  readonly proxySource: (source: Source) => HlsProxySource
  /** Undefined while nobody plays. */
  readonly proxy: () => HlsProxy | undefined
}

interface Present {
  readonly source: Source
  readonly lease: ConnectionLease
}

/** The hot standby of a stream whose playlists are passed on, and its right to a connection of its account. */
export class HlsStandby {
  readonly #options: HlsStandbyOptions
  #present: Present | undefined

  constructor(options: HlsStandbyOptions) {
    this.#options = options
  }

  /** What stands by; `isReady`: it could go on air without asking its source for anything. */
  get present(): { readonly id: CandidateId; readonly isReady: boolean } | undefined {
    return this.#present === undefined ? undefined : this.#options.proxy()?.standby
  }

  /** Has this source ready from now on, and none if it is undefined. False when its account has no connection left for it. */
  prepare(id: CandidateId | undefined, listener: HlsStandbyListener): boolean {
    if (id !== undefined && this.present?.id === id) return true
    this.drop()
    const { budget, streamId, proxySource, proxy } = this.#options
    const running = proxy()
    if (id === undefined || running === undefined) return true
    const source = this.#options.source(id)
    const revoked = (): void => {
      this.#present = undefined
      running.suspend(id)
      listener.revoked()
    }
    const lease = budget.lease(source.account, 'standby', revoked, useOf(streamId, id))
    if (lease === undefined) return false
    this.#present = { source, lease }
    running.prepare(proxySource(source), (failure) => {
      this.drop()
      listener.failed(id, failure)
    })
    return true
  }

  /** It goes on air, with the connection that it has; undefined when this source does not stand by. */
  takeOver(id: CandidateId): ConnectionLease | undefined {
    const present = this.#present
    if (present?.source.candidateId !== id) return undefined
    this.#present = undefined
    present.lease.goOnAir()
    return present.lease
  }

  drop(): void {
    const present = this.#present
    this.#present = undefined
    const proxy = this.#options.proxy()
    proxy?.dropStandby()
    if (present === undefined) return
    // What its account counts is closed before the right to it is given back.
    if (present.source.account !== undefined) proxy?.closeConnections(present.source.candidateId)
    present.lease.release()
  }
}
