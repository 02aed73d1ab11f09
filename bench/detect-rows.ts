import type { Fault } from '../test/lab/fault.ts'
import type { FaultOriginOptions } from '../test/lab/fault-origin.ts'
import { alphaPids } from '../test/lab/packet-faults.ts'
import type { PacketFault } from '../test/lab/packet-faults.ts'
import { thresholds as t } from '../src/streams/detect/thresholds.ts'

/** How a condition is brought about, and what it takes to be one. */
export interface DetectRow {
  readonly condition: string
  readonly what: string
  readonly threshold: string
  readonly primary?: Omit<FaultOriginOptions, 'name'>
  /** What befalls the primary; undefined: it is so from its first byte. */
  readonly fault?: Fault
  /** So long the primary is watched before the fault: what the condition learns from. */
  readonly watchedMs: number
  /** Fields of the stream beside `detect`. */
  readonly stream?: Readonly<Record<string, unknown>>
}

const { video, audio, tables, pmt } = alphaPids
/** Longer than any interval of the lab's programmes takes to be known. */
const KNOWN_MS = 6_000
const ms = (value: number) => `${value / 1_000} s`

function packets(
  condition: string,
  what: string,
  threshold: string,
  fault: PacketFault,
  more: Partial<DetectRow> = {},
): DetectRow {
  return { condition, what, threshold, fault: { kind: 'packets', fault }, watchedMs: KNOWN_MS, ...more }
}

function content(condition: string, what: string, threshold: string, otherProgramme: FaultOriginOptions['programme']) {
  return {
    ...{ condition, what, threshold, watchedMs: KNOWN_MS },
    primary: otherProgramme === undefined ? {} : { otherProgramme },
    fault: { kind: 'other_programme' },
  } as const satisfies DetectRow
}

const rateOf = ({ perSecond, secondsInRow }: { perSecond: number; secondsInRow: number }) =>
  `${perSecond} a second, ${secondsInRow} s`

export const detectRows: readonly DetectRow[] = [
  {
    ...{ condition: 'stalled', what: 'nothing comes, the connection is open', threshold: '1 s of silence' },
    ...{ fault: { kind: 'silence' }, watchedMs: KNOWN_MS },
  },
  packets('stalled', 'only padding comes', '1 s without media', { kind: 'padding_only' }),
  packets('no_video', 'video is not sent any more', ms(t.no_video.holdMs), { kind: 'gone', pids: [video] }),
  packets('scrambled', 'video and audio are scrambled', `${t.scrambled.secondsInRow} s`, {
    kind: 'scrambled',
    pids: [video, audio],
  }),
  packets('pcr_stalled', 'the PCR repeats its value', ms(t.pcr_stalled.holdMs), { kind: 'pcr_frozen' }),
  packets('pts_stalled', 'video timestamps repeat theirs', ms(t.pts_stalled.holdMs), {
    kind: 'timestamps_frozen',
    pids: [video],
  }),
  packets('no_audio', 'audio is not sent any more', ms(t.no_audio.holdMs), { kind: 'gone', pids: [audio] }),
  packets('tables_missing', 'PAT and PMT are not sent any more', ms(t.tables_missing.holdMs), {
    kind: 'gone',
    pids: tables,
  }),
  packets('transport_errors', 'every 8th packet is marked as damaged', rateOf(t.transport_errors), {
    kind: 'damaged',
    every: 8,
  }),
  packets('continuity_errors', 'every 8th packet is lost', rateOf(t.continuity_errors), {
    kind: 'lost',
    pids: [video, audio],
    every: 8,
  }),
  {
    ...{ condition: 'slower_than_real_time', what: '0.8 s of media a second from its start', watchedMs: 0 },
    threshold: `below ${t.slower_than_real_time.factorMin}, ${t.slower_than_real_time.windows} × ${ms(t.slower_than_real_time.windowWallMs)}`,
    primary: { pace: { kind: 'slow', factor: 0.8 } },
  },
  content('black', 'the picture turns black', ms(t.black.holdMs), 'alpha_black'),
  content('frozen', 'the picture stands still', ms(t.frozen.holdMs), 'alpha_still'),
  content('silent', 'the sound is digital silence', `−50 dBFS, ${ms(t.silent.holdMs)}`, 'alpha_mute'),
  {
    ...content('silence_detected', 'as above, with m3u-proxy’s checks', '−50 dBFS, 3 checks, 10 s apart', 'alpha_mute'),
    stream: { enable_silence_detection: true },
  },
  packets(
    'low_bitrate',
    'video shrinks to 7 % of the bytes',
    `10 %, ${t.low_bitrate.seconds} s`,
    {
      kind: 'thinned',
      pids: [video, audio],
    },
    {
      primary: { videoKbps: 1_200 },
      watchedMs: (t.low_bitrate.learntSeconds + 4) * 1_000,
      // Of keyframes only the first packet is left, so they are not known as such either.
      stream: { detect: { low_bitrate: 'fail', no_keyframe: 'off' } },
    },
  ),
  packets('no_keyframe', 'no keyframe is sent any more', ms(t.no_keyframe.holdMs), {
    kind: 'keyframes_hidden',
    pid: video,
  }),
  packets('signature_changed', 'AAC is announced in LATM', 'at once', {
    ...{ kind: 'retyped', pmtPid: pmt, pid: audio },
    streamType: 0x11,
  }),
  {
    ...{ condition: 'looping', what: 'eight seconds repeat, from its start', watchedMs: 0 },
    threshold: `${t.looping.repeats} times in a row`,
  },
]
