import { broadcast } from './broadcast-settings.ts'
import { detection } from './detection-settings.ts'
import { failover } from './failover-settings.ts'
import { hls } from './hls-settings.ts'
import { boolean, choice, integer, optionalString, seconds, string } from './setting.ts'
import type { Setting } from './setting.ts'
import { proxy } from './proxy-settings.ts'
import { sourceProcesses } from './source-process-settings.ts'
import { tunnels } from './tunnel-settings.ts'
import { transcode } from './transcode-settings.ts'
import { viewers } from './viewer-settings.ts'

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
  switchesKept: integer(
    { name: 'SWITCHES_KEPT', group: 'events', doc: 'Newest receipts of switches kept, of all streams together.' },
    10_000,
    'receipts',
    { minimum: 100, maximum: 10_000_000 },
  ),
  capturesKept: integer(
    {
      name: 'CAPTURES_KEPT',
      group: 'events',
      doc: 'Newest captures of switches kept in HOLDFAST_DATA_DIR/captures, of all streams that ask for them together.',
    },
    50,
    'captures',
    { minimum: 1, maximum: 100_000 },
  ),
  captureBytesMax: integer(
    { name: 'CAPTURE_BYTES_MAX', group: 'events', doc: 'Most that one capture of a switch may take; the rest is cut.' },
    67_108_864,
    'bytes',
    { minimum: 1_048_576, maximum: 1_073_741_824 },
  ),
} as const

const table = {
  ...server,
  ...access,
  ...sources,
  ...sourceProcesses,
  ...failover,
  ...tunnels,
  ...proxy,
  ...detection,
  ...transcode,
  ...viewers,
  ...hls,
  ...broadcast,
  ...events,
}

type Table = typeof table

/** The gateway's configuration: one value per setting; durations in milliseconds. */
export type Config = { readonly [Key in keyof Table]: Table[Key] extends Setting<infer Value> ? Value : never }

/** Every setting with its key in the configuration, in the order of the documentation. */
export const settings: readonly (readonly [key: string, setting: Setting<unknown>])[] = Object.entries(table)
