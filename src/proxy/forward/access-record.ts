/**
 * How a request ended for the client. `refused`: we answered, because no endpoint did. `cut`: the answer broke off and
 * so did the client's connection. `client_gone`: the client left before the end.
 */
export type Ending = 'served' | 'refused' | 'cut' | 'client_gone' | 'upgraded'

/** The facts of one request, for the log and for metrics. */
export interface AccessRecord {
  readonly method: string
  readonly ending: Ending
  /** What the client was told; 0 when it was told nothing. */
  readonly status: number
  /** Whose answer it was; undefined when nobody's. */
  readonly endpointId: string | undefined
  /** Connections to endpoints that a request was sent on or was to be. */
  readonly attempts: number
  readonly retries: number
  readonly isHedged: boolean
  /** How often a body that broke off was gone on with elsewhere. */
  readonly resumptions: number
  /** The last failed attempt in a word: `refused`, `status_503`, `truncated`, ... */
  readonly lastFailure: string | undefined
  /** Bytes of the bodies, without framing. */
  readonly requestBytes: number
  readonly responseBytes: number
  /** From the request's head to the beginning of the response, and to the end of it all. */
  readonly headMs: number | undefined
  readonly durationMs: number
}
