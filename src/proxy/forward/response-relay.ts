import { clientFraming, clientResponseHead } from '../wire/forward-head.ts'
import type { ResponseForwarding } from '../wire/forward-head.ts'
import type { RequestHead, ResponseHead } from '../wire/head.ts'
import type { Account } from './account.ts'
import type { Attempt } from './attempt.ts'
import type { ClientExchange } from './client-exchange.ts'
import type { ForwardJob } from './forward-facts.ts'
import { continues, repeatedBytes, resumingRequest, resumptionPlan, totalBytes } from './resumption.ts'
import type { ResumptionPlan } from './resumption.ts'

/** The answer on its way to the client, though its parts may come from several upstreams. */
export class ResponseRelay {
  readonly forwarding: ResponseForwarding
  readonly #client: ClientExchange
  readonly #account: Account
  /** The answer's head, for as long as it may be gone on with elsewhere. */
  #resumable: ResponseHead | undefined
  #plan: ResumptionPlan | undefined
  /** Bytes that the body must have in the end, once it was gone on with elsewhere. */
  #totalBytes: number | undefined
  /** Bytes at the beginning of what comes next that the client has already. */
  #repeatedBytes = 0

  constructor({ client, shared, facts }: ForwardJob, account: Account) {
    const { pseudonym } = shared
    const { added } = facts
    this.#client = client
    this.#account = account
    this.forwarding = added === undefined ? shared : { pseudonym, added }
  }

  inform(head: ResponseHead): void {
    this.#client.inform(clientResponseHead(head, this.forwarding))
  }

  /**
   * Begins the answer with what was held of it. `isResumable`: what breaks off may be gone on with elsewhere. `isFollowed`:
   * more of it is there and comes at once.
   */
  open(response: ResponseHead, held: readonly Buffer[], isResumable: boolean, isFollowed: boolean): void {
    if (isResumable) this.#resumable = response
    const head = clientResponseHead(response, this.forwarding)
    this.#client.respond(head, clientFraming(response), isFollowed || held.length > 0)
    for (const piece of held) {
      this.#account.responseBytes += piece.length
      this.#client.write(piece)
    }
  }

  /** Passes a piece on; false when the client is behind. */
  piece(attempt: Attempt, whole: Buffer): boolean {
    const piece = this.#repeatedBytes === 0 ? whole : this.#withoutRepeated(whole)
    this.#account.responseBytes += piece.length
    const isTaken = this.#client.write(piece)
    if (this.#client.pendingBytes > 0) attempt.exchange?.keep()
    return isTaken
  }

  /** Whether what is missing can be asked for elsewhere, now that the upstream is gone. */
  get isResumable(): boolean {
    if (this.#resumable !== undefined) this.#plan ??= resumptionPlan(this.#client.head, this.#resumable)
    return this.#plan !== undefined
  }

  /** The request for what is missing; the whole one where nothing can be said. */
  requestForRest(request: RequestHead): RequestHead {
    return this.#plan === undefined ? request : resumingRequest(request, this.#plan, this.#account.responseBytes)
  }

  /** Whether another upstream's answer is exactly what is missing. */
  goesOnWith(head: ResponseHead): boolean {
    if (this.#plan === undefined || !continues(this.#plan, this.#account.responseBytes, head)) return false
    this.#totalBytes = totalBytes(this.#plan, head)
    this.#repeatedBytes = repeatedBytes(this.#plan, this.#account.responseBytes)
    return true
  }

  #withoutRepeated(piece: Buffer): Buffer {
    const dropped = Math.min(this.#repeatedBytes, piece.length)
    this.#repeatedBytes -= dropped
    return piece.subarray(dropped)
  }

  /** Whether the client has all bytes there are, though the upstream that was to end them is gone. */
  get hasEverything(): boolean {
    const expected = this.#totalBytes ?? this.#resumable?.contentLength
    return expected !== undefined && this.#account.responseBytes === expected
  }

  /** Whether nothing is missing, now that the last upstream says that it is done. */
  get isWhole(): boolean {
    return this.#totalBytes === undefined || this.#account.responseBytes === this.#totalBytes
  }
}
