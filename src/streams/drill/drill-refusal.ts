import type { DrillChannel, DrillSource } from './drill-channel.ts'
import { modeFacts } from './drill-mode.ts'
import type { DrillRequest } from './drill-mode.ts'

/** Where a drill leads, or why it would be a risk to the channel, in words. */
export type DrillPlan =
  { readonly kind: 'go'; readonly to: number } | { readonly kind: 'refused'; readonly reason: string }

/**
 * Judges a drill by what is known without touching anything. Throws failover_target_unknown for a target that is no
 * source of the stream.
 */
export function planDrill(channel: DrillChannel, request: DrillRequest): DrillPlan {
  const target = request.target === undefined ? undefined : channel.indexOf(request.target)
  const reason = channelRefusal(channel) ?? modeRefusal(channel, request)
  if (reason !== undefined) return { kind: 'refused', reason }
  const step = (channel.onAirIndex + 1) % channel.sources.length
  const byItself = request.mode === 'switch' ? step : channel.nextIndex
  const to = target ?? byItself
  const targetReason = targetRefusal(channel, request, to)
  if (to === undefined || targetReason !== undefined) {
    return { kind: 'refused', reason: targetReason ?? 'there is no other source' }
  }
  return { kind: 'go', to }
}

function channelRefusal(channel: DrillChannel): string | undefined {
  if (channel.sources.length < 2) return 'the stream has no other source'
  switch (channel.phase) {
    case 'idle':
      return 'the stream is not live: nobody watches it and it is not kept open'
    case 'starting':
      return 'the stream is not live: its source is being opened'
    case 'recovering':
      return 'a failover is under way'
    case 'live':
      break
    default:
      channel.phase satisfies never
  }
  if (!channel.isProven) return 'the source on air has not delivered for long enough'
  if (channel.isPinned) return 'the stream is pinned to its source'
  return undefined
}

function modeRefusal(channel: DrillChannel, { mode }: DrillRequest): string | undefined {
  if (mode === 'switch') return undefined
  if (!channel.failsOverByItself) return 'the gateway is configured not to fail over by itself'
  const { conditions, needsTransportStream } = modeFacts[mode]
  if (needsTransportStream && channel.container !== 'mpegts') {
    return `${mode} needs a source of MPEG-TS, this one sends ${channel.container ?? 'something else'}`
  }
  if (conditions.length === 0) return undefined
  const failing = conditions.filter((condition) => channel.actionOf(condition) === 'fail')
  if (failing.length === 0)
    return `nothing would happen: ${conditions.join(' and ')} is not set to fail for this stream`
  if (failing.some((condition) => channel.hasBetterThan(condition))) return undefined
  return `nothing would happen: every other source was left for ${failing.join(' or ')}, or worse, a moment ago`
}

function targetRefusal(channel: DrillChannel, { mode }: DrillRequest, to: number | undefined): string | undefined {
  const source: DrillSource | undefined = to === undefined ? undefined : channel.sources[to]
  if (source === undefined) return 'every other source is known to be worse than the one on air'
  if (to === channel.onAirIndex) return `source ${to} is on air already`
  if (source.health === 'unhealthy') {
    return `source ${to} is unhealthy${source.lastFailureReason === undefined ? '' : ` (${source.lastFailureReason})`}`
  }
  if (mode !== 'switch' && to !== channel.nextIndex) {
    const instead = channel.nextIndex === undefined ? 'nowhere' : `to source ${channel.nextIndex}`
    return `a failure would lead ${instead}, not to source ${to}`
  }
  return undefined
}
