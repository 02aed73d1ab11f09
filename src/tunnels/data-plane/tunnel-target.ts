import { rootedPath } from '../../http/server.ts'

/** Where a request for a tunnel goes. */
export interface TunnelTarget {
  readonly tunnelId: string
  /** What the endpoint is asked for: path and query in origin form, or `*`. */
  readonly path: string
}

/** Where tunnels are found: below `/t/`, also under ROOT_PATH, and as hosts of a domain; '' for none. */
export interface TunnelPlaces {
  readonly rootPath: string
  readonly domain: string
}

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const BELOW_T = new RegExp(`^/t/(${UUID})(?:([/?].*))?$`, 'i')
const ONE_UUID = new RegExp(`^${UUID}$`, 'i')

/** The tunnel that a request names by its Host or else by its path; undefined for any other request. */
export function tunnelTarget(
  url: string,
  host: string | undefined,
  { rootPath, domain }: TunnelPlaces,
): TunnelTarget | undefined {
  const named = hostTunnel(host, domain)
  if (named !== undefined) return { tunnelId: named, path: url === '*' ? url : rootedPath(url, '') }
  const [, tunnelId, rest = '/'] = BELOW_T.exec(rootedPath(url, rootPath)) ?? []
  if (tunnelId === undefined) return undefined
  return { tunnelId, path: rest.startsWith('?') ? `/${rest}` : rest }
}

function hostTunnel(host: string | undefined, domain: string): string | undefined {
  if (domain === '' || host === undefined) return undefined
  const name = host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '')
  if (!name.endsWith(`.${domain}`)) return undefined
  const label = name.slice(0, -domain.length - 1)
  return ONE_UUID.test(label) ? label : undefined
}
