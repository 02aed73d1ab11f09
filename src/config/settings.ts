import { boolean, choice, integer, optionalString, seconds, string } from './setting.ts'
import type { Setting } from './setting.ts'

const path = { pattern: /^(\/[\w./-]{0,200})?$/, allowed: 'empty or a path that begins with /' }

const server = {
  host: optionalString({
    name: 'HOST',
    group: 'server',
    doc: 'Address to listen on. Unset: 127.0.0.1, or 0.0.0.0 once API_TOKEN is set. Another address without API_TOKEN makes the gateway generate a token, keep it in the data directory and print it once.',
  }),
  port: integer({ name: 'PORT', group: 'server', doc: 'TCP port; 0 lets the system choose.' }, 8085, 'port', {
    minimum: 0,
    maximum: 65_535,
  }),
  rootPath: string(
    { name: 'ROOT_PATH', group: 'server', doc: 'Every route answers here too, beside the root.' },
    '/m3u-proxy',
    path,
  ),
  docsUrl: string({ name: 'DOCS_URL', group: 'server', doc: 'Where the API page is; empty for none.' }, '/docs', path),
  redocUrl: string(
    { name: 'REDOC_URL', group: 'server', doc: 'Leads to the API page; empty for none.' },
    '/redoc',
    path,
  ),
  openapiUrl: string(
    { name: 'OPENAPI_URL', group: 'server', doc: 'Where the OpenAPI document is; empty for none.' },
    '/openapi.json',
    path,
  ),
  logLevel: choice(
    { name: 'LOG_LEVEL', group: 'server', doc: 'The least severe level that is logged.' },
    ['debug', 'info', 'warn', 'warning', 'error', 'silent'],
    'info',
  ),
  logFormat: choice(
    { name: 'LOG_FORMAT', group: 'server', doc: 'One event a line, for people (text) or machines (json).' },
    ['text', 'json'],
    'text',
  ),
  dataDirectory: string(
    { name: 'HOLDFAST_DATA_DIR', group: 'server', doc: 'Where the embedded store and generated secrets live.' },
    'data',
    { pattern: /^[^\r\n\0]{1,1024}$/, allowed: 'a directory' },
  ),
} as const

const access = {
  apiToken: optionalString({
    name: 'API_TOKEN',
    group: 'access',
    doc: 'Token of the operator API: `Authorization: Bearer`, `X-API-Token` or `?api_token=`.',
  }),
  apiAuth: choice(
    { name: 'API_AUTH', group: 'access', doc: 'off: no token is asked for, wherever the gateway listens.' },
    ['on', 'off'],
    'on',
  ),
  requireViewerToken: boolean(
    { name: 'REQUIRE_VIEWER_TOKEN', group: 'access', doc: 'Viewers need the token that a stream was created with.' },
    false,
  ),
  trustProxy: boolean(
    { name: 'TRUST_PROXY', group: 'access', doc: 'Believe X-Forwarded-For; only behind a proxy that sets it.' },
    false,
  ),
  maxStreams: integer({ name: 'MAX_STREAMS', group: 'access', doc: 'Streams that may exist.' }, 5_000, 'streams', {
    minimum: 1,
    maximum: 100_000,
  }),
  maxViewers: integer(
    { name: 'MAX_VIEWERS', group: 'access', doc: 'Viewers served at once; one more is answered 503.' },
    10_000,
    'viewers',
    { minimum: 1, maximum: 1_000_000 },
  ),
  maxViewersPerStream: integer(
    { name: 'MAX_CLIENTS_PER_SHARED_STREAM', group: 'access', doc: 'Viewers of one stream at once; 0: no limit.' },
    0,
    'viewers',
    { minimum: 0, maximum: 1_000_000 },
  ),
} as const

