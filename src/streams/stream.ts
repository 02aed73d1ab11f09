import type { HlsViewRequest } from './hls/hls-output.ts'
import type {
  ClientSnapshot,
  FailoverResult,
  StopReason,
  StreamRequest,
  StreamSnapshot,
  ViewRequest,
} from './service.ts'
import type { StreamMemory } from './stream-counters.ts'

/** What the hall asks of a stream, whatever its kind. */
export interface Stream {
  readonly request: StreamRequest
  readonly memory: StreamMemory
  readonly viewerCount: number
  /** Begins without a viewer where the request says that the stream is kept open. */
  start(): void
  /** Looks at every source that is not received now. */
  lookAtSources(): Promise<void>
  /** Serves one client; resolves when its head is written. Throws a HoldfastError before anything was. */
  view(request: ViewRequest, clientId: string): Promise<void>
  /** Answers one request of an HLS player. Throws a HoldfastError before anything was written. */
  serveHls(request: HlsViewRequest, clientId: string): Promise<void>
  /** Whether this client plays it as HLS already. */
  hasHlsClient(clientId: string): boolean
  update(request: StreamRequest): void
  failover(target: number | string | undefined, by: string): Promise<FailoverResult>
  /** Ends every connection of this client. False if it has none. */
  disconnect(clientId: string): boolean
  close(reason: StopReason): void
  clients(): readonly ClientSnapshot[]
  snapshot(): StreamSnapshot
}
