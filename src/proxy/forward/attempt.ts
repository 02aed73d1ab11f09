import type { PickedEndpoint } from '../endpoints/endpoint-group.ts'
import type { Fields } from '../wire/fields.ts'
import type { RawSocket } from '../wire/front-exchange.ts'
import type { ResponseHead } from '../wire/head.ts'
import type { UpstreamDeadlines, UpstreamExchange, UpstreamListener } from '../wire/upstream-exchange.ts'
import type { UpstreamFailure } from '../wire/upstream-failure.ts'
import type { ForwardPolicy } from './forward-policy.ts'

/** What an attempt tells the request that it is made for. */
export interface AttemptOwner {
  readonly policy: ForwardPolicy
  /** Milliseconds until the request has to have an answer. */
  remainingMs(): number
  /** The connection stands and the request's head is on its way. */
  connected(): void
  informed(attempt: Attempt, head: ResponseHead): void
  /** The answer has begun: it is to be held, passed on, or given up. */
  answered(attempt: Attempt, head: ResponseHead): void
  /** What is held is to be kept no longer, because more of it, or its end, is there. */
  released(attempt: Attempt): void
  /** The beginning of a held answer has come and the rest has not. */
  heldIncomplete(attempt: Attempt): void
  piece(attempt: Attempt, piece: Buffer): boolean
  ended(attempt: Attempt, trailers: Fields): void
  drained(attempt: Attempt): void
  upgraded(attempt: Attempt, head: ResponseHead, raw: RawSocket): void
  failed(attempt: Attempt, failure: UpstreamFailure): void
}

/** `trial` has been given to an endpoint that is to show whether it has recovered. */
export type AttemptRole = 'lead' | 'hedge' | 'resumption'

/** One request on its way to one endpoint: keeps the answer's beginning back for as long as its owner wants. */
export class Attempt implements UpstreamListener, UpstreamDeadlines {
  readonly picked: PickedEndpoint
  readonly role: AttemptRole
  readonly startedMs: number
  readonly #owner: AttemptOwner
  exchange: UpstreamExchange | undefined
  response: ResponseHead | undefined
  /** The endpoint has been charged or credited. */
  isReported = false
  isConnected = false
  /** The answer goes to the client. */
  isPassing = false
  /** When what is held is passed on unfinished. */
  holdUntilMs = Number.POSITIVE_INFINITY
  held: Buffer[] = []
  #heldBytes = 0
  /** The length of the held body, where it is known. */
  #expectedBytes = -1
  #heldBytesMax = 0
  readonly onUpgrade?: (head: ResponseHead, raw: RawSocket) => void

  constructor(owner: AttemptOwner, picked: PickedEndpoint, role: AttemptRole, startedMs: number, isUpgrade: boolean) {
    this.#owner = owner
    this.picked = picked
    this.role = role
    this.startedMs = startedMs
    if (isUpgrade) this.onUpgrade = (head, raw) => owner.upgraded(this, head, raw)
  }

  get connectMs(): number {
    return Math.min(this.#owner.policy.connectMs, this.#owner.remainingMs())
  }

  get firstByteMs(): number {
    return Math.min(this.#owner.policy.firstByteMs, this.#owner.remainingMs())
  }

  get idleMs(): number {
    const { idleMs } = this.#owner.policy
    return this.isPassing ? idleMs : Math.min(idleMs, this.#owner.remainingMs())
  }

  /** Keeps the body back: `expectedBytes` of it, or, where that is -1, up to `bytesMax`. */
  hold(expectedBytes: number, bytesMax: number): void {
    this.#expectedBytes = expectedBytes
    this.#heldBytesMax = bytesMax
  }

  cancel(): void {
    this.exchange?.abort()
    this.held = []
  }

  onSent(): void {
    this.isConnected = true
    this.#owner.connected()
  }

  onInformational(head: ResponseHead): void {
    this.#owner.informed(this, head)
  }

  onHead(head: ResponseHead): void {
    this.response = head
    this.#owner.answered(this, head)
  }

  onPiece(piece: Buffer): boolean {
    if (!this.isPassing) {
      const bytes = this.#heldBytes + piece.length
      if (bytes !== this.#expectedBytes && bytes <= this.#heldBytesMax) {
        this.#heldBytes = bytes
        // The read buffer is written to again.
        this.held.push(Buffer.from(piece))
        if (this.held.length === 1) this.#owner.heldIncomplete(this)
        return true
      }
      // All is there, or more than is held.
      this.#owner.released(this)
    }
    return this.#owner.piece(this, piece)
  }

  onEnd(trailers: Fields): void {
    if (!this.isPassing) this.#owner.released(this)
    this.#owner.ended(this, trailers)
  }

  onDrain(): void {
    this.#owner.drained(this)
  }

  onFailure(failure: UpstreamFailure): void {
    this.#owner.failed(this, failure)
  }
}
