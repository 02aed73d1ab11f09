import type { Log } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import type { ViewRequest } from '../service.ts'
import type { SourceNetwork } from '../sources/http-client.ts'

/** One URL that the same file can be had from. */
export interface VodSource {
  readonly url: string
  /** 0 is the primary, 1 the first failover URL. */
  readonly index: number
}

/** Waits, in milliseconds. */
export interface VodLimits {
  readonly connectTimeoutMs: number
  /** For a source to give its first byte while another is left. */
  readonly firstByteTimeoutMs: number
  /** The same for the only source left. */
  readonly readTimeoutMs: number
  /** Until a viewer is told that no source answers. */
  readonly startTimeoutMs: number
  /** The longest silence of a source while its viewer is reading. */
  readonly vodReadTimeoutMs: number
  /** A viewer that takes no byte for this long is dropped. */
  readonly vodViewerStallMs: number
}

export interface VodFailover {
  readonly fromIndex: number
  readonly toIndex: number
  /** The failure of the source that was left: `refused`, `reset`, `stalled`, `http_503`, … */
  readonly reason: string
  /** The first byte of the entity that the new source delivers. */
  readonly atByte: number
}

export interface ServeVodOptions {
  readonly viewRequest: Pick<ViewRequest, 'streamId' | 'request' | 'response'>
  /** In the order of failing over; not empty. */
  readonly sources: readonly VodSource[]
  /** The `index` of the source to begin with. */
  readonly onAirIndex: number
  /** Sent with every request to a source. */
  readonly headers: Readonly<Record<string, string>>
  readonly userAgent: string
  readonly operatorHosts: ReadonlySet<string>
  readonly limits: VodLimits
  readonly network: SourceNetwork
  readonly random: Random
  readonly log: Log
  /** Ends the transfer and cuts the viewer's connection. */
  readonly signal: AbortSignal
  /** Bytes of a body handed to the viewer's connection. */
  readonly onBytes: (bytes: number) => void
  /** Another source delivers now. Not called for a resumption on the same URL. */
  readonly onFailover: (failover: VodFailover) => void
}
