import type { AttemptFailure } from '../../failover/retry-policy.ts'
import type { ErrorCode } from '../../lib/errors.ts'
import type { PickedEndpoint } from '../endpoints/endpoint-group.ts'
import { fieldValue } from '../wire/fields.ts'
import type { Fields } from '../wire/fields.ts'
import { clientUpgradeHead } from '../wire/forward-head.ts'
import type { AbortReason } from '../wire/front-options.ts'
import type { ExchangeListener, RawSocket } from '../wire/front-exchange.ts'
import type { ResponseHead } from '../wire/head.ts'
import { joinSockets } from '../wire/raw-join.ts'
import type { UpstreamFailure } from '../wire/upstream-failure.ts'
import type { Ending } from './access-record.ts'
import { Account } from './account.ts'
import { Alarms } from './alarms.ts'
import type { AlarmKind } from './alarms.ts'
import { attemptHead, requestFraming } from './attempt-head.ts'
import { Attempt, type AttemptOwner, type AttemptRole } from './attempt.ts'
import { Chooser } from './chooser.ts'
import type { ClientExchange } from './client-exchange.ts'
import { failureWords } from './failure-words.ts'
import type { ForwarderOptions, ForwardJob } from './forward-facts.ts'
import type { ForwardPolicy } from './forward-policy.ts'
import { hedgeDelayMs } from './hedge-delay.ts'
import { holdOf } from './hold.ts'
import { maySendTwice } from './idempotency.ts'
import { reasonToRefuse, refusalStatus, refuse } from './refuse.ts'
import { RequestRelay, type RequestRelayOwner } from './request-relay.ts'
import { ResponseRelay } from './response-relay.ts'
import { retryAfterMs } from './retry-after.ts'

const NEVER_MS = Number.POSITIVE_INFINITY

/**
 * One client's request: gives it to endpoints until one answers, keeps the answer back while it can still be had
 * elsewhere, and passes it on. At most two attempts are under way, and the client is given the answer of one.
 */
export class Forwarding implements ExchangeListener, AttemptOwner, RequestRelayOwner {
  readonly policy: ForwardPolicy
  readonly #shared: ForwarderOptions
  readonly #client: ClientExchange
  readonly #job: ForwardJob
  readonly #account: Account
  readonly #chooser: Chooser
  readonly #maySendTwice: boolean
  readonly #answer: ResponseRelay
  #relay: RequestRelay | undefined
  #lead: Attempt | undefined
  #hedge: Attempt | undefined
  /** Whose answer the client is given. */
  #winner: Attempt | undefined
  /** What the client is told if nothing else comes. */
  #lastCode: ErrorCode = 'no_endpoint_usable'
  /** From when on the time for an answer counts; Infinity while the client is still sending. */
  #countsFromMs: number
  #isOver = false
  #alarms: Alarms | undefined

  constructor(job: ForwardJob) {
    const { shared, client, policy } = job
    this.#job = job
    this.#shared = shared
    this.#client = client
    this.policy = policy
    this.#countsFromMs = shared.clock.nowMs()
    this.#account = new Account(job, this.#countsFromMs)
    this.#maySendTwice = maySendTwice(client.head, policy.retryNonIdempotent)
    this.#answer = new ResponseRelay(job, this.#account)
    this.#chooser = new Chooser(job, this.#account, this.#maySendTwice)
  }

