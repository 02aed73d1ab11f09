/** A server-sent event's data as the gateway sends it. */
export interface LiveEvent {
  readonly type: string
  readonly streamId: string
  readonly data: Readonly<Record<string, unknown>>
}

/** An event longer than this is not one of the gateway's. */
const EVENT_CHARACTERS_MAX = 100_000

/** Follows `GET /events/live` until it ends or the signal aborts; throws when it does not answer 200. */
export async function* liveEvents(gatewayUrl: string, signal: AbortSignal): AsyncGenerator<LiveEvent> {
  const response = await fetch(`${gatewayUrl}/events/live`, { signal, headers: { accept: 'text/event-stream' } })
  if (!response.ok || response.body === null) throw new Error(`${gatewayUrl}/events/live answered ${response.status}`)
  const decoder = new TextDecoder()
  let pending = ''
  const body: AsyncIterable<Uint8Array> = response.body
  for await (const chunk of body) {
    pending += decoder.decode(chunk, { stream: true })
    const blocks = pending.split('\n\n')
    pending = (blocks.pop() ?? '').slice(-EVENT_CHARACTERS_MAX)
    for (const block of blocks) {
      const event = parseEvent(block)
      if (event !== undefined) yield event
    }
  }
}

/** One block of the event stream format (HTML, "Server-sent events"); undefined for comments and for what is no event. */
export function parseEvent(block: string): LiveEvent | undefined {
  const text = block
    .split('\n')
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice('data:'.length).trimStart())
    .join('\n')
  if (text === '') return undefined
  const parsed: unknown = JSON.parse(text)
  if (!isRecord(parsed)) return undefined
  const { event_type: type, stream_id: streamId, data } = parsed
  if (typeof type !== 'string' || typeof streamId !== 'string') return undefined
  return { type: type.toLowerCase(), streamId, data: isRecord(data) ? data : {} }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
