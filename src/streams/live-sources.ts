import type { CandidateId } from '../failover/group.ts'
import type { CodecSignature } from '../mpegts/analyser/signature.ts'
import type { Feed } from './feed.ts'
import type { FeedSource } from './feed-track.ts'
import type { Container } from './framing/framing.ts'
import type { HlsStandbyListener } from './hls/hls-standby.ts'
import type { LiveHls } from './hls/live-hls.ts'
import type { SourceSnapshot, StreamRequest } from './service.ts'
import { SourceOpener } from './sources/source-opener.ts'
import type { SessionFailure, SessionListener, SourceSession } from './sources/session.ts'
import { Compatibility } from './standby/compatibility.ts'
import type { ProbeResult } from './standby/source-probe.ts'
import { StandbyKeeper } from './standby/standby-keeper.ts'
import type { StandbyLeg } from './standby/standby-keeper.ts'
import type { StreamContext } from './stream-context.ts'
import type { StreamGroup } from './stream-group.ts'
import type { Leg } from './stream-legs.ts'
import type { StreamReporter } from './stream-reporter.ts'

export interface LiveSourcesOptions extends StreamContext {
  readonly streamId: string
  readonly group: StreamGroup
  readonly feed: Feed
  readonly request: () => StreamRequest
  /** Whether media of the stream flows in this leg. */
  readonly isLive: (leg: Leg) => boolean
  readonly expectedContainer: () => Container | undefined
  readonly reporter: StreamReporter
  readonly hls: () => LiveHls
}

/** The sources of one live stream: opened within what their accounts allow, kept ready, looked at, and compared. */
export class LiveSources {
  readonly #options: LiveSourcesOptions
  readonly #opener: SourceOpener
  readonly #keeper: StandbyKeeper
  readonly #compatibility = new Compatibility()

  constructor(options: LiveSourcesOptions) {
    const { group, reporter, limits, clock, request, hls } = options
    this.#options = options
    this.#opener = new SourceOpener({
      ...options,
      source: (id) => group.source(id),
      resolvedUrls: () => group.resolvedUrls,
      hasAlternative: () => group.hasAlternative,
      hasUsableAlternative: () => group.hasUsableAlternative,
      hasBetterThan: (condition) => group.hasBetterThan(condition),
      shared: (...wanted) => hls().shared(...wanted),
      onSignature: (id, signature) => this.#learnt(id, signature),
      onWarning: (id, finding) => reporter.sourceWarned(group.source(id), finding),
    })
    this.#keeper = new StandbyKeeper({
      clock,
      legs: this.#standbyLegs(),
      opener: this.#opener,
      keyframeWaitMs: limits.keyframeWaitMs,
      kind: () => request().standby,
      next: () => group.standby,
      dispatch: (event) => group.dispatch(event),
      onProbed: (id, result) => reporter.sourceProbed(group.source(id), result),
    })
  }

  /** What the source on air is made of, or else any of them. */
  get signatureOnAir(): CodecSignature | undefined {
    const { group } = this.#options
    const ordered = [group.current, ...group.sources]
    return this.#compatibility.anySignature(ordered)
  }

  /** What a player would notice of a switch, in words. */
  get warnings(): readonly string[] {
    return this.#compatibility.warnings(this.#options.group.sources)
  }

  open(
    id: CandidateId,
    listener: SessionListener,
    purpose: 'on_air' | 'standby',
    present: CandidateId | undefined,
  ): SourceSession | 'no_connection_left' | 'close_present_first' {
    const revoked = (): void => {
      this.#options.feed.prepare(undefined)
      this.#keeper.revoked()
    }
    const onRevoked = purpose === 'standby' ? { onRevoked: revoked } : {}
    // What the other leg still has of the source before this one is let go of as well, a moment from now.
    const replaced = present ?? this.#options.hls().onAir
    return this.#opener.open(id, listener, purpose, { present: replaced, ...onRevoked })
  }

  /** A standby has gone on air. */
  wentOnAir(source: FeedSource): void {
    this.#opener.wentOnAir(source)
  }

  /** Something has changed: see to it that the right standby is received. */
  arrange(): void {
    const { sources } = this.#options.group
    this.#compatibility.keepOnly(sources)
    this.#opener.keepOnly(sources)
    this.#keeper.arrange()
  }

  standbyFailed(id: CandidateId, failure: SessionFailure): void {
    this.#options.reporter.standbyFailed(this.#options.group.source(id), failure)
    this.#options.group.standbyFailed(id, failure.reason)
    this.#keeper.failed(id, failure)
  }

  startProbing(id: CandidateId, intervalMs: number): void {
    this.#keeper.startProbing(id, intervalMs)
  }

  stopProbing(id: CandidateId): void {
    this.#keeper.stopProbing(id)
  }

  /** Looks at one source: connects, waits for media that a decoder could begin with, closes. */
  async look(id: CandidateId): Promise<ProbeResult> {
    return this.#keeper.look(id)
  }

  /** Looks at every source once, one after another, and tells the engine; for a stream that is new. */
  async lookAtAll(signal: AbortSignal): Promise<void> {
    const { group, feed } = this.#options
    for (const { candidateId: id } of group.sources) {
      if (signal.aborted) return
      // What is received already tells of itself.
      if (id === group.current.candidateId && feed.source !== undefined) continue
      const result = await this.#keeper.look(id, signal)
      if (result.kind === 'good') group.dispatch({ kind: 'probe_succeeded', id })
      else if (result.kind === 'bad') {
        const { reason, evidence } = result.failure
        group.dispatch({ kind: 'probe_failed', id, reason, evidence })
      }
    }
  }

  stop(): void {
    this.#keeper.stop()
  }

  snapshots(isOnAir: boolean): readonly SourceSnapshot[] {
    const { clock, feed, group, hls, request } = this.#options
    const { standby } = request()
    const received = new Set([feed.standby?.id, hls().standby?.id])
    const wallAheadMs = clock.wallMs() - clock.nowMs()
    return group.sourceSnapshots(isOnAir).map((source) => {
      const id = group.sources[source.index]?.candidateId
      const isReceived = id !== undefined && received.has(id)
      const looked = id === undefined ? undefined : feed.received(id)
      return {
        ...source,
        standby: source.onAir ? 'on_air' : isReceived ? 'hot' : standby === 'cold' ? 'cold' : 'warm',
        unmonitored: looked?.unmonitored() ?? [],
        conditions: (looked?.findings() ?? []).map(({ condition, action, message, sinceMs, evidence }) => ({
          ...{ condition, action, message, evidence },
          sinceWallMs: sinceMs + wallAheadMs,
        })),
        signature: id === undefined ? undefined : this.#compatibility.textOf(id),
      }
    })
  }

  #standbyLegs(): readonly StandbyLeg[] {
    const { feed, hls, isLive } = this.#options
    const listener: HlsStandbyListener = {
      failed: (id, failure) => this.standbyFailed(id, failure),
      revoked: () => this.#keeper.revoked(),
    }
    return [
      {
        isLive: () => isLive(feed),
        get standby() {
          return feed.standby
        },
        prepare: (id) => feed.prepare(id),
      },
      {
        isLive: () => isLive(hls().leg),
        get standby() {
          return hls().standby
        },
        prepare: (id) => hls().prepare(id, listener),
      },
    ]
  }

  #learnt(id: CandidateId, signature: CodecSignature): void {
    const { group, reporter } = this.#options
    this.#compatibility.learnt(id, signature)
    for (const warning of this.#compatibility.takeNewWarnings(group.sources)) reporter.incompatible(warning)
  }
}
