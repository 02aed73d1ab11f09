import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Json } from '../store/store.ts'
import type { DrillSchedule } from './drill/drill-schedule.ts'
import type { Unmonitored } from './detect/content-watch.ts'
import type { HlsViewRequest } from './hls/hls-output.ts'
import type { ActionChoice, Condition } from './detect/conditions.ts'
import type { ResolverName } from './sources/resolver-arguments.ts'

/**
 * How a stream is delivered: one shared live reader, one upstream per viewer with byte ranges, HLS playlists, or what an
 * encoder of ours makes of a live stream.
 */
export type StreamKind = 'live' | 'vod' | 'hls' | 'transcoding'

/** One place that a stream can be pulled from, as the operator describes it. */
export interface SourceRequest {
  readonly url: string
  /** Higher is preferred. Among equals the gateway's own region comes first, then the higher weight, then the listed order. */
  readonly priority: number
  readonly weight: number
  readonly region?: string
  /** Sent to this source beside the stream's own; these win. */
  readonly headers: Readonly<Record<string, string>>
  readonly userAgent?: string
  readonly account?: Account
}

/** What a provider lets one customer do, across all streams that name the account. */
export interface Account {
  readonly name: string
  readonly connectionsMax: number
}

/**
 * How the source that would be next is kept ready. `cold`: it is connected when it is needed. `warm`: every source is
 * verified at intervals (connect, look, close). `hot`: the next one is received all the time.
 */
export const STANDBY_KINDS = ['cold', 'warm', 'hot'] as const
export type StandbyKind = (typeof STANDBY_KINDS)[number]

/** When a better source has recovered. `manual`: it is watched, and the operator decides. */
export const FAILBACK_KINDS = ['off', 'auto', 'manual'] as const
export type FailbackKind = (typeof FAILBACK_KINDS)[number]

export interface FailbackRequest {
  readonly kind: FailbackKind
  /** Healthy for so long before it is gone back to. */
  readonly probationMs: number
  /** So long after a switch there is no failback; doubles when one did not last. */
  readonly holdDownMs: number
}

/** What viewers see when no source delivers. */
export interface SlateRequest {
  readonly isOn: boolean
  /** Silence after which it is shown. */
  readonly afterMs: number
  /** A file of the operator's, in place of the built-in card. */
  readonly file?: string
  /** Text of the built-in card. */
  readonly text?: string
}

/** What an operator asks for. URLs are http(s), validated and at most 8,192 characters each. */
export interface StreamRequest {
  /** Names the stream: the same URL is the same stream. */
  readonly url: string
  /** The URLs of the other sources. */
  readonly failoverUrls: readonly string[]
  /** All sources in the order in which they are preferred. */
  readonly sources: readonly SourceRequest[]
  readonly failoverResolverUrl?: string
  readonly userAgent?: string
  /** Sent with every request to a source. */
  readonly headers: Readonly<Record<string, string>>
  readonly metadata: Readonly<Record<string, string>>
  readonly strictLiveTs: boolean
  readonly useStickySession: boolean
  /** MPEG-TS sources are joined into one programme on one timeline; otherwise whole packets follow each other as they are. */
  readonly seamless: boolean
  /** Keep the upstream open when nobody watches. */
  readonly keepOpen: boolean
  /** Compatible silence detection fields, kept for the detectors and echoed back. */
  readonly silence: Readonly<Record<string, boolean | number>>
  /** What to do about each condition of a source, where it is not what the configuration says. */
  readonly detect?: ActionChoice
  readonly standby: StandbyKind
  readonly failback: FailbackRequest
  readonly slate: SlateRequest
  /** Viewers get everything so much later, 0 to OUTPUT_DELAY_MS_MAX; a hot standby then covers a failure without a gap. */
  readonly outputDelayMs: number
  /** Keep the bytes around each switch, to be downloaded. */
  readonly capture: boolean
  /** Rehearse a failover now and then. */
  readonly drill?: DrillSchedule
  /** Encode it anew before viewers get it. */
  readonly transcode?: TranscodeRequest
  /** Its URLs are pages, and a program finds out where their media is. */
  readonly resolver?: ResolverRequest
}

