import { healthOf, standbyOf } from '../failover/group.ts'
import type { CandidateId, CandidateSpec, GroupEffect, GroupEvent, GroupPolicy } from '../failover/group.ts'
import { GroupRunner } from '../failover/group-runner.ts'
import type { GroupMemory } from '../failover/group-runner.ts'
import type { Clock } from '../lib/clock.ts'
import { HoldfastError } from '../lib/errors.ts'
import type { Random } from '../lib/random.ts'
import type { Condition } from './detect/conditions.ts'
import { KnownConditions } from './detect/known-conditions.ts'
import { conditionOf } from './detect/policy.ts'
import { askResolver } from './resolver.ts'
import type { SourceSnapshot, StreamRequest } from './service.ts'
import type { SessionFailure } from './sources/session.ts'
import { streamPolicyOf } from './stream-policy.ts'
import type { StreamLimits } from './stream-context.ts'
import { sourcesOf } from './sources/source-list.ts'
import type { Source } from './sources/source-list.ts'

/**
 * The failover group of one stream, and the list of sources behind its candidates, including those that a resolver names.
 */
export interface StreamGroupOptions {
  readonly request: StreamRequest
  readonly memory: StreamGroupMemory | undefined
  /** Of the gateway; what the stream asks for comes on top. */
  readonly policy: GroupPolicy
  readonly limits: Pick<StreamLimits, 'probeIntervalMs' | 'standbyCheckMs'>
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
  /** Acts on what the engine decided; the engine's own timer is already taken care of. */
  readonly act: (effect: StreamEffect) => void
  /** Everything that followed from an event is done. */
  readonly onSettled?: () => void
}

/** What is left to the stream. */
export type StreamEffect = Exclude<GroupEffect, { kind: 'arm_timer' | 'cancel_timer' | 'request_refused' }>

/** Plain JSON data. */
export interface StreamGroupMemory extends GroupMemory {
  readonly resolvedUrls: readonly string[]
}

const RESOLVER_TIMEOUT_MS = 10_000
/** With static failover URLs to fall back on, the resolver has to be quicker. */
const RESOLVER_TIMEOUT_WITH_FALLBACK_MS = 2_000

export class StreamGroup {
  readonly #options: StreamGroupOptions
  readonly #lastFailures = new Map<CandidateId, { readonly failure: SessionFailure; readonly wallMs: number }>()
  readonly #conditions = new KnownConditions()
  #request: StreamRequest
  #policy: GroupPolicy
  #resolvedUrls: readonly string[]
  #sources: readonly Source[]
  /** Those that the latest change of the list removed: the switch away from one of them is still to be told. */
  #removed: readonly Source[] = []
  readonly #runner: GroupRunner
  /** Why the engine refused what was last asked by hand. */
  #refusal: string | undefined

