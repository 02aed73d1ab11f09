import { boolean, choice, decimal, integer, seconds } from './setting.ts'
import type { Setting } from './setting.ts'

/** What to do about a condition of a source; docs/DETECTION.md has them with their thresholds. */
function action(condition: string, defaultAction: 'fail' | 'warn' | 'off'): Setting<'fail' | 'warn' | 'off'> {
  return choice(
    {
      name: `DETECT_${condition.toUpperCase()}`,
      group: 'detection',
      doc: `What to do about \`${condition}\` where a stream does not say: leave the source, tell, or not look.`,
    },
    ['fail', 'warn', 'off'],
    defaultAction,
  )
}

export const detection = {
  detectNoVideo: action('no_video', 'fail'),
  detectScrambled: action('scrambled', 'fail'),
  detectPcrStalled: action('pcr_stalled', 'fail'),
  detectPtsStalled: action('pts_stalled', 'fail'),
  detectNoAudio: action('no_audio', 'fail'),
  detectTablesMissing: action('tables_missing', 'fail'),
  detectTransportErrors: action('transport_errors', 'fail'),
  detectContinuityErrors: action('continuity_errors', 'fail'),
  detectIncompleteSegment: action('incomplete_segment', 'fail'),
  detectSlowerThanRealTime: action('slower_than_real_time', 'fail'),
  detectBlack: action('black', 'off'),
  detectFrozen: action('frozen', 'off'),
  detectSilent: action('silent', 'off'),
  detectLowBitRate: action('low_bitrate', 'warn'),
  detectNoKeyframe: action('no_keyframe', 'fail'),
  detectSignatureChanged: action('signature_changed', 'warn'),
  detectLooping: action('looping', 'warn'),
  bitRateMonitoring: boolean(
    {
      name: 'ENABLE_BITRATE_MONITORING',
      group: 'detection',
      doc: 'A source below MIN_BITRATE_THRESHOLD fails with `low_bitrate`.',
    },
    false,
  ),
  bitRateMin: integer(
    {
      name: 'MIN_BITRATE_THRESHOLD',
      group: 'detection',
      doc: 'Least video and audio of a source, without padding.',
    },
    62_500,
    'bytes a second',
    { minimum: 0, maximum: 1_000_000_000 },
  ),
  bitRateCheckIntervalMs: seconds(
    {
      name: 'BITRATE_CHECK_INTERVAL',
      group: 'detection',
      doc: 'Over which the bit rate is taken; longer for a source whose bursts are further apart.',
    },
    5,
    { minimum: 0.1, maximum: 3600 },
  ),
  bitRateIntervalsMax: integer(
    {
      name: 'BITRATE_FAILOVER_THRESHOLD',
      group: 'detection',
      doc: 'Intervals below the minimum in a row until the source fails.',
    },
    3,
    'intervals',
    { minimum: 1, maximum: 1_000 },
  ),
  bitRateGraceMs: seconds(
    {
      name: 'BITRATE_MONITORING_GRACE_PERIOD',
      group: 'detection',
      doc: 'After its first media a source is not measured for this long.',
    },
    10,
    { minimum: 0, maximum: 3600 },
  ),
  decodersMax: integer(
    {
      name: 'DECODERS_MAX',
      group: 'detection',
      doc: 'Sources that are decoded at once for `black`, `frozen` and `silent`, one ffmpeg each; more are not looked at. 0: none.',
    },
    4,
    'processes',
    { minimum: 0, maximum: 1_000 },
  ),
  silenceDetection: boolean(
    {
      name: 'ENABLE_SILENCE_DETECTION',
      group: 'detection',
      doc: 'A silent source fails with `silence_detected`, where a stream does not say. It needs ffmpeg.',
    },
    false,
  ),
  silenceThresholdDb: decimal(
    { name: 'SILENCE_THRESHOLD_DB', group: 'detection', doc: 'Sound below this level is silence.' },
    -50,
    'dBFS',
    { minimum: -99, maximum: 0 },
  ),
  silenceDurationMs: seconds(
    {
      name: 'SILENCE_DURATION',
      group: 'detection',
      doc: 'A check finds silence when the sound has been silent for this long.',
    },
    3,
    { minimum: 0.1, maximum: 3600 },
  ),
  silenceCheckIntervalMs: seconds(
    { name: 'SILENCE_CHECK_INTERVAL', group: 'detection', doc: 'Media between two checks.' },
    10,
    { minimum: 0.1, maximum: 3600 },
  ),
  silenceChecksMax: integer(
    {
      name: 'SILENCE_FAILOVER_THRESHOLD',
      group: 'detection',
      doc: 'Checks in a row that find silence until the source fails.',
    },
    3,
    'checks',
    { minimum: 1, maximum: 1_000 },
  ),
  silenceGraceMs: seconds(
    {
      name: 'SILENCE_MONITORING_GRACE_PERIOD',
      group: 'detection',
      doc: 'Of a source that has just been opened so much is not checked.',
    },
    15,
    { minimum: 0, maximum: 3600 },
  ),
} as const