/** How pages are asked where their media is. */
export interface ResolverRequest {
  readonly name: ResolverName
  /** As `parseResolverArguments` takes them. */
  readonly arguments: string
  /** Text of a Netscape cookie file. */
  readonly cookies?: string
}

/** What an encoder is to make of a stream. */
export interface TranscodeRequest {
  /** The name of a profile, or arguments that begin with `-`. */
  readonly profile: string
  readonly variables: Readonly<Record<string, string>>
  /** How it is handed to players at first; the other way is there too. */
  readonly format: 'mpegts' | 'hls'
  /** What the profile `ladder` makes, best first; undefined: what suits the source. */
  readonly renditions?: readonly RenditionRequest[]
}

/** One quality of several that are made at once. Bit rates in bits a second; of width and height one may be undefined. */
export interface RenditionRequest {
  readonly width?: number
  readonly height?: number
  readonly videoBitsPerSecond: number
  readonly audioBitsPerSecond: number
  /** Of H.264. */
  readonly codecProfile?: 'baseline' | 'main' | 'high'
}

/** How the encoder of a stream fares. What is not known is undefined. */
export interface TranscoderSnapshot {
  readonly profile: string
  /** The kind of encoder in silicon; undefined for software. */
  readonly hardware: string | undefined
  readonly pid: number | undefined
  readonly startedWallMs: number | undefined
  /** Encoders that were started in place of one that had failed. */
  readonly restarts: number
  readonly lastFailure: string | undefined
  /** 1 is real time. */
  readonly speed: number | undefined
  readonly fps: number | undefined
  readonly frames: number | undefined
  readonly droppedFrames: number | undefined
  readonly duplicatedFrames: number | undefined
  readonly bitsPerSecond: number | undefined
  /** Times it was too slow and its input went on at a later keyframe. */
  readonly inputSkips: number
  /** Of a ladder, best first; the index is what `?rendition=` names. */
  readonly renditions?: readonly (RenditionRequest & { readonly viewers: number })[]
}

export const OUTPUT_DELAY_MS_MAX = 10_000

/** The state of one source of a stream, in the order of the request: the primary first. */
export interface SourceSnapshot extends SourceRequest {
  readonly index: number
  readonly onAir: boolean
  /** How ready it is; `hot` is received now without being on air. */
  readonly standby: 'on_air' | StandbyKind
  readonly health: 'healthy' | 'unhealthy' | 'unknown'
  readonly failures: number
  readonly lastFailureReason: string | undefined
  readonly lastFailureWallMs: number | undefined
  /** What is wrong with what it sends now, as far as it is received. */
  readonly conditions: readonly ConditionSnapshot[]
  /** What was asked to be looked for in it and is not: no decoder is free, or there is no ffmpeg. */
  readonly unmonitored: readonly Unmonitored[]
  /** What it is made of, in words; undefined until it was received. */
  readonly signature: string | undefined
}

/** A condition of a source that holds now; docs/DETECTION.md explains each. */
export interface ConditionSnapshot {
  readonly condition: Condition
  readonly action: 'fail' | 'warn'
  readonly message: string
  readonly sinceWallMs: number
  readonly evidence: { readonly [key: string]: Json }
}

