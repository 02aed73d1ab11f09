import { boolean, integer, seconds } from './setting.ts'

/** Broadcasts: programmes that are played one after another as one HLS channel. */
export const broadcast = {
  broadcastsMax: integer(
    { name: 'BROADCASTS_MAX', group: 'broadcasts', doc: 'Broadcasts that may run at once, each with an ffmpeg.' },
    16,
    'processes',
    { minimum: 0, maximum: 10_000 },
  ),
  broadcastStartRetries: integer(
    {
      name: 'BROADCAST_MAX_START_RETRIES',
      group: 'broadcasts',
      doc: 'How often an ffmpeg that fails is started again within BROADCAST_START_RETRY_WINDOW before the broadcast counts as failed.',
    },
    3,
    'times',
    { minimum: 0, maximum: 1_000 },
  ),
  broadcastRetryWindowMs: seconds(
    {
      name: 'BROADCAST_START_RETRY_WINDOW',
      group: 'broadcasts',
      doc: 'Failures are counted over this time.',
    },
    300,
    { minimum: 1, maximum: 86_400 },
  ),
  broadcastStartGraceMs: seconds(
    {
      name: 'BROADCAST_START_FAILURE_GRACE',
      group: 'broadcasts',
      doc: 'The longest that a request to start waits to learn whether it worked.',
    },
    3,
    { minimum: 0, maximum: 60 },
  ),
  broadcastCallbackTimeoutMs: seconds(
    { name: 'BROADCAST_CALLBACK_TIMEOUT', group: 'broadcasts', doc: 'Time for one attempt at a callback.' },
    3,
    { minimum: 0.1, maximum: 60 },
  ),
  broadcastGcEnabled: boolean(
    {
      name: 'BROADCAST_GC_ENABLED',
      group: 'broadcasts',
      doc: 'Remove the files of a broadcast that has ended an hour ago, unless it is a recording (dvr_mode).',
    },
    true,
  ),
  broadcastDvrBytesMax: integer(
    {
      name: 'BROADCAST_DVR_BYTES',
      group: 'broadcasts',
      doc: 'Most that one recording (dvr_mode) may take on disk; it ends there.',
    },
    107_374_182_400,
    'bytes',
    { minimum: 1_048_576, maximum: 1_000_000_000_000_000 },
  ),
} as const
