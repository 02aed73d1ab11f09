import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { broadcastApi } from './broadcast/broadcast-api.ts'
import { openBroadcasts } from './broadcast/open-broadcasts.ts'
import type { Config } from './config/settings.ts'
import { eventRoutes } from './events/api.ts'
import type { EventSink } from './events/event.ts'
import { createJournal } from './events/journal.ts'
import { createLiveEvents } from './events/live.ts'
import { openWebhooks } from './events/webhooks.ts'
import { streamPolicy, tunnelPolicy } from './failover/group.ts'
import type { GroupPolicy } from './failover/group.ts'
import { createAccess } from './http/access.ts'
import type { AccessControl } from './http/access.ts'
import { apiKeyRoutes } from './http/api-key-routes.ts'
import { ApiKeys } from './http/api-keys.ts'
import type { ApiKey } from './http/api-keys.ts'
import { resolveApiToken } from './http/api-token.ts'
import type { ResolvedApiToken } from './http/api-token.ts'
import { createMetrics, metricsRoutes } from './http/metrics.ts'
import type { Metrics, MetricSources } from './http/metrics.ts'
import { createServer } from './http/server.ts'
import type { RouteGroup } from './http/server.ts'
import { systemClock } from './lib/clock.ts'
import type { Log } from './lib/log.ts'
import { systemRandom } from './lib/random.ts'
import { keptSecret } from './lib/secret-file.ts'
import { Processes } from './process/processes.ts'
import { ProgramVersions } from './process/program-versions.ts'
import { openSqliteStore } from './store/sqlite.ts'
import type { Store } from './store/store.ts'
import type { GatewayInformation, HealthReport, ProgramVersionsInformation } from './streams/api/api-options.ts'
import { streamApi } from './streams/api/stream-api.ts'
import { drillRoutes } from './streams/api/drill-routes.ts'
import { switchRoutes } from './streams/api/switch-routes.ts'
import { CaptureFiles } from './streams/capture/capture-files.ts'
import { serviceApi } from './proxy/services/api/service-api.ts'
import { openServices } from './proxy/services/open-services.ts'
import { addServiceMetrics } from './proxy/services/service-metrics.ts'
import type { SlateMaker } from './streams/outage.ts'
import { Spill } from './streams/packager/spill.ts'
import { createSlateMaker } from './streams/slate/slate-maker.ts'
import { createSlateRenderer } from './streams/slate/slate-renderer.ts'
import { ConnectionBudget } from './streams/connection-budget.ts'
import { Drills } from './streams/drill/drills.ts'
import { SwitchLog } from './streams/receipts/switch-log.ts'
import { decoderStarter } from './streams/detect/decoder.ts'
import { Decoders } from './streams/detect/decoders.ts'
import { isPublicAddress, publicOnlyLookup } from './streams/sources/address-guard.ts'
import { createHlsTransport } from './streams/hls/upstream/hls-transport.ts'
import { createRemuxTransport } from './streams/sources/remux-transport.ts'
import { transportOf } from './streams/sources/transports.ts'
import type { TransportsOptions } from './streams/sources/transports.ts'
import type { ResolverName } from './streams/sources/resolver-arguments.ts'
import { UrlResolver } from './streams/sources/url-resolver.ts'
import { testConnection } from './streams/sources/connection-test.ts'
import { Streams } from './streams/streams.ts'
import type { StreamsOptions } from './streams/streams.ts'
import { transcodeRoutes } from './transcode/api/transcode-routes.ts'
import { encodersMax, openTranscoding, transcodingInformation } from './transcode/open-transcoding.ts'
import { TranscodedStream } from './transcode/transcoded-stream.ts'
import type { TranscodingContext } from './transcode/transcoded-stream.ts'
import { tunnelApi } from './tunnels/api/tunnel-api.ts'
import { addTunnelMetrics } from './tunnels/data-plane/tunnel-metrics.ts'
import { TunnelTraffic } from './tunnels/data-plane/tunnel-traffic.ts'
import { createHttpProbe, networksMatcher } from './tunnels/probe.ts'
import type { AddressGuard } from './tunnels/probe.ts'
import { TunnelService } from './tunnels/service.ts'

/** The composition root: configuration in, everything wired, and one thing to dispose of. */
export interface Gateway extends AsyncDisposable {
  /** Where it listens. */
  readonly url: string
  /** Reads the file of HOLDFAST_CONFIG again; a wrong one changes nothing. */
  reload(): Promise<void>
}

