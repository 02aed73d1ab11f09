import { boolean, integer, optionalString, seconds } from './setting.ts'

export const viewers = {
  outputDelayMs: integer(
    {
      name: 'OUTPUT_DELAY_MS',
      group: 'viewers',
      doc: 'Viewers get everything so much later, where a stream does not say; with a hot standby a failure then leaves no gap.',
    },
    0,
    'milliseconds',
    { minimum: 0, maximum: 10_000 },
  ),
  slate: boolean(
    {
      name: 'SLATE',
      group: 'viewers',
      doc: 'Show a slate when no source delivers, where a stream does not say. It needs ffmpeg to be made.',
    },
    true,
  ),
  slateAfterMs: seconds(
    { name: 'SLATE_AFTER_SECONDS', group: 'viewers', doc: 'Silence after which the slate is shown.' },
    3,
    { minimum: 0, maximum: 3600 },
  ),
  slateHoldMs: seconds(
    {
      name: 'SLATE_HOLD_SECONDS',
      group: 'viewers',
      doc: 'How long viewers are kept when they see a slate; without one it is VIEWER_HOLD_SECONDS.',
    },
    3600,
    { minimum: 0, maximum: 604_800 },
  ),
  slateFile: optionalString({
    name: 'SLATE_FILE',
    group: 'viewers',
    doc: 'A video or picture to show as the slate. Unset: a card with SLATE_TEXT.',
  }),
  slateText: optionalString({
    name: 'SLATE_TEXT',
    group: 'viewers',
    doc: 'Text of the built-in card. Unset: "We will be right back".',
  }),
  graceMs: seconds(
    {
      name: 'SHARED_STREAM_GRACE',
      group: 'viewers',
      doc: 'How long a source stays connected after its last viewer left.',
    },
    3,
    { minimum: 0, maximum: 86_400 },
  ),
  hlsClientIdleMs: seconds(
    {
      name: 'HLS_CLIENT_TIMEOUT_SECONDS',
      group: 'viewers',
      doc: 'A player of HLS that has asked for nothing for so long has left.',
    },
    30,
    { minimum: 5, maximum: 3600 },
  ),
  bufferBytesMax: integer(
    { name: 'STREAM_BUFFER_BYTES', group: 'viewers', doc: 'Media kept per stream for joining and slow viewers.' },
    8_388_608,
    'bytes',
    { minimum: 1_048_576, maximum: 1_073_741_824 },
  ),
  bufferMsMax: seconds(
    {
      name: 'STREAM_BUFFER_SECONDS',
      group: 'viewers',
      doc: 'Media older than this is let go before STREAM_BUFFER_BYTES is reached; never the latest keyframe.',
    },
    15,
    { minimum: 1, maximum: 3600 },
  ),
  viewerStallMs: seconds(
    {
      name: 'LIVE_TV_WRITE_TIMEOUT',
      group: 'viewers',
      doc: 'A live viewer that takes no byte for this long is dropped.',
    },
    120,
    { minimum: 1, maximum: 86_400 },
  ),
  vodViewerStallMs: seconds(
    {
      name: 'VOD_WRITE_TIMEOUT',
      group: 'viewers',
      doc: 'A VOD viewer that takes no byte for this long (a paused player) is dropped.',
    },
    14_400,
    { minimum: 1, maximum: 86_400 },
  ),
} as const
