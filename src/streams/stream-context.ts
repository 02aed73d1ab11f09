import type { EventSink } from '../events/event.ts'
import type { GroupPolicy } from '../failover/group.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { CaptureSink } from './capture/stream-capture.ts'
import type { ConnectionBudget } from './connection-budget.ts'
import type { Decoders } from './detect/decoders.ts'
import type { DetectionLimits } from './detect/policy.ts'
import type { SlateMaker } from './outage.ts'
import type { PackagedHls, PackagerOptions } from './packager/packager.ts'
import type { Spill } from './packager/spill.ts'
import type { SwitchReceipt } from './receipts/receipt.ts'
import type { StreamRequest } from './service.ts'
import type { SourceNetwork, SourceTransport } from './sources/http-client.ts'
import type { TransportWishes } from './sources/transports.ts'
import type { StreamMemory } from './stream-counters.ts'
import type { StreamMetrics } from './stream-reporter.ts'

/** What every stream of a gateway is given. */
export interface StreamContext {
  readonly policy: GroupPolicy
  readonly limits: StreamLimits
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly events: EventSink
  readonly metrics: StreamMetrics
  readonly network: SourceNetwork
  /** Key of what only this gateway may make: ids of streams, references in playlists. */
  readonly secret: string
  /** How a source's address is reached; over HTTP as it is where this is not given. */
  readonly transportOf?: (url: string, wishes: TransportWishes) => SourceTransport
  /** Shared by all streams: how many sources may be decoded at once. */
  readonly decoders: Decoders
  /** Shared by all streams: what the providers' accounts allow. */
  readonly budget: ConnectionBudget
  /** Where streams that ask for it leave the bytes around their switches. */
  readonly captures: CaptureSink
  /** Undefined where none can be made. */
  readonly slates: SlateMaker | undefined
  /** Where segments go that are too many for the memory; undefined: nowhere. */
  readonly spill: Spill | undefined
}

/** What one stream is given beside that. */
export interface StreamOptions extends StreamContext {
  readonly streamId: string
  readonly request: StreamRequest
  readonly memory: StreamMemory | undefined
  readonly createdWallMs: number
  /** Media bytes handed to viewers. */
  readonly countBytes: (bytes: number) => void
  /** A switch has settled. */
  readonly onSwitched: (receipt: SwitchReceipt) => void
  /** Something that has to survive a restart changed. */
  readonly onMemoryChanged: () => void
  /** Cuts the continuous stream into segments; a packager of one rendition without it. */
  readonly createPackager?: (options: PackagerOptions) => PackagedHls
}

/** Limits and waits, from the configuration; durations in milliseconds. */
export interface StreamLimits extends DetectionLimits {
  readonly connectTimeoutMs: number
  readonly readTimeoutMs: number
  readonly firstByteTimeoutMs: number
  readonly stallFloorMs: number
  readonly stallCeilingMs: number
  readonly keyframeWaitMs: number
  readonly startTimeoutMs: number
  readonly viewerHoldMs: number
  readonly slateHoldMs: number
  readonly viewerStallMs: number
  readonly vodReadTimeoutMs: number
  readonly vodViewerStallMs: number
  readonly graceMs: number
  readonly hlsClientIdleMs: number
  readonly hlsSegmentMs: number
  readonly hlsPartMs: number
  readonly hlsDvrMs: number
  readonly hlsBufferBytesMax: number
  readonly hlsCacheBytesMax: number
  readonly hlsTargetMs: number
  readonly standbyCheckMs: number
  readonly probeIntervalMs: number
  readonly bufferBytesMax: number
  readonly bufferMsMax: number
  readonly userAgent: string
  /** For pages whose media has to be found out first. */
  readonly resolverTimeoutMs?: number
}