interface GatewayOptions {
  readonly config: Config
  readonly log: Log
}

const clock = systemClock
const STORE_CHECKED_EVERY_MS = 10_000

/** Starts everything. Throws a HoldfastError when it cannot; what had started by then is ended again. */
export async function startGateway({ config, log }: GatewayOptions): Promise<Gateway> {
  await using starting = new AsyncDisposableStack()
  const version = packageVersion()
  const token = await apiTokenOf(config)
  const { secret } = await keptSecret(join(config.dataDirectory, 'secret'))
  const store = starting.use(await openSqliteStore({ directory: config.dataDirectory, clock, log }))
  const events = starting.use(createJournal({ store, clock, log, keepEvents: config.eventsKept }))
  const webhooks = starting.use(await openWebhooks({ store, journal: events, clock, random: systemRandom, log }))
  const live = starting.use(createLiveEvents({ journal: events, clock, log }))
  const metrics: Metrics = createMetrics({
    ...{ version, includeProcess: true, sources: metricSourcesOf(() => streams) },
    addMore: (registers) => {
      addServiceMetrics(registers, () => proxy.services.list())
      addTunnelMetrics(registers, { tunnels: () => tunnels.service, running: () => traffic.running })
    },
  })
  const [network, policy] = [{ clock }, gatewayPolicy(config)]
  const hall = await openStreams({ config, log, events, metrics, store, secret, network, policy }, starting)
  const { streams, switches, captures, transcoding, processes, transports } = hall
  const broadcasts = starting.use(
    await openBroadcasts({ config, log, clock, store, network, processes, remux: transports.remux }),
  )
  const drills = starting.use(new Drills({ store, clock, log, events, metrics, streams }))
  const tunnels = await openTunnels({ config, log, store, events }, starting)
  const access = createAccess({ ...config, mode: token.mode, secret, keys: tunnels.keys })
  const traffic = starting.use(tunnelTraffic({ config, log, access, tunnels }))
  const proxy = starting.use(
    await openServices({ config, host: token.host, store, events, access, clock, random: systemRandom, log }),
  )
  const health = starting.use(watchStore(store))
  const defaults = { ...config, requireResolver: (name: ResolverName) => transports.resolver.requireAvailable(name) }
  const server = starting.use(
    await createServer({
      ...{ access, clock, log, version, direct: traffic },
      ...{ rootPath: config.rootPath, documents: config, trustProxy: config.trustProxy },
      groups: [
        streamApi({
          ...{ streams, access, clock, version, rootPath: config.rootPath, defaults },
          health: () => health.report(),
          information: () => informationOf(config, policy, transcoding),
          programVersions: versionsOf(processes, transports),
          testConnection: async (url) => testConnection(url, config.userAgent, network),
        }),
        transcodeRoutes({ streams, transcoding, access, defaults, userAgent: config.userAgent }),
        broadcastApi({ broadcasts, sourceProtocols: config.sourceProtocols }),
        switchRoutes({ streams, switches, captures }),
        drillRoutes({ streams, drills }),
        ...tunnels.groups,
        serviceApi({ services: proxy.services, clock }),
        eventRoutes({ journal: events, webhooks, live }),
        metricsRoutes(metrics),
      ],
    }),
  )
  const url = await server.listen({ host: token.host, port: config.port })
  log.info('gateway_access', token.message)
  log.info('gateway_listening', `Holdfast ${version} is listening on ${url}`, { url, version })
  const running = starting.move()
  return {
    url,
    reload: async () => proxy.reload(),
    [Symbol.asyncDispose]: async () => {
      // First, so that viewers' connections and drills end cleanly instead of holding the server up.
      drills[Symbol.dispose]()
      traffic[Symbol.dispose]()
      await streams[Symbol.asyncDispose]()
      await running.disposeAsync()
    },
  }
}

async function apiTokenOf({ apiToken, host, apiAuth, dataDirectory }: Config): Promise<ResolvedApiToken> {
  return resolveApiToken({
    ...{ configuredToken: apiToken, host, isAuthOff: apiAuth === 'off', directory: dataDirectory },
  })
}

interface StreamParts extends GatewayOptions, Pick<StreamsOptions, 'events' | 'metrics' | 'store' | 'secret'> {
  readonly network: StreamsOptions['network']
  readonly policy: GroupPolicy
}