  begin(): void {
    const { head } = this.#client
    this.#client.listen(this)
    const reason = reasonToRefuse(head, this.#shared.pseudonym)
    if (reason !== undefined) return this.#refuse(reason)
    if (head.framing.kind !== 'none') {
      this.#countsFromMs = NEVER_MS
      this.#relay = new RequestRelay(this.#client, this.policy.replayBytesMax, this)
    }
    const picked = this.#chooser.first()
    if (typeof picked !== 'string') this.#start(picked, 'lead', false)
    else this.#refuse(picked === 'all_busy' ? 'endpoints_busy' : 'no_endpoint_usable')
  }

  #start(picked: PickedEndpoint, role: AttemptRole, isFresh: boolean): void {
    const { head } = this.#client
    const { endpoint } = picked
    const relay = this.#relay
    const startedMs = this.#account.attempts === 0 ? this.#account.startMs : this.#shared.clock.nowMs()
    const attempt = new Attempt(this, picked, role, startedMs, head.upgrade !== undefined)
    this.#account.attempts += 1
    if (role === 'hedge') this.#hedge = attempt
    else this.#lead = attempt
    const request = role === 'resumption' ? this.#answer.requestForRest(head) : head
    const isExpectPassed = relay !== undefined && !relay.hasBegun
    attempt.exchange = endpoint.pool.exchange({
      head: attemptHead(request, this.#job, endpoint, isExpectPassed),
      method: head.method,
      framing: requestFraming(head),
      deadlines: attempt,
      // What must not be sent twice is not risked on a connection that its upstream may be closing just now.
      isFreshConnection: isFresh || !this.#maySendTwice,
      listener: attempt,
    })
    relay?.giveTo(attempt)
    if (role === 'lead') this.#planHedge()
  }

  connected(): void {
    this.#relay?.connected()
  }

  bodyAwaited(): void {
    this.#wake('continue', this.policy.continueMs)
  }

  bodyComplete(): void {
    this.#countsFromMs = this.#shared.clock.nowMs()
    if (this.#winner === undefined) this.#planHedge()
  }

  remainingMs(): number {
    if (this.#countsFromMs === NEVER_MS) return NEVER_MS
    return Math.max(1, this.#countsFromMs + this.policy.retry.deadlineMs - this.#shared.clock.nowMs())
  }

  /** When a second endpoint is asked, if the first has not answered by then. */
  #planHedge(): void {
    const lead = this.#lead
    const relay = this.#relay
    if (lead === undefined || this.#account.isHedged || !this.#maySendTwice) return
    if (relay !== undefined && !(relay.isComplete && relay.isReplayable)) return
    if (this.#client.head.upgrade !== undefined) return
    const delayMs = hedgeDelayMs(this.policy, this.#job.group, lead.picked)
    if (delayMs !== NEVER_MS) this.#wake('hedge', delayMs)
  }

  #launchHedge(): void {
    if (this.#lead === undefined || this.#winner !== undefined || this.#hedge !== undefined) return
    const picked = this.#chooser.beside()
    if (picked === undefined) return
    this.#account.isHedged = true
    this.#start(picked, 'hedge', false)
  }

  informed(attempt: Attempt, head: ResponseHead): void {
    if (head.status === 100) this.#relay?.begin()
    else if (attempt === this.#lead && this.#hedge === undefined && this.#winner === undefined) {
      this.#answer.inform(head)
    }
  }

  answered(attempt: Attempt, head: ResponseHead): void {
    if (attempt.role === 'resumption') {
      this.#resume(attempt, head)
      return
    }
    if (this.policy.retry.retriableStatuses.includes(head.status) && this.#giveUp(attempt, head)) return
    const { holdBack } = this.policy
    const hold = holdOf(head, holdBack)
    if (hold.kind === 'none') this.#commit(attempt, head, false)
    else if (hold.kind === 'length') attempt.hold(hold.bytes, hold.bytes)
    else {
      attempt.hold(-1, holdBack.bytesMax)
      this.#holdFor(attempt, holdBack.unknownLengthMs)
    }
  }

  /** Throws an answer with a retriable status away if a better one may still come. */
  #giveUp(attempt: Attempt, { status, fields }: ResponseHead): boolean {
    this.#account.charge(attempt, `status_${status}`, { status })
    this.#chooser.wasSent = true
    this.#unlist(attempt)
    const asked = retryAfterMs(fieldValue(fields, 'retry-after'), this.#shared.clock.wallMs())
    const failure = { kind: 'status', status, ...(asked === undefined ? {} : { retryAfterMs: asked }) } as const
    if (this.#lead === undefined && !this.#retry(failure)) {
      this.#lead = attempt
      return false
    }
    this.#relay?.detach(attempt.exchange)
    attempt.cancel()
    return true
  }

  heldIncomplete(attempt: Attempt): void {
    if (attempt.holdUntilMs === NEVER_MS) this.#holdFor(attempt, this.policy.holdBack.knownLengthMs)
  }

  #holdFor(attempt: Attempt, ms: number): void {
    attempt.holdUntilMs = this.#shared.clock.nowMs() + ms
    this.#wake('hold', ms)
  }

  released(attempt: Attempt): void {
    if (attempt.response !== undefined && !attempt.isPassing) this.#commit(attempt, attempt.response, true)
  }

  /** From here on the client has this answer and no other. */
  #commit(attempt: Attempt, response: ResponseHead, isFollowed: boolean): void {
    const nowMs = this.#shared.clock.nowMs()
    const account = this.#account
    const other = attempt === this.#lead ? this.#hedge : this.#lead
    this.#winner = attempt
    this.#lead = attempt
    this.#hedge = undefined
    this.#alarms?.clear('hedge')
    if (this.policy.hedge?.afterMs === 'p95') this.#job.group.latency.add(nowMs - attempt.startedMs)
    if (other !== undefined) this.#outrun(other, attempt, nowMs)
    attempt.isPassing = true
    attempt.holdUntilMs = NEVER_MS
    account.status = response.status
    account.headMs = nowMs - account.startMs
    this.#answer.open(response, attempt.held, this.policy.isResumed, isFollowed)
    attempt.held = []
  }

  /** The loser is cancelled. One that had more time and still lost is charged: else one that hangs stayed in favour. */
  #outrun(loser: Attempt, winner: Attempt, nowMs: number): void {
    if (this.policy.hedge?.afterMs === 'p95') this.#job.group.latency.add(nowMs - loser.startedMs)
    this.#relay?.detach(loser.exchange)
    loser.cancel()
    if (loser.startedMs < winner.startedMs) this.#account.charge(loser, 'outrun')
    else this.#account.abandon(loser)
  }

  piece(attempt: Attempt, piece: Buffer): boolean {
    return this.#answer.piece(attempt, piece)
  }

  ended(attempt: Attempt, trailers: Fields): void {
    if (!this.#answer.isWhole) {
      this.#account.charge(attempt, 'truncated')
      this.#giveIn()
      return
    }
    this.#account.credit(attempt)
    this.#finish('served', attempt)
    this.#client.end(trailers)
  }

  drained(attempt: Attempt): void {
    if (attempt === this.#lead) this.#relay?.resume()
  }

  onDrain(): void {
    this.#winner?.exchange?.resume()
  }

  failed(attempt: Attempt, failure: UpstreamFailure): void {
    const { kind, detail, wasReused, wasAnswered, wasSent } = failure
    if (this.#isOver) return
    this.#relay?.detach(attempt.exchange)
    const isStale = wasReused && !wasAnswered && kind === 'reset_before_response'
    if (isStale && this.#maySendTwice && this.#relay?.isReplayable !== false) {
      // The upstream closed a connection that nobody used: that says nothing about it. What is beside stays beside.
      this.#start(attempt.picked, attempt === this.#hedge ? 'hedge' : this.#roleOfRetry, true)
      return
    }
    this.#unlist(attempt)
    if (kind === 'fault') this.#account.abandon(attempt)
    else this.#account.charge(attempt, kind, { detail })
    this.#chooser.wasSent ||= wasSent
    this.#lastCode = failureWords[kind].code
    if (attempt === this.#winner) this.#brokeOff()
    else if (this.#lead === undefined && !this.#retry({ kind: 'error', error: failureWords[kind].retry }))
      this.#giveIn()
  }

  /** The answer that is being passed on is no more: what is missing of it may be had elsewhere. */
  #brokeOff(): void {
    this.#winner = undefined
    this.#account.brokeOff()
    this.#countsFromMs = this.#shared.clock.nowMs()
    if (this.#answer.hasEverything) {
      this.#finish('served', undefined)
      this.#client.end()
    } else if (!this.#answer.isResumable || !this.#retry({ kind: 'error', error: 'broken_pipe' })) this.#giveIn()
  }

  #resume(attempt: Attempt, head: ResponseHead): void {
    if (this.#answer.goesOnWith(head)) {
      this.#account.resumptions += 1
      this.#winner = attempt
      attempt.isPassing = true
      return
    }
    if (this.policy.retry.retriableStatuses.includes(head.status)) {
      this.#account.charge(attempt, `status_${head.status}`, { status: head.status })
    } else this.#account.abandon(attempt)
    this.#unlist(attempt)
    attempt.cancel()
    if (!this.#retry({ kind: 'error', error: 'broken_pipe' })) this.#giveIn()
  }

  #unlist(attempt: Attempt): void {
    if (attempt === this.#lead) {
      this.#lead = this.#hedge
      this.#hedge = undefined
    } else if (attempt === this.#hedge) this.#hedge = undefined
  }

  /** Begins or plans another attempt, if there may be one. */
  #retry(failure: AttemptFailure): boolean {
    if (this.#relay?.isReplayable === false) return false
    const next = this.#chooser.next(failure, Math.max(0, this.#shared.clock.nowMs() - this.#countsFromMs))
    if (next.kind === 'now') this.#start(next.picked, this.#roleOfRetry, false)
    else if (next.kind === 'later') this.#wake('retry', next.delayMs)
    return next.kind !== 'none'
  }

  get #roleOfRetry(): AttemptRole {
    return this.#account.headMs === undefined ? 'lead' : 'resumption'
  }

  /** Nothing is left to be tried. */
  #giveIn(): void {
    if (this.#account.headMs === undefined) {
      this.#refuse(this.#lastCode)
      return
    }
    this.#finish('cut', undefined)
    this.#client.cut()
  }

  #refuse(code: ErrorCode): void {
    const isForLater = code === 'no_endpoint_usable' || code === 'endpoints_busy'
    this.#account.status = refusalStatus(code)
    this.#finish('refused', undefined)
    refuse(this.#client, code, isForLater ? this.#job.group.retryAfterSeconds : undefined)
  }

  onAbort(_reason: AbortReason): void {
    if (this.#isOver) return
    for (const attempt of [this.#lead, this.#hedge]) {
      if (attempt === undefined) continue
      attempt.cancel()
      // What a client that left was served until then is to the endpoint's credit.
      if (attempt === this.#winner && this.#account.responseBytes > 0) this.#account.credit(attempt)
      else this.#account.abandon(attempt)
    }
    this.#finish('client_gone', this.#winner)
  }

  upgraded(attempt: Attempt, head: ResponseHead, raw: RawSocket): void {
    const ours = this.#client.upgrade(clientUpgradeHead(head, this.#answer.forwarding))
    if (ours === undefined) {
      raw.socket.destroy()
      this.#account.abandon(attempt)
      this.#finish('client_gone', undefined)
      return
    }
    const leave = this.#account.upgraded(attempt)
    this.#isOver = true
    this.#alarms?.stop()
    const { wheel } = this.#shared
    joinSockets(ours, raw, { wheel, idleMs: this.policy.upgradeIdleMs, onClosed: () => leave(this.#relay?.bytes ?? 0) })
  }

  #wake(kind: AlarmKind, afterMs: number): void {
    this.#alarms ??= new Alarms(this.#shared, (due) => this.#onDue(due))
    this.#alarms.set(kind, this.#shared.clock.nowMs() + afterMs)
  }

  #onDue(kind: AlarmKind): void {
    if (this.#isOver) return
    try {
      if (kind === 'hedge') this.#launchHedge()
      else if (kind === 'continue') this.#relay?.begin()
      else if (kind === 'retry') this.#retryAny()
      else this.#releaseHeld()
    } catch (error) {
      this.#shared.onFault(error)
      this.onAbort('fault')
      this.#client.cut()
    }
  }

  #retryAny(): void {
    const picked = this.#chooser.again()
    if (picked === undefined) this.#giveIn()
    else this.#start(picked, this.#roleOfRetry, false)
  }

  #releaseHeld(): void {
    const nowMs = this.#shared.clock.nowMs()
    for (const attempt of [this.#lead, this.#hedge]) {
      if (attempt === undefined || this.#winner !== undefined) continue
      if (attempt.holdUntilMs <= nowMs && attempt.response !== undefined) this.#commit(attempt, attempt.response, false)
      else if (attempt.holdUntilMs !== NEVER_MS) this.#wake('hold', attempt.holdUntilMs - nowMs)
    }
  }

  #finish(ending: Ending, server: Attempt | undefined): void {
    this.#isOver = true
    this.#alarms?.stop()
    this.#account.tell(ending, server, this.#relay?.bytes ?? 0)
  }
}