/** What is true of a stream now. Times are milliseconds since 1970-01-01 UTC. */
export interface StreamSnapshot {
  readonly streamId: string
  readonly kind: StreamKind
  readonly request: StreamRequest
  readonly currentUrl: string
  /** 0 is the primary, 1 the first failover URL. A URL that came from a resolver counts as the last index + 1. */
  readonly failoverIndex: number
  readonly failoverAttempts: number
  readonly lastFailoverWallMs: number | undefined
  readonly epoch: number
  /** `idle`: no upstream; `starting`: an upstream is being opened; `live`: media flows; `recovering`: it stopped and a
   * switch or retry is under way. */
  readonly phase: 'idle' | 'starting' | 'live' | 'recovering'
  readonly isActive: boolean
  readonly clientCount: number
  readonly totalBytesServed: number
  readonly totalSegmentsServed: number
  readonly bytesReceived: number
  readonly errorCount: number
  readonly createdWallMs: number
  readonly lastAccessWallMs: number
  readonly sources: readonly SourceSnapshot[]
  /** What players would notice of a switch between the sources, in words. */
  readonly warnings: readonly string[]
  readonly isSlateOn: boolean
  readonly upstreamConnections: number
  /** Of a stream that is encoded anew. */
  readonly transcoder?: TranscoderSnapshot
}

export interface ClientSnapshot {
  readonly clientId: string
  readonly streamId: string
  readonly userAgent: string
  readonly ipAddress: string
  readonly username: string | undefined
  readonly bytesServed: number
  /** Of a player of HLS. */
  readonly segmentsServed?: number
  readonly createdWallMs: number
  readonly lastAccessWallMs: number
  readonly isConnected: boolean
  /** Times this viewer fell off the buffer and jumped forward to a keyframe. */
  readonly skips: number
}

export interface FailoverResult {
  readonly newUrl: string
  /** 0 is the primary, 1 the first failover URL. */
  readonly failoverIndex: number
  readonly failoverAttempts: number
  readonly activeClients: number
  readonly kind: StreamKind
}

export interface ViewRequest {
  readonly streamId: string
  readonly clientId: string | undefined
  readonly userAgent: string
  readonly ipAddress: string
  readonly username: string | undefined
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Of a stream that has several: 0 is the best, and what is served where none is named. */
  readonly rendition?: number | undefined
}

export type StopReason =
  | 'manual_deletion'
  | 'metadata_filter_deletion'
  | 'oldest_stream_deletion'
  | 'last_client_disconnected'
  | 'inactive_timeout'

/** The streams hall as its API sees it. */
export interface StreamService {
  /**
   * Creates a stream, or updates the one of the same URL in place without disturbing its viewers. The id is the same for
   * the same URL and cannot be computed without this gateway's secret.
   */
  create(request: StreamRequest): Promise<StreamSnapshot>
  get(streamId: string): StreamSnapshot | undefined
  list(): readonly StreamSnapshot[]
  /** Ends a stream and its viewers. False if there was none. */
  delete(streamId: string, reason: StopReason): Promise<boolean>
  /**
   * Moves exactly one step (after the last, back to the primary), or to `target`: an index (0 the primary) or one of the
   * stream's URLs. Throws stream_not_found, no_failover_configured, failover_target_unknown.
   */
  failover(
    streamId: string,
    options: { readonly target?: number | string; readonly reason?: string },
  ): Promise<FailoverResult>
  /**
   * Connects every source that is not received now, one after another, waits until a decoder could begin, and closes.
   * Throws stream_not_found.
   */
  lookAtSources(streamId: string): Promise<StreamSnapshot>
  clients(): readonly ClientSnapshot[]
  /** Ends one viewer's connections. False if there was none. */
  disconnectClient(streamId: string, clientId: string): boolean
  /**
   * Serves a viewer. Resolves when the response's head has been written (the body goes on by itself until either side
   * ends), and throws a HoldfastError before anything was written: stream_not_found, too_many_viewers, upstream_*.
   * Handles GET and HEAD, and byte ranges where the stream is VOD.
   */
  view(request: ViewRequest): Promise<void>
  /**
   * Answers a request for a playlist or for what one names. Throws a HoldfastError before anything was written:
   * stream_not_found, hls_not_available, hls_not_found, too_many_viewers, upstream_*.
   */
  serveHls(request: HlsViewRequest): Promise<void>
  readonly totals: ServiceTotals
}

export interface ServiceTotals {
  readonly bytesServed: number
  readonly bytesReceived: number
  readonly switches: number
  readonly upstreamConnections: number
  readonly clientsEver: number
}
