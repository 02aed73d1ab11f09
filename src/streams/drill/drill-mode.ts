import type { Condition } from '../detect/conditions.ts'

/**
 * What a drill does to the source on air. `switch`: by hand to another; the rest look like a failure to everything behind
 * the source's connection, which itself is not touched.
 */
export const DRILL_MODES = [
  'switch',
  'reset',
  'stall',
  'not_media',
  'no_video',
  'no_audio',
  'continuity_errors',
  'frozen_timestamps',
] as const

export type DrillMode = (typeof DRILL_MODES)[number]

export type FailureMode = Exclude<DrillMode, 'switch'>

interface ModeFacts {
  /** What is rehearsed, for people. */
  readonly title: string
  /** Any of these has to be set to `fail` for the failure to be noticed; none: it always is. */
  readonly conditions: readonly Condition[]
  /** It changes packets, so the source has to send MPEG-TS. */
  readonly needsTransportStream: boolean
}

export const modeFacts: Readonly<Record<DrillMode, ModeFacts>> = {
  switch: { title: 'a switch by hand', conditions: [], needsTransportStream: false },
  reset: { title: 'the source resets its connection', conditions: [], needsTransportStream: false },
  stall: { title: 'the source falls silent', conditions: [], needsTransportStream: false },
  not_media: { title: 'the source sends a web page', conditions: [], needsTransportStream: false },
  no_video: { title: 'the source loses its video', conditions: ['no_video'], needsTransportStream: true },
  no_audio: { title: 'the source loses its audio', conditions: ['no_audio'], needsTransportStream: true },
  continuity_errors: {
    title: 'the source loses packets',
    conditions: ['continuity_errors'],
    needsTransportStream: true,
  },
  frozen_timestamps: {
    title: 'the clocks of the source stand still',
    conditions: ['pcr_stalled', 'pts_stalled'],
    needsTransportStream: true,
  },
}

/** What is asked for: the body of POST /streams/{streamId}/drill. */
export interface DrillRequest {
  readonly mode: DrillMode
  /** Where to go: an index (0 the primary) or a URL of the stream; by default where the stream would go by itself. */
  readonly target?: number | string
  /** How long the other source stays on air. */
  readonly stayMs: number
  /** Goes back to the source that was on air. */
  readonly returns: boolean
  /** Who asked. */
  readonly by: string
}

export const STAY_SECONDS_DEFAULT = 5
export const STAY_SECONDS_MAX = 300
