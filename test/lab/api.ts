export interface ApiAnswer<Body = unknown> {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body as JSON; undefined when it is none. */
  readonly body: Body
}

/** What POST /streams takes; anything may be added, also what is wrong. */
export interface StreamInput {
  readonly url: string
  readonly failover_urls?: readonly string[]
  readonly [field: string]: unknown
}

export interface CreatedStream {
  readonly stream_id: string
  readonly primary_url: string
  readonly failover_urls: readonly string[]
  readonly stream_type: string
  readonly stream_endpoint: string
  readonly direct_url: string
  readonly message: string
}

export interface StreamObject {
  readonly stream_id: string
  readonly original_url: string
  readonly current_url: string
  readonly client_count: number
  readonly is_active: boolean
  readonly has_failover: boolean
  readonly failover_urls: readonly string[]
  readonly failover_attempts: number
  readonly failover_index?: number
  readonly current_failover_index: number
  readonly last_failover_time: string | null
  readonly stream_type: string
  readonly metadata: Readonly<Record<string, string>>
}

export interface FailoverAnswer {
  readonly message: string
  readonly new_url: string
  readonly failover_index: number
  readonly failover_attempts: number
  readonly active_clients: number
  readonly stream_type: string
}

/** One entry of the journal. */
export interface JournalEvent {
  readonly event_type: string
  readonly timestamp: string
  readonly data: Readonly<Record<string, unknown>>
}

/** Ends a request that would hang; the longest that is answered is a drill, which takes some 20 s. */
const REQUEST_TIMEOUT_MS = 90_000

/** The gateway's API as a client uses it. `call` hides nothing; the others throw unless the status is 200. */
export class Api {
  readonly #base: string
  readonly #headers: Readonly<Record<string, string>>

  constructor(base: string, headers: Readonly<Record<string, string>> = {}) {
    this.#base = base
    this.#headers = headers
  }

  with(headers: Readonly<Record<string, string>>): Api {
    return new Api(this.#base, headers)
  }

  async call<Body = unknown>(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ApiAnswer<Body>> {
    const isText = typeof body === 'string'
    const response = await fetch(this.#base + path, {
      method,
      redirect: 'manual',
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      headers: { ...this.#headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: parsed(text) as Body }
  }

  async get<Body = unknown>(path: string): Promise<Body> {
    return await this.#expectOk('GET', path)
  }

  async createStream(input: StreamInput): Promise<CreatedStream> {
    return await this.#expectOk('POST', '/streams', input)
  }

  /** Creates a stream and returns its id. */
  async stream(urls: readonly string[], more: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const [url, ...failoverUrls] = urls
    if (url === undefined) throw new Error('a stream needs a URL')
    return (await this.createStream({ url, failover_urls: failoverUrls, ...more })).stream_id
  }

  async streamObject(streamId: string): Promise<StreamObject> {
    return (await this.get<{ stream: StreamObject }>(`/streams/${streamId}`)).stream
  }

  async failover(streamId: string, body?: unknown): Promise<FailoverAnswer> {
    return await this.#expectOk('POST', `/streams/${streamId}/failover`, body)
  }

  /** What the journal has of a stream, of one type or of all. */
  async events(streamId: string, type?: string): Promise<readonly JournalEvent[]> {
    const query = new URLSearchParams({ stream_id: streamId, ...(type === undefined ? {} : { type }) })
    return (await this.get<{ events: readonly JournalEvent[] }>(`/events?${query.toString()}`)).events
  }

  async #expectOk<Body>(method: string, path: string, body?: unknown): Promise<Body> {
    const answer = await this.call<Body>(method, path, body)
    if (answer.status !== 200) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`)
    return answer.body
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
