import { format, resolveConfig } from 'prettier'
import { settings } from '../src/config/settings.ts'
import { settingsWithoutEffect } from '../src/config/settings-without-effect.ts'
import type { Setting, SettingGroup } from '../src/config/setting.ts'
import { errorCodes, HoldfastError } from '../src/lib/errors.ts'
import type { ErrorCode } from '../src/lib/errors.ts'
import { detectionPage } from './detection-page.ts'
import { logPage } from './log-page.ts'

/** The pages of docs/ that are made of tables in the code, by path. */
export const generatedPages: Readonly<Record<string, () => string>> = {
  'docs/CONFIGURATION.md': configurationPage,
  'docs/DETECTION.md': detectionPage,
  'docs/ERRORS.md': errorsPage,
  'docs/LOGS.md': logPage,
}

/** The text that a generated page should have, formatted as the repository's Prettier would. */
export async function renderPage(path: string): Promise<string> {
  const page = generatedPages[path]
  if (page === undefined)
    throw new Error(`${path} is not generated; it is one of ${Object.keys(generatedPages).join(', ')}`)
  return format(page(), { ...(await resolveConfig(path)), parser: 'markdown' })
}

const NOTICE = '<!-- Made from the code by `npm run docs`; edits here are lost. -->'

const groupTitles: Readonly<Record<SettingGroup, string>> = {
  server: 'Server',
  access: 'Access and limits',
  sources: 'Sources',
  failover: 'Failover',
  tunnels: 'Tunnels',
  proxy: 'Reverse proxy',
  detection: 'Detection',
  transcoding: 'Transcoding',
  viewers: 'Viewers',
  hls: 'HLS',
  broadcasts: 'Broadcasts',
  events: 'Events',
}

function configurationPage(): string {
  const groups = Object.entries(groupTitles).map(([group, title]) => {
    const rows = settings.filter(([, setting]) => setting.group === group).map(([, setting]) => settingRow(setting))
    return [`## ${title}`, '', '| variable | default | unit | what it does |', '|---|---|---|---|', ...rows, ''].join(
      '\n',
    )
  })
  const ignored = Object.entries(settingsWithoutEffect).map(([name, reason]) => `| \`${name}\` | ${cell(reason)} |`)
  return `${NOTICE}

# Configuration

Everything is set by environment variables and read once, at the start. Nothing has to be set. A variable that is empty
counts as unset. When a value is wrong the gateway lists every problem, with what is allowed, and exits with code 2.

Names and meanings follow m3u-proxy where it has the same setting, so an existing environment can be kept.

${groups.join('\n')}
## Variables of m3u-proxy without effect here

They are accepted. The gateway logs each one that is set (\`setting_without_effect\`), so that nobody believes in a setting
that does nothing.

| variable | why |
|---|---|
${ignored.join('\n')}
`
}

function settingRow(setting: Setting<unknown>): string {
  const initial = setting.defaultText === '' ? 'unset' : `\`${setting.defaultText}\``
  return `| \`${setting.name}\` | ${cell(initial)} | ${cell(setting.unit)} | ${cell(setting.doc)} |`
}

