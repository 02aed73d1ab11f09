import type { Evidence } from '../../failover/health.ts'
import type { AccessRecord, Ending } from './access-record.ts'
import type { Attempt } from './attempt.ts'
import type { ForwardJob } from './forward-facts.ts'

/** What one request has cost and led to, and what its attempts say about their endpoints: each is reported once. */
export class Account {
  readonly #job: ForwardJob
  readonly startMs: number
  attempts = 0
  retries = 0
  isHedged = false
  resumptions = 0
  status = 0
  responseBytes = 0
  headMs: number | undefined
  #lastFailure: string | undefined
  #retriesBefore = 0
  /** Bytes that the client had when an answer broke off last. */
  #brokeOffAtBytes = -1

  constructor(job: ForwardJob, startMs: number) {
    this.#job = job
    this.startMs = startMs
  }

  /** The answer broke off: attempts are counted anew if something of it has come since the last time. */
  brokeOff(): void {
    if (this.responseBytes > this.#brokeOffAtBytes) {
      this.#retriesBefore += this.retries
      this.retries = 0
    }
    this.#brokeOffAtBytes = this.responseBytes
  }

  /** The endpoint failed. */
  charge(attempt: Attempt, reason: string, evidence?: Evidence): void {
    this.#lastFailure = reason
    if (attempt.isReported) return
    attempt.isReported = true
    this.#job.group.failed(attempt.picked, reason, evidence)
  }

  /** The endpoint did well. */
  credit(attempt: Attempt): void {
    if (attempt.isReported) return
    attempt.isReported = true
    this.#job.group.succeeded(attempt.picked)
  }

  /** The endpoint switched protocols as it was asked to: it did well, and the connection keeps its place until it ends. */
  upgraded(attempt: Attempt): (requestBytes: number) => void {
    const { group } = this.#job
    attempt.isReported = true
    this.status = 101
    group.wentOn(attempt.picked)
    return (requestBytes) => {
      group.left(attempt.picked)
      this.tell('upgraded', attempt, requestBytes)
    }
  }

  /** Nothing can be said about the endpoint. */
  abandon(attempt: Attempt): void {
    if (attempt.isReported) return
    attempt.isReported = true
    this.#job.group.abandoned(attempt.picked)
  }

  /** The request is over: `server` is the one whose answer the client was given. */
  tell(ending: Ending, server: Attempt | undefined, requestBytes: number): void {
    const { shared, client, facts } = this.#job
    if (shared.onAccess === undefined) return
    const retries = this.#retriesBefore + this.retries
    const { attempts, isHedged, resumptions, status, responseBytes, headMs } = this
    // Written out: a spread costs more than all the rest of it, for every request.
    const record: AccessRecord = {
      ending,
      status,
      attempts,
      retries,
      isHedged,
      resumptions,
      requestBytes,
      responseBytes,
      headMs,
      method: client.head.method,
      endpointId: server?.picked.endpoint.id,
      lastFailure: this.#lastFailure,
      durationMs: shared.clock.nowMs() - this.startMs,
    }
    shared.onAccess(record, facts)
  }
}