interface StreamsHall {
  readonly streams: Streams
  readonly switches: SwitchLog
  readonly captures: CaptureFiles
  readonly transcoding: TranscodingContext
  readonly processes: Processes
  readonly transports: TransportsOptions
}

/** The streams as they were, and what they work with. */
async function openStreams(parts: StreamParts, starting: AsyncDisposableStack): Promise<StreamsHall> {
  const { config, log, store } = parts
  const switches = starting.use(new SwitchLog({ store, clock, log, receiptsKept: config.switchesKept }))
  const captures = starting.use(await openCaptures(config, log))
  const processes = starting.use(newProcesses(parts))
  const transcoding = await openTranscoding(config, processes)
  const remux = createRemuxTransport({ processes, fileDirectories: config.sourceFileDirectories })
  const resolver = openResolver(config, processes)
  const transports = { protocols: config.sourceProtocols, hls: createHlsTransport, remux, resolver }
  const spill = openSpill(config, log)
  if (spill !== undefined) starting.use(spill)
  const streams = starting.use(
    new Streams({
      ...{ ...parts, clock, defaults: config, limits: config, random: systemRandom },
      ...{ budget: new ConnectionBudget(), decoders: openDecoders(config, log, processes) },
      transportOf: (url, wishes) => transportOf(url, wishes, transports),
      ...{
        slates: slateMaker(config, log, processes),
        captures,
        spill,
        recordSwitch: (receipt) => switches.record(receipt),
      },
      ...{ streamsMax: config.maxStreams, viewersMax: config.maxViewers },
      viewersPerStreamMax: config.maxViewersPerStream,
      createTranscoded: (options) => new TranscodedStream(options, transcoding),
    }),
  )
  await streams.restore()
  return { streams, switches, captures, transcoding, processes, transports }
}

/** The gateway's children; those that an earlier run left behind are ended. */
function newProcesses({ config, log }: GatewayOptions): Processes {
  const directory = join(config.dataDirectory, 'processes')
  const { sourceProcessesMax: source, broadcastsMax: broadcast, resolversMax: resolver } = config
  const limits = { transcoder: encodersMax(config), source, broadcast, resolver }
  return new Processes({ directory, clock, log, limits })
}

function openResolver(config: Config, processes: Processes): UrlResolver {
  return new UrlResolver({
    ...{ processes, clock, directory: join(config.dataDirectory, 'resolver') },
    isEnabled: { streamlink: config.streamlinkEnabled, ytdlp: config.ytdlpEnabled },
    ...{ timeoutMs: config.resolverTimeoutMs, runsMax: config.resolversMax },
  })
}

function openSpill({ hlsSpill, hlsSpillBytesMax, dataDirectory }: Config, log: Log): Spill | undefined {
  if (!hlsSpill) return undefined
  return new Spill({ directory: join(dataDirectory, 'hls'), bytesMax: hlsSpillBytesMax, log })
}

interface TunnelParts extends GatewayOptions {
  readonly store: Store
  readonly events: EventSink
}

interface OpenTunnels {
  readonly service: TunnelService
  readonly guard: AddressGuard
  readonly keys: ApiKeys
  readonly groups: readonly RouteGroup[]
}

/** Tunnels, and the API keys by which their owners are told apart. */
async function openTunnels(parts: TunnelParts, starting: AsyncDisposableStack): Promise<OpenTunnels> {
  const { config } = parts
  const isOpened = networksMatcher(config.tunnelPrivateNetworks)
  const allows = (ip: string) => isPublicAddress(ip) || isOpened(ip)
  const guard = { allows, lookup: publicOnlyLookup(undefined, allows) }
  const probe = starting.use(createHttpProbe({ clock, guard }))
  const policy = tunnelPolicyOf(config)
  const service = starting.use(
    new TunnelService({
      ...{ ...parts, clock, random: systemRandom, policy, probe, guard },
      tunnelsMax: config.maxTunnels,
    }),
  )
  await service.restore()
  const keys = await openApiKeys(parts)
  return { service, guard, keys, groups: [tunnelApi({ tunnels: service, clock }), apiKeyRoutes({ keys, clock })] }
}

interface TrafficParts extends GatewayOptions {
  readonly access: AccessControl
  readonly tunnels: OpenTunnels
}

