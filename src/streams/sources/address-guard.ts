import { lookup as systemLookup } from 'node:dns'
import { BlockList, isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import { ADDRESS_FORBIDDEN_CODE } from './http-failure.ts'

/** What the IANA special-purpose registry (RFC 6890) keeps from being reachable everywhere, with multicast. */
const SPECIAL_IPV4 = subnets('ipv4', [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // Azure's metadata and resolver address: in the public range, but only ever the machine's own cloud.
  '168.63.129.16/32',
])

/** All that is global unicast (RFC 4291 §2.4); within it the parts that are special all the same. */
const GLOBAL_IPV6 = subnets('ipv6', ['2000::/3'])
const SPECIAL_IPV6 = subnets('ipv6', ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'])

/** IPv6 forms that hold an IPv4 address in their last 32 bits: mapped (RFC 4291 §2.5.5.2) and NAT64 (RFC 6052 §2.1). */
const HOLDS_IPV4 = /^\[(?:::ffff:|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/

function subnets(family: 'ipv4' | 'ipv6', list: readonly string[]): BlockList {
  const blockList = new BlockList()
  for (const subnet of list) {
    const [address = '', prefix = ''] = subnet.split('/')
    blockList.addSubnet(address, Number(prefix), family)
  }
  return blockList
}

/**
 * Whether an IP address is one that the whole internet reaches. False for private, loopback, link-local, multicast,
 * reserved and cloud metadata addresses, also inside an IPv6 address, and for text that is not an IP address.
 */
export function isPublicAddress(ip: string): boolean {
  const bare = ip.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '')
  const family = isIP(bare)
  if (family === 0) return false
  if (family === 4) return !SPECIAL_IPV4.check(bare, 'ipv4')
  const embedded = HOLDS_IPV4.exec(new URL(`http://[${bare}]/`).hostname)
  if (embedded !== null) return isPublicAddress(toIpv4(embedded[1], embedded[2]))
  return GLOBAL_IPV6.check(bare, 'ipv6') && !SPECIAL_IPV6.check(bare, 'ipv6')
}

function toIpv4(high = '0', low = '0'): string {
  const word = parseInt(high, 16) * 65_536 + parseInt(low, 16)
  return [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255].join('.')
}

/** The error for an address that a host named by upstream content may not lead to. */
export function addressForbidden(hostname: string): Error {
  const text = `${hostname} is not a public address, and the operator did not name that host`
  return Object.assign(new Error(text), { code: ADDRESS_FORBIDDEN_CODE })
}

/**
 * Name resolution that keeps only public addresses (or those that `isAllowed` allows), and fails when none is left. The addresses it lets through are
 * those that are then connected to, so a name that changes its mind between a check and a connection gains nothing.
 */
export function publicOnlyLookup(
  lookup: LookupFunction = systemLookup,
  isAllowed: (ip: string) => boolean = isPublicAddress,
): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, answer) => {
      if (error !== null) {
        callback(error, '', 0)
        return
      }
      const all = typeof answer === 'string' ? [{ address: answer, family: isIP(answer) }] : answer
      const allowed = all.filter(({ address }) => isAllowed(address))
      const first = allowed[0]
      if (first === undefined) callback(addressForbidden(hostname), '', 0)
      else if (options.all === true) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }
}
