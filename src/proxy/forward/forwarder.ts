import type { ReplicaGroup } from './replica-group.ts'
import type { ClientExchange } from './client-exchange.ts'
import type { ForwardFacts, ForwarderOptions } from './forward-facts.ts'
import type { ForwardPolicy } from './forward-policy.ts'
import { Forwarding } from './forwarding.ts'

export type { ForwardFacts, ForwarderOptions } from './forward-facts.ts'

/** Passes requests on to whichever endpoint of a group can serve them. */
export class Forwarder {
  readonly #options: ForwarderOptions

  constructor(options: ForwarderOptions) {
    this.#options = options
  }

  /** Serves one request to its end, whatever becomes of it; the answer, a refusal or a cut goes to the client. */
  forward(client: ClientExchange, group: ReplicaGroup, policy: ForwardPolicy, facts: ForwardFacts): void {
    new Forwarding({ shared: this.#options, client, group, policy, facts }).begin()
  }
}