function tunnelTraffic({ config, log, access, tunnels: { service, guard } }: TrafficParts): TunnelTraffic {
  const places = { rootPath: config.rootPath, domain: config.tunnelDomain }
  return new TunnelTraffic({
    ...{ tunnels: service, guard, access, places, clock, random: systemRandom, log },
    ...{ pseudonym: config.proxyPseudonym, isForwardedTrusted: config.trustProxy },
  })
}

async function openApiKeys({ store, log }: TunnelParts): Promise<ApiKeys> {
  const shelf = {
    list: async () => store.list('api_keys'),
    put: async (id: string, key: ApiKey) => store.put('api_keys', id, { ...key }),
    delete: async (id: string) => store.delete('api_keys', id),
  }
  return ApiKeys.open({ shelf, clock, log })
}

/** Bad news is kept for three checks, so that an endpoint does not come back before anybody has looked. */
function tunnelPolicyOf({ tunnelProbeMs: intervalMs }: Config): GroupPolicy {
  const { health, probe } = tunnelPolicy
  const coolDownMs = Math.max(health.coolDownMs, 3 * intervalMs)
  return { ...tunnelPolicy, health: { ...health, coolDownMs }, probe: { ...probe, intervalMs } }
}

function informationOf(
  { userAgent, viewerStallMs, graceMs }: Config,
  { immediateAttempts }: GroupPolicy,
  context: TranscodingContext,
): GatewayInformation {
  const transcoding = transcodingInformation(context)
  return { userAgent, viewerStallMs, graceMs, maxRetries: immediateAttempts, transcoding }
}

function versionsOf(processes: Processes, { resolver }: TransportsOptions): () => Promise<ProgramVersionsInformation> {
  const programs = new ProgramVersions(processes)
  return async () => {
    const [ffmpeg, streamlink, ytdlp] = await Promise.all([
      programs.of('ffmpeg', ['-version']),
      resolver.version('streamlink'),
      resolver.version('ytdlp'),
    ])
    return { ffmpeg, streamlink, ytdlp }
  }
}

function openCaptures({ dataDirectory, capturesKept, captureBytesMax }: Config, log: Log): Promise<CaptureFiles> {
  return CaptureFiles.open({ directory: join(dataDirectory, 'captures'), capturesKept, captureBytesMax, log })
}

function metricSourcesOf(streams: () => Streams): MetricSources {
  return {
    streams: () => streams().list().length,
    streamsActive: () =>
      streams()
        .list()
        .filter(({ isActive }) => isActive).length,
    viewers: () => streams().viewerCount,
    upstreamConnections: () => streams().totals.upstreamConnections,
    bytesSent: () => streams().totals.bytesServed,
    bytesReceived: () => streams().totals.bytesReceived,
  }
}

function gatewayPolicy({ maxRetries, maxFailoverAttempts, maxSwitches }: Config): GroupPolicy {
  const immediateAttempts = maxFailoverAttempts > 0 ? maxFailoverAttempts : maxRetries
  return { ...streamPolicy, automaticFailover: immediateAttempts > 0, immediateAttempts, switchesMax: maxSwitches }
}

function slateMaker({ dataDirectory }: Config, log: Log, processes: Processes): SlateMaker {
  const renderer = createSlateRenderer({ directory: join(dataDirectory, 'slates'), processes, clock, log })
  return createSlateMaker({ renderer, clock, log })
}

function openDecoders({ decodersMax: processesMax }: Config, log: Log, processes: Processes): Decoders {
  return new Decoders({ processesMax, clock, log, start: decoderStarter(processes) })
}

interface StoreWatch extends Disposable {
  report(): HealthReport
}

/** Reads from the store now and then: a gateway that cannot remember is not healthy. */
function watchStore(store: Store): StoreWatch {
  let problem: string | undefined
  let timer = clock.schedule(STORE_CHECKED_EVERY_MS, check)
  function check(): void {
    store.get('secrets', 'health').then(
      () => {
        problem = undefined
      },
      () => {
        problem = 'the store does not answer'
      },
    )
    timer = clock.schedule(STORE_CHECKED_EVERY_MS, check)
  }
  return {
    report: () => ({ isHealthy: problem === undefined, problems: problem === undefined ? [] : [problem] }),
    [Symbol.dispose]: () => timer.cancel(),
  }
}

function packageVersion(): string {
  const file = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  // Our own file, whose version is a string.
  return (JSON.parse(file) as { version: string }).version
}