  constructor(options: StreamGroupOptions) {
    const { request, memory } = options
    this.#options = options
    this.#request = request
    this.#policy = streamPolicyOf(options.policy, request, options.limits)
    this.#resolvedUrls = memory?.resolvedUrls ?? []
    this.#sources = sourcesOf(request, this.#resolvedUrls)
    const { clock, random: chance, onSettled } = options
    this.#runner = new GroupRunner({
      candidates: specsOf(this.#sources),
      ...{ memory, clock, chance },
      policy: () => this.#policy,
      act: (effects) => this.#act(effects),
      ...(onSettled === undefined ? {} : { onSettled }),
    })
  }

  get sources(): readonly Source[] {
    return this.#sources
  }

  get resolvedUrls(): readonly string[] {
    return this.#resolvedUrls
  }

  get epoch(): number {
    return this.#runner.state.epoch
  }

  get hasAlternative(): boolean {
    return this.#sources.length > 1 || this.#request.failoverResolverUrl !== undefined
  }

  /** Whether another source is there that is not known to be bad, or a resolver that may name one. */
  get hasUsableAlternative(): boolean {
    return this.#hasAlternativeBut(new Set())
  }

  /** The same, of those that were not themselves left for this condition, or a worse one, a while ago. */
  hasBetterThan(condition: Condition): boolean {
    return this.#hasAlternativeBut(this.#conditions.noBetterThan(condition, this.#options.clock.nowMs()))
  }

  /** Who would take over if the source on air failed now. */
  get standby(): CandidateId | undefined {
    return standbyOf(this.#runner.state, this.#options.clock.nowMs(), this.#policy)
  }

  /** Only one source is allowed, by an operator's wish. */
  get isPinned(): boolean {
    return this.#runner.state.pin !== null
  }

  /** The source on air was chosen by a person. */
  get isByHand(): boolean {
    return this.#runner.state.onAir?.byHand ?? false
  }

  /** Whether the source on air has delivered for the policy's stable time, so that no incident is left. */
  get isProven(): boolean {
    return this.#runner.state.onAir?.stable === true && this.#runner.state.incident === null
  }

  get memory(): StreamGroupMemory {
    return { ...this.#runner.memory, resolvedUrls: this.#resolvedUrls }
  }

  /** The source on air, or the one that would be if somebody watched. */
  get current(): Source {
    const id = this.#runner.state.onAir?.id ?? this.#runner.state.resume?.id
    return this.#sources.find((source) => source.candidateId === id) ?? this.#primary()
  }

  source(id: CandidateId): Source {
    return [...this.#sources, ...this.#removed].find((source) => source.candidateId === id) ?? this.#primary()
  }

  dispatch(event: GroupEvent): void {
    this.#runner.dispatch(event)
  }

  /** Remembers why a source failed, then tells the engine; a resolver, where there is one, is asked first. */
  failed(id: CandidateId, epoch: number, failure: SessionFailure): void {
    const { reason, evidence, isRehearsal } = failure
    const played: GroupEvent = { kind: 'candidate_failed', id, epoch, reason, evidence }
    if (isRehearsal === true) {
      this.dispatch({ ...played, isRehearsal })
      return
    }
    const condition = conditionOf(reason)
    const nowMs = this.#options.clock.nowMs()
    const avoid = condition === undefined ? [] : [...this.#conditions.noBetterThan(condition, nowMs)]
    const event: GroupEvent = { ...played, avoid }
    this.#conditions.failed(id, reason, nowMs)
    this.#lastFailures.set(id, { failure, wallMs: this.#options.clock.wallMs() })
    if (this.#request.failoverResolverUrl === undefined) {
      this.dispatch(event)
      return
    }
    void this.resolve(failure.reason, failure.status).then(() => this.dispatch(event))
  }

  /** A source that stands by has failed, and is not gone to for what it failed of. */
  standbyFailed(id: CandidateId, reason: string): void {
    this.#conditions.failed(id, reason, this.#options.clock.nowMs())
  }

  /** The latest failure of each source that has failed, by its index. */
  failures(): ReadonlyMap<number, SessionFailure> {
    return new Map(
      this.#sources.flatMap((source) => {
        const last = this.#lastFailures.get(source.candidateId)
        return last === undefined ? [] : [[source.index, last.failure] as const]
      }),
    )
  }

  forgetFailures(): void {
    this.#lastFailures.clear()
  }

  update(request: StreamRequest): void {
    this.#request = request
    this.#policy = streamPolicyOf(this.#options.policy, request, this.#options.limits)
    this.#setSources(this.#resolvedUrls, undefined)
  }

  /** The source that an operator names by index (0 the primary) or URL. Throws failover_target_unknown. */
  target(named: number | string): Source {
    const found = this.#sources.find(({ index, url }) => index === named || url === named)
    if (found !== undefined) return found
    throw new HoldfastError(
      'failover_target_unknown',
      `target ${JSON.stringify(named)} is not a source of this stream; allowed are an index from 0 to ${this.#sources.length - 1} or one of its URLs`,
    )
  }

  /**
   * One step in order (or to where the resolver says), or to `target`: an index or URL. Returns the source chosen.
   * Throws no_failover_configured, failover_target_unknown, failover_failed.
   */
  async switchByHand(target: number | string | undefined, by: string): Promise<Source> {
    if (!this.hasAlternative) {
      throw new HoldfastError('no_failover_configured', 'No failover URLs configured for this stream')
    }
    const source = target === undefined ? await this.resolve('manual', undefined) : this.target(target)
    if (source === undefined && this.#sources.length < 2) {
      throw new HoldfastError('failover_failed', 'Failover failed - no working failover URLs available')
    }
    const named = source === undefined ? {} : { target: source.candidateId }
    this.#refusal = undefined
    this.dispatch({ kind: 'switch_requested', by, reason: 'manual', ...named })
    if (this.#refusal === undefined) return this.#movedTo(source)
    throw new HoldfastError('failover_failed', `Failover failed - ${String(this.#refusal).replaceAll('_', ' ')}`)
  }

  /** Where the stream is now. Throws failover_failed when `wanted` has failed already, as for want of a connection. */
  #movedTo(wanted: Source | undefined): Source {
    const { current } = this
    if (wanted === undefined || wanted.candidateId === current.candidateId) return current
    const why = this.#lastFailures.get(wanted.candidateId)?.failure.message ?? 'could not be opened'
    throw new HoldfastError('failover_failed', `Failover failed - source ${wanted.index} ${why}`)
  }

  /** Asks the resolver for the next URL and makes it the next in order. Undefined when it has none. */
  async resolve(reason: string, statusCode: number | undefined): Promise<Source | undefined> {
    const resolverUrl = this.#request.failoverResolverUrl
    if (resolverUrl === undefined) return undefined
    const { signal } = this.#options
    const current = this.current
    const timeoutMs = this.#request.failoverUrls.length > 0 ? RESOLVER_TIMEOUT_WITH_FALLBACK_MS : RESOLVER_TIMEOUT_MS
    const answer = await askResolver(
      resolverUrl,
      {
        currentUrl: current.url,
        metadata: this.#request.metadata,
        currentFailoverIndex: current.index - 1,
        statusCode,
        reason,
      },
      { timeoutMs, signal },
    )
    if (answer.kind === 'none' || signal.aborted) return undefined
    // The one on air stays in the list until the new one has taken over; older answers of the resolver go.
    const kept = this.#resolvedUrls.filter((url) => url === this.current.url && url !== answer.url)
    this.#setSources([...kept, answer.url], answer.url)
    return this.#sources.find(({ url }) => url === answer.url)
  }

  sourceSnapshots(
    isOnAir: boolean,
  ): readonly Omit<SourceSnapshot, 'standby' | 'conditions' | 'unmonitored' | 'signature'>[] {
    const { clock } = this.#options
    const current = this.current
    return this.#sources.map((source) => {
      const health = healthOf(this.#runner.state, source.candidateId, clock.nowMs(), this.#policy)
      const last = this.#lastFailures.get(source.candidateId)
      return {
        ...source,
        onAir: isOnAir && source === current,
        health: health.health,
        failures: health.failures,
        lastFailureReason: last?.failure.reason,
        lastFailureWallMs: last?.wallMs,
      }
    })
  }

  #hasAlternativeBut(excluded: ReadonlySet<CandidateId>): boolean {
    if (this.#request.failoverResolverUrl !== undefined) return true
    const current = this.current
    const nowMs = this.#options.clock.nowMs()
    return this.#sources.some((source) => {
      if (source === current || excluded.has(source.candidateId)) return false
      return healthOf(this.#runner.state, source.candidateId, nowMs, this.#policy).health !== 'unhealthy'
    })
  }

  /** `nextUrl` is moved right behind the source on air, so that the engine's order goes there next. */
  #setSources(resolvedUrls: readonly string[], nextUrl: string | undefined): void {
    this.#resolvedUrls = resolvedUrls
    const former = this.#sources
    this.#sources = sourcesOf(this.#request, resolvedUrls)
    this.#removed = former.filter(({ candidateId: id }) => !this.#sources.some((source) => source.candidateId === id))
    const known = new Set([...this.#sources, ...this.#removed].map(({ candidateId: id }) => id))
    for (const id of this.#lastFailures.keys()) if (!known.has(id)) this.#lastFailures.delete(id)
    const current = this.current
    const next = this.#sources.find(({ url }) => url === nextUrl && url !== current.url)
    const ordered = next === undefined ? this.#sources : this.#sources.filter((source) => source !== next)
    const specs = specsOf(
      ordered.flatMap((source) => (source === current && next !== undefined ? [source, next] : [source])),
    )
    this.dispatch({ kind: 'candidates_changed', candidates: specs })
  }

  #primary(): Source {
    const primary = this.#sources[0]
    if (primary === undefined) throw new HoldfastError('internal_error', 'a stream without a source')
    return primary
  }

  #act(effects: readonly GroupEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'request_refused') this.#refusal = effect.reason
      else if (effect.kind !== 'arm_timer' && effect.kind !== 'cancel_timer') this.#options.act(effect)
    }
  }
}

function specsOf(sources: readonly Source[]): readonly CandidateSpec[] {
  return sources.map(({ candidateId, priority, weight, region }) => ({
    id: candidateId,
    priority,
    weight,
    ...(region === undefined ? {} : { region }),
  }))
}