/** What each code means and what to do about it; the type makes it as complete as the registry. */
const errorMeanings = {
  invalid_request: 'A field is missing, of the wrong type or out of range. `detail` names each with what is allowed.',
  malformed_body: 'The body is not what its Content-Type says, for example broken JSON.',
  body_too_large: 'The body is longer than the limit.',
  unauthorized: 'The route needs the API token and none was sent.',
  forbidden: 'The token that was sent is not the right one, or its role or share does not allow this.',
  host_not_allowed: 'Without a token the gateway answers only to loopback names, and the Host header named another.',
  stream_not_found: 'There is no stream of that id. Streams survive a restart, so it was deleted or never made.',
  client_not_found: 'No viewer of that id is connected.',
  hls_not_found: 'No playlist of this stream names it, or it has left the window of what is kept.',
  rendition_not_found: 'The stream has no rendition of this number; 0 is the best one.',
  hls_not_available: 'This stream cannot be had as HLS; the detail says why.',
  hls_invalid_request: '_HLS_msn or _HLS_part is no number, or asks for a segment that is absurdly far ahead.',
  transcode_profile_unknown: 'There is no transcoding profile of this name; the detail lists those that there are.',
  transcode_profile_invalid:
    'The profile or a variable of it holds something that is not allowed; the detail says what.',
  transcode_raw_arguments_refused: 'Arguments of ffmpeg in place of a profile need an operator and TRANSCODE_RAW_ARGS.',
  transcode_limit: 'As many transcodings run as TRANSCODES_MAX allows.',
  transcode_unavailable: 'There is no ffmpeg on the PATH of the gateway.',
  webhook_not_found: 'No webhook is registered for that URL.',
  tunnel_not_found: 'There is no tunnel of that id, or it is neither yours nor shared with you.',
  tunnel_exists: 'You have a tunnel of that name already.',
  tunnel_busy: 'The tunnel has as many requests under way as its `maxConnections` allows. Ask again, or raise it.',
  tunnel_not_running: 'The tunnel was stopped; start it again.',
  endpoint_not_found: 'The tunnel has no endpoint of that id.',
  endpoint_address_forbidden:
    "A key that is not an admin's named a private address outside TUNNEL_PRIVATE_NETWORKS as an endpoint.",
  no_endpoints: 'The tunnel has no endpoint, or this request has tried all of them.',
  missing_endpoint_id: 'The body has no endpointId.',
  invalid_endpoint_id: 'endpointId is not a UUID.',
  invalid_tunnel_id: 'The id of a tunnel is a UUID, and this is none.',
  invalid_config: "A field of the tunnel's configuration is of the wrong type or out of range.",
  invalid_permission: 'A share is for read, write or admin.',
  share_not_found: 'The tunnel is not shared with that user.',
  api_key_not_found: 'There is no API key of that id, or it is not yours.',
  quota_exceeded: 'A limit is reached: MAX_TUNNELS, the tunnels or API keys of an owner, or the shares of a tunnel.',
  service_not_found: 'There is no service of that id.',
  service_exists: 'There is a service of that id already; PUT replaces it.',
  service_read_only: 'The service is declared in the file of HOLDFAST_CONFIG: change it there.',
  service_route_taken: 'Another enabled service has the same route, or the same listener with other certificates.',
  service_disabled: 'The request is for a service that is disabled.',
  ambiguous_path: 'The path of a request for a service has dot segments: two readers may take it for two resources.',
  listener_unavailable: 'A service wants to listen where nobody can: the port is taken, or not allowed.',
  route_not_found: 'There is no such route, and no service that takes the request.',
  no_failover_configured: 'A manual failover was asked of a stream that has neither failover URLs nor a resolver.',
  failover_target_unknown: 'The target of a manual failover or a drill is neither an index nor a URL of the stream.',
  drill_refused: 'The drill would put the channel at risk, or prove nothing; `detail` says why. Nothing was done.',
  drill_not_found: 'The stream was never drilled.',
  capture_not_found:
    'There is no capture of this switch: not yet, not any more, or the stream does not ask for captures.',
  range_not_satisfiable: 'The byte range lies beyond the end of the file.',
  resolver_disabled: 'The stream asks for a resolver that STREAMLINK_ENABLED or YTDLP_ENABLED turns off.',
  resolver_unavailable: 'The stream asks for a resolver whose program is not installed on the machine of the gateway.',
  broadcast_not_found: 'There is no broadcast of that network, or it has no such playlist or segment (any more).',
  broadcast_failed: 'The broadcast could not be started; the detail says why.',
  broadcast_limit: 'As many broadcasts run as BROADCASTS_MAX allows.',
  too_many_viewers: 'MAX_VIEWERS or MAX_CLIENTS_PER_SHARED_STREAM is reached.',
  too_many_streams: 'MAX_STREAMS is reached.',
  not_implemented_yet: 'What is asked for belongs to m3u-proxy and comes in a later release.',
  upstream_unreachable: 'No source could be reached: connection refused, name not found, TLS failure.',
  upstream_refused: 'Every source answered with an error status.',
  upstream_not_media: 'Every source answered 200 with something that is not media, such as an HTML page.',
  upstream_ended: 'Every source ended before it delivered media.',
  upstream_timeout: 'No source delivered media in time.',
  upstream_address_forbidden: 'A source led to a private address on a host that the operator did not name.',
  endpoint_unreachable: 'No endpoint of a service or tunnel could be reached: refused, name not found, TLS failure.',
  endpoint_broken: 'The answer of an endpoint never began, broke off or could not be read, and no other gave one.',
  endpoint_timeout: 'No endpoint of a service or tunnel answered in time.',
  no_endpoint_usable:
    'A service or tunnel has no endpoint that may be used: all circuits are open, or none is enabled.',
  endpoints_busy: 'Every usable endpoint has as many requests as its `maxConcurrency`.',
  connect_not_supported: 'A request with the method CONNECT.',
  loop_detected: 'An endpoint of a service or tunnel leads back to the gateway: the request has been here eight times.',
  failover_failed: 'A manual failover was asked for and no source works.',
  store_unavailable: 'The store cannot be read or written: disk full, file locked, shutting down.',
  invalid_configuration: 'An environment variable has a value that is not allowed. The gateway does not start.',
  internal_error: 'A defect in Holdfast. The log has the cause.',
} as const satisfies Record<ErrorCode, string>

function errorsPage(): string {
  const rows = errorCodes.map((code) => {
    const { status, source, retry } = new HoldfastError(code, '')
    return `| \`${code}\` | ${status} | ${source} | ${retry} | ${cell(errorMeanings[code])} |`
  })
  return `${NOTICE}

# Errors

Every error that a client or an operator can see has one of these codes. \`source\` says whose fault it is. \`retry\` says
whether asking again can help: never, on the same upstream, or on another one.

On the m3u-proxy compatible routes the body has that API's own form, \`{"detail": "text"}\`, and for a request that does not
validate \`{"detail": [{"loc": ["body", "url"], "msg": "text", "type": "code"}]}\` with status 422.

Under \`/api\` the body is \`{"error": "text", "code": "TUNNEL_NOT_FOUND", "message": "text"}\`, with the code in capitals;
\`unauthorized\` is called \`AUTH_REQUIRED\` there, \`malformed_body\` \`INVALID_REQUEST\` and \`store_unavailable\`
\`SERVICE_UNAVAILABLE\`, and what does not validate has status 400. Under \`/api/services\`, and where a request of a service
is answered by the gateway itself, it is problem details (RFC 9457).

| code | status | source | retry | what it means |
|---|---|---|---|---|
${rows.join('\n')}
`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