const sources = {
  userAgent: string(
    { name: 'DEFAULT_USER_AGENT', group: 'sources', doc: 'Sent to sources when a stream names none.' },
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/115.0.0.0 Safari/537.36',
  ),
  connectTimeoutMs: seconds(
    { name: 'DEFAULT_CONNECTION_TIMEOUT', group: 'sources', doc: 'Time for a source to accept a connection.' },
    30,
    { minimum: 0.05, maximum: 3600 },
  ),
  readTimeoutMs: seconds(
    {
      name: 'DEFAULT_READ_TIMEOUT',
      group: 'sources',
      doc: 'Time for the only source left to answer, and the longest silence within its answer before it counts as failed where nothing stricter applies (VOD).',
    },
    300,
    { minimum: 0.05, maximum: 86_400 },
  ),
  firstByteTimeoutMs: seconds(
    {
      name: 'FIRST_BYTE_TIMEOUT_SECONDS',
      group: 'sources',
      doc: 'Time for a source to connect and send its first media while another source is left to try.',
    },
    5,
    { minimum: 0.05, maximum: 3600 },
  ),
  stallFloorMs: seconds(
    {
      name: 'LIVE_STALL_FLOOR_SECONDS',
      group: 'sources',
      doc: 'Shortest silence of a live source that counts as a stall. The silence waited for adapts to how bursty the source has been, from this floor up to LIVE_CHUNK_TIMEOUT_SECONDS.',
    },
    1,
    { minimum: 0.05, maximum: 3600 },
  ),
  stallCeilingMs: seconds(
    {
      name: 'LIVE_CHUNK_TIMEOUT_SECONDS',
      group: 'sources',
      doc: 'Longest silence of a live source that is ever tolerated, however bursty it has been.',
    },
    15,
    { minimum: 0.05, maximum: 3600 },
  ),
  keyframeWaitMs: seconds(
    {
      name: 'KEYFRAME_WAIT_SECONDS',
      group: 'sources',
      doc: 'How long a new source may take from its first media to its first keyframe before the switch goes ahead without one.',
    },
    10,
    { minimum: 0, maximum: 60 },
  ),
  vodReadTimeoutMs: seconds(
    { name: 'VOD_READ_TIMEOUT', group: 'sources', doc: 'Longest silence of a VOD source while its viewer is reading.' },
    30,
    { minimum: 0.05, maximum: 86_400 },
  ),
  useStickySession: boolean(
    { name: 'USE_STICKY_SESSION', group: 'sources', doc: 'Default of use_sticky_session (keep a redirected address).' },
    false,
  ),
  strictLiveTs: boolean(
    { name: 'STRICT_LIVE_TS', group: 'sources', doc: 'Default of strict_live_ts: accept MPEG-TS only, ignore Range.' },
    false,
  ),
} as const

const failover = {
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
  maxSwitches: integer(
    { name: 'MAX_SWITCHES_PER_MINUTE', group: 'failover', doc: 'Automatic switches of one stream in a minute.' },
    20,
    'switches',
    { minimum: 1, maximum: 1_000 },
  ),
} as const

/** What to do about a condition of a source; docs/DETECTION.md has them with their thresholds. */
function action(condition: string, defaultAction: 'fail' | 'warn'): Setting<'fail' | 'warn' | 'off'> {
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

const detection = {
  detectNoVideo: action('no_video', 'fail'),
  detectScrambled: action('scrambled', 'fail'),
  detectPcrStalled: action('pcr_stalled', 'fail'),
  detectPtsStalled: action('pts_stalled', 'fail'),
  detectNoAudio: action('no_audio', 'fail'),
  detectTablesMissing: action('tables_missing', 'fail'),
  detectTransportErrors: action('transport_errors', 'fail'),
  detectContinuityErrors: action('continuity_errors', 'fail'),
  detectSlowerThanRealTime: action('slower_than_real_time', 'fail'),
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
} as const

const viewers = {
  graceMs: seconds(
    {
      name: 'SHARED_STREAM_GRACE',
      group: 'viewers',
      doc: 'How long a source stays connected after its last viewer left.',
    },
    3,
    { minimum: 0, maximum: 86_400 },
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

const events = {
  eventsKept: integer(
    { name: 'EVENTS_KEPT', group: 'events', doc: 'Newest events kept in the journal.' },
    100_000,
    'events',
    {
      minimum: 100,
      maximum: 100_000_000,
    },
  ),
} as const

const table = { ...server, ...access, ...sources, ...failover, ...detection, ...viewers, ...events }

type Table = typeof table

/** The gateway's configuration: one value per setting; durations in milliseconds. */
export type Config = { readonly [Key in keyof Table]: Table[Key] extends Setting<infer Value> ? Value : never }

/** Every setting with its key in the configuration, in the order of the documentation. */
export const settings: readonly (readonly [key: string, setting: Setting<unknown>])[] = Object.entries(table)
