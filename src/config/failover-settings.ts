import { choice, integer, optionalString, seconds } from './setting.ts'

export const failover = {
  maxRetries: integer(
    {
      name: 'DEFAULT_MAX_RETRIES',
      group: 'failover',
      doc: 'Failover attempts of one incident that follow each other at once; later ones wait, longer each time. 0: never fail over by itself.',
    },
    3,
    'attempts',
    { minimum: 0, maximum: 1_000 },
  ),
  maxFailoverAttempts: integer(
    { name: 'MAX_FAILOVER_ATTEMPTS', group: 'failover', doc: 'When above 0, used in place of DEFAULT_MAX_RETRIES.' },
    0,
    'attempts',
    { minimum: 0, maximum: 1_000 },
  ),
  startTimeoutMs: seconds(
    {
      name: 'STREAM_TOTAL_TIMEOUT',
      group: 'failover',
      doc: 'How long a viewer of a stream that cannot start waits for an answer before it is told 502, 503 or 504.',
    },
    30,
    { minimum: 0.1, maximum: 3600 },
  ),
  viewerHoldMs: seconds(
    {
      name: 'VIEWER_HOLD_SECONDS',
      group: 'failover',
      doc: 'How long viewers are kept while no source delivers anything, before their connections end cleanly.',
    },
    60,
    { minimum: 0, maximum: 86_400 },
  ),
  standby: choice(
    {
      name: 'STANDBY',
      group: 'failover',
      doc: 'How the next source of a stream is kept ready where the stream does not say: connected when it is needed, verified at intervals, or received all the time.',
    },
    ['cold', 'warm', 'hot'],
    'cold',
  ),
  standbyCheckMs: seconds(
    {
      name: 'STANDBY_CHECK_SECONDS',
      group: 'failover',
      doc: 'How often a warm standby is verified: connected, looked into, closed.',
    },
    60,
    { minimum: 1, maximum: 86_400 },
  ),
  region: optionalString({
    name: 'REGION',
    group: 'failover',
    doc: 'Where this gateway is; among sources of equal priority those of the same region come first, and a service with the geographic strategy begins there.',
  }),
  failback: choice(
    {
      name: 'FAILBACK',
      group: 'failover',
      doc: 'Going back to a better source that has recovered, where a stream does not say: never, by itself, or watched for the operator to decide.',
    },
    ['off', 'auto', 'manual'],
    'off',
  ),
  failbackProbationMs: seconds(
    {
      name: 'FAILBACK_PROBATION_SECONDS',
      group: 'failover',
      doc: 'How long a recovered source is observed to be healthy before it is gone back to.',
    },
    30,
    { minimum: 0, maximum: 86_400 },
  ),
  failbackHoldDownMs: seconds(
    {
      name: 'FAILBACK_HOLD_DOWN_SECONDS',
      group: 'failover',
      doc: 'No failback so long after a switch; doubles each time that one did not last five minutes, up to half an hour.',
    },
    60,
    { minimum: 0, maximum: 86_400 },
  ),
  probeIntervalMs: seconds(
    {
      name: 'FAILBACK_CHECK_SECONDS',
      group: 'failover',
      doc: 'How often a better source is looked at for failback.',
    },
    10,
    { minimum: 0.2, maximum: 3600 },
  ),
  maxSwitches: integer(
    { name: 'MAX_SWITCHES_PER_MINUTE', group: 'failover', doc: 'Automatic switches of one stream in a minute.' },
    20,
    'switches',
    { minimum: 1, maximum: 1_000 },
  ),
} as const
