import type { EventSink } from '../events/event.ts'
import type { GroupPolicy } from '../failover/group.ts'
import type { Log } from '../lib/log.ts'
import { CONDITIONS } from '../streams/detect/conditions.ts'
import type { ActionChoice } from '../streams/detect/conditions.ts'
import type { StreamRequest } from '../streams/service.ts'
import type { StreamLimits } from '../streams/stream-context.ts'
import type { StreamMemory } from '../streams/stream-counters.ts'

/**
 * A stream that is encoded anew is two: one that takes in its sources, with all that belongs to failover, and one whose
 * only source is the encoder, for viewers. This is what each of them is asked for.
 */

/** The address of the encoder as a source. */
const ENCODER_URL = 'pipe:encoder'
/** So long the encoder may be silent before its viewers are told so by a slate or null packets. */
const ENCODER_SILENCE_MS = 10_000
/** An encoder that is given nothing yet waits for so long at least. */
const ENCODER_WAIT_MS = 60_000

export function inputRequest(request: StreamRequest): StreamRequest {
  const { transcode: _, drill: __, ...asked } = request
  return { ...asked, keepOpen: false, outputDelayMs: 0 }
}

export function outputRequest(request: StreamRequest): StreamRequest {
  const { transcode: _, drill: __, failoverResolverUrl: ___, resolver: ____, ...asked } = request
  return {
    ...asked,
    url: ENCODER_URL,
    failoverUrls: [],
    sources: [{ url: ENCODER_URL, priority: 0, weight: 1, headers: {} }],
    headers: {},
    useStickySession: false,
    seamless: true,
    strictLiveTs: false,
    silence: {},
    // What is wrong with the pictures is the sources' doing, and looked for there.
    detect: Object.fromEntries(CONDITIONS.map((condition) => [condition, 'off'])) satisfies ActionChoice,
    standby: 'cold',
    failback: { ...request.failback, kind: 'off' },
    capture: false,
  }
}

export function outputLimits(limits: StreamLimits, encoderStartMs: number): StreamLimits {
  return {
    ...limits,
    stallFloorMs: Math.max(limits.stallFloorMs, ENCODER_SILENCE_MS),
    stallCeilingMs: Math.max(limits.stallCeilingMs, ENCODER_SILENCE_MS),
    readTimeoutMs: Math.max(limits.readTimeoutMs, ENCODER_WAIT_MS),
    startTimeoutMs: limits.startTimeoutMs + encoderStartMs,
  }
}

/** There is one encoder, which is started again for as long as somebody watches: no circuit opens, no wait grows long. */
export function outputPolicy(policy: GroupPolicy): GroupPolicy {
  return {
    ...policy,
    breaker: { ...policy.breaker, failureThreshold: Number.MAX_SAFE_INTEGER },
    backoff: { ...policy.backoff, maxMs: Math.min(policy.backoff.maxMs, 2_000) },
  }
}

/** What both remember is kept as if they were one. */
export function outputMemory(memory: StreamMemory | undefined): StreamMemory | undefined {
  return memory === undefined ? undefined : { ...memory, group: { ...memory.group, resolvedUrls: [] } }
}

export function inputMemory(memory: StreamMemory | undefined): StreamMemory | undefined {
  if (memory === undefined) return undefined
  const { hls: _, ...kept } = memory
  return { ...kept, bytesServed: 0 }
}

/** Of sources and switches the input tells, with the viewers that the output has. */
export function inputEvents(events: EventSink, viewerCount: () => number): EventSink {
  return {
    emit: (type, streamId, data) => {
      if (type === 'stream_started' || type === 'stream_stopped' || type === 'stream_failed') return
      events.emit(type, streamId, 'client_count' in data ? { ...data, client_count: viewerCount() } : data)
    },
  }
}

/** … and nothing of what the output tells too. */
export function inputLog(log: Log): Log {
  return {
    ...log,
    info: (event, message, fields) => {
      if (event !== 'stream_started' && event !== 'stream_stopped') log.info(event, message, fields)
    },
  }
}

/** Of the stream and its viewers the output tells. */
export function outputEvents(events: EventSink, currentUrl: () => string): EventSink {
  return {
    emit: (type, streamId, data) => {
      if (type === 'failover_triggered' || type === 'switch_completed' || type.startsWith('source_')) return
      events.emit(type, streamId, 'url' in data ? { ...data, url: currentUrl() } : data)
    },
  }
}

/** Of a ladder the programme that carries all renditions: no slate could be made that fits into it. */
export function programmeRequest(request: StreamRequest): StreamRequest {
  return { ...request, slate: { ...request.slate, isOn: false } }
}

/** One rendition of it, which is there as long as somebody watches it. */
export function renditionRequest(request: StreamRequest): StreamRequest {
  return { ...programmeRequest(request), keepOpen: false, outputDelayMs: 0 }
}

/** Of its viewers it tells, and the programme of the rest. */
export function renditionEvents(events: EventSink, viewerCount: () => number): EventSink {
  return {
    emit: (type, streamId, data) => {
      if (!type.startsWith('client_')) return
      events.emit(type, streamId, 'client_count' in data ? { ...data, client_count: viewerCount() } : data)
    },
  }
}

export function renditionLog(log: Log): Log {
  const isOwn = (event: string) => event.startsWith('client_') || event.startsWith('viewer_')
  return {
    ...log,
    info: (event, message, fields) => {
      if (isOwn(event)) log.info(event, message, fields)
    },
    warn: (event, message, fields) => {
      if (isOwn(event)) log.warn(event, message, fields)
    },
  }
}
