import { isIP } from 'node:net'
import { integer, seconds, string } from './setting.ts'
import type { Setting } from './setting.ts'

const NETWORKS_MAX = 100

/** `10.1.0.0/16, fd00:1::/64` as a list; an address without a prefix is itself. */
const privateNetworks: Setting<readonly string[]> = {
  name: 'TUNNEL_PRIVATE_NETWORKS',
  group: 'tunnels',
  unit: 'networks, separated by commas',
  defaultText: '',
  defaultValue: [],
  doc: 'Private networks in which API keys that are not an admin’s may name endpoints of tunnels. Admins may name any address.',
  parse: (text) => {
    const networks = text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
    const wrong = networks.find((network) => !isNetwork(network))
    if (wrong !== undefined || networks.length > NETWORKS_MAX) {
      throw new Error(
        `must be at most ${NETWORKS_MAX} networks such as 10.1.0.0/16 or fd00:1::/64, separated by commas`,
      )
    }
    return networks
  },
}

function isNetwork(text: string): boolean {
  const [, address = '', prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const family = isIP(address)
  if (family === 0) return false
  return prefix === undefined || Number(prefix) <= (family === 4 ? 32 : 128)
}

export const tunnels = {
  tunnelProbeMs: seconds(
    {
      name: 'TUNNEL_CHECK_SECONDS',
      group: 'tunnels',
      doc: 'How often an endpoint of a tunnel that is unhealthy, or of which nothing is known, is checked.',
    },
    60,
    { minimum: 0.1, maximum: 3600 },
  ),
  tunnelPrivateNetworks: privateNetworks,
  tunnelDomain: string(
    {
      name: 'TUNNEL_DOMAIN',
      group: 'tunnels',
      doc: 'Domain under which tunnels are reached by name too, as `{tunnelId}.tunnels.example.com`; unset: by path alone.',
    },
    '',
    {
      pattern: /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*)?$/,
      allowed: 'empty or a domain in lower case, as tunnels.example.com',
    },
  ),
  maxTunnels: integer(
    { name: 'MAX_TUNNELS', group: 'tunnels', doc: 'Tunnels that can exist, of all owners together.' },
    1_000,
    'tunnels',
    { minimum: 0, maximum: 100_000 },
  ),
} as const
