import type { Answer, Fault } from '../test/lab/fault.ts'
import type { FaultOrigin } from '../test/lab/fault-origin.ts'
import type { HlsFault } from '../test/lab/hls-fault.ts'
import type { HlsOrigin } from '../test/lab/hls-origin.ts'

/** How a source comes to a player. */
export type Way =
  /** An HLS source's own playlists and segments, passed on. */
  | 'proxied'
  /** A continuous source, cut into segments. */
  | 'packaged'
  /** An HLS source as one continuous body. */
  | 'continuous'

/** What befalls the stream while it is played. */
export type Strike<Origin> =
  | { readonly kind: 'origin'; readonly strike: (primary: Origin) => void | Promise<void> }
  /** The primary is a process of its own and is killed. */
  | { readonly kind: 'kill_9' }
  | { readonly kind: 'manual' }
  /** The primary has failed; it comes back, and failback is on. */
  | { readonly kind: 'failback' }

export interface HlsFaultRow<Origin> {
  readonly name: string
  readonly act: Strike<Origin>
  /** Fields of the stream's creation. */
  readonly stream?: Readonly<Record<string, unknown>>
  /** What it does may be so little that no other source is needed. */
  readonly mayStay?: boolean
  /** Another source is waited for for so long; 30 s by default. */
  readonly deadlineMs?: number
}

const origin = (name: string, strike: (primary: HlsOrigin) => void): HlsFaultRow<HlsOrigin> => ({
  name,
  act: { kind: 'origin', strike },
})
const playlist = (name: string, fault: HlsFault) => origin(`playlist: ${name}`, (it) => (it.playlistFault = fault))
const segment = (name: string, fault: HlsFault) => origin(`segments: ${name}`, (it) => (it.segmentFault = fault))

/** For each connection; the lab's programme takes about 90 kB/s. */
const SLOW_BYTES_PER_SECOND = 20_000
const SLOW_DEADLINE_MS = 60_000
const FAILBACK = { failback: { mode: 'auto', probation_seconds: 1, hold_down_seconds: 1 } } as const

function withHotStandby<Origin>(row: HlsFaultRow<Origin>): HlsFaultRow<Origin> {
  return { ...row, name: `${row.name}, hot standby`, stream: { standby: 'hot' } }
}

const byCommand = [
  { name: 'manual failover', act: { kind: 'manual' } },
  { name: 'failback to the primary', act: { kind: 'failback' }, stream: FAILBACK },
] as const

/** Faults of HLS sources, whether they are passed on or made one continuous body. */
export const hlsSourceRows: readonly HlsFaultRow<HlsOrigin>[] = [
  { name: 'kill -9 of the origin', act: { kind: 'kill_9' } },
  origin('every request reset', (it) => {
    it.playlistFault = { kind: 'reset' }
    it.segmentFault = { kind: 'reset' }
  }),
  playlist('404', { kind: 'status', status: 404 }),
  playlist('500', { kind: 'status', status: 500 }),
  playlist('no answer', { kind: 'never_answer' }),
  playlist('a web page', { kind: 'html' }),
  origin('playlist: stands still', (it) => it.setFrozen(true)),
  { ...origin('playlist: media sequence begins anew', (it) => it.resetSequence()), mayStay: true },
  origin('playlist: EXT-X-ENDLIST', (it) => (it.isEnded = true)),
  segment('404', { kind: 'status', status: 404 }),
  segment('stop in the middle', { kind: 'stall', afterBytes: 20_000 }),
  segment('broken off', { kind: 'truncated', share: 0.5 }),
  {
    ...segment('half missing, unnoticed by HTTP', { kind: 'truncated', share: 0.5, isTold: true }),
    mayStay: true,
  },
  segment('a web page', { kind: 'html' }),
  {
    ...segment('at a quarter of the rate of the programme', { kind: 'slow', bytesPerSecond: SLOW_BYTES_PER_SECOND }),
    deadlineMs: SLOW_DEADLINE_MS,
  },
  ...[
    { name: 'kill -9 of the origin', act: { kind: 'kill_9' } } as const,
    playlist('404', { kind: 'status', status: 404 }),
    playlist('no answer', { kind: 'never_answer' }),
    origin('playlist: stands still', (it) => it.setFrozen(true)),
    segment('404', { kind: 'status', status: 404 }),
    segment('stop in the middle', { kind: 'stall', afterBytes: 20_000 }),
    { name: 'manual failover', act: { kind: 'manual' } } as const,
  ].map(withHotStandby),
  ...byCommand,
]

const live = (name: string, fault: Fault, answer?: Answer): HlsFaultRow<FaultOrigin> => ({
  name,
  act: {
    kind: 'origin',
    strike: (it) => {
      if (answer !== undefined) it.answer = answer
      it.inject(fault)
    },
  },
})
const ANSWER_404: Answer = { kind: 'status', status: 404 }
const ANSWER_HTML: Answer = { kind: 'body', contentType: 'text/html', body: '<!doctype html><title>Busy</title>' }

/** Faults of continuous sources that are cut into segments. */
export const tsSourceRows: readonly HlsFaultRow<FaultOrigin>[] = [
  { name: 'kill -9 of the origin', act: { kind: 'kill_9' } },
  live('reset', { kind: 'reset', aligned: false }),
  live('ends, then 404', { kind: 'end' }, ANSWER_404),
  live('ends, then a web page', { kind: 'end' }, ANSWER_HTML),
  live('silence', { kind: 'silence' }),
  withHotStandby(live('silence', { kind: 'silence' })),
  live('noise in place of packets', { kind: 'garbage' }),
  ...byCommand,
]
