import { BlockList, isIP } from 'node:net'
import { fieldList, fieldValue } from '../wire/fields.ts'
import type { Fields } from '../wire/fields.ts'
import type { Strategy } from './service-definition.ts'

/** What of a request its endpoint may depend on. */
export interface FactSource {
  readonly path: string
  readonly fields: Fields
  /** IP address of the client, as far as it is believed. */
  readonly clientAddress: string
}

/** What the engine is told of a request. */
export interface RequestFacts {
  /** The same key goes to the same endpoint. */
  readonly key?: string
  readonly region?: string
}

/** Reads from a request what its strategy needs. */
export type FactReader = (request: FactSource) => RequestFacts

const NO_FACTS: RequestFacts = {}

/** `ownRegion` is where this gateway stands; undefined when it was not told. */
export function factReader(strategy: Strategy, ownRegion: string | undefined): FactReader {
  switch (strategy.kind) {
    case 'active_passive':
    case 'priority_weighted':
      return () => NO_FACTS
    case 'active_active':
      return strategy.hash === undefined ? () => NO_FACTS : keyReader(strategy.hash)
    case 'geographic':
      return regionReader(strategy.region, ownRegion)
    default:
      return strategy satisfies never
  }
}

type Hash = NonNullable<Extract<Strategy, { kind: 'active_active' }>['hash']>
type RegionSource = Extract<Strategy, { kind: 'geographic' }>['region']

/** A request without the header or cookie has no key: it goes round with the others. */
function keyReader(hash: Hash): FactReader {
  const read = (request: FactSource): string | undefined => {
    switch (hash.kind) {
      case 'header':
        return fieldList(request.fields, hash.name)
      case 'cookie':
        return cookieValue(request.fields, hash.name)
      case 'path':
        return pathOf(request.path)
      case 'client_address':
        return request.clientAddress === '' ? undefined : request.clientAddress
      default:
        return hash satisfies never
    }
  }
  return (request) => {
    const key = read(request)
    return key === undefined ? NO_FACTS : { key }
  }
}

function pathOf(path: string): string {
  const query = path.indexOf('?')
  return query < 0 ? path : path.slice(0, query)
}

/** The first cookie of that name (RFC 6265 section 5.4); names are told apart by case. */
export function cookieValue(fields: Fields, name: string): string | undefined {
  const cookies = fieldList(fields, 'cookie')
  if (cookies === undefined) return undefined
  for (const pair of cookies.split(/[;,]/)) {
    const at = pair.indexOf('=')
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim()
  }
  return undefined
}

function regionReader(source: RegionSource, ownRegion: string | undefined): FactReader {
  const own: RequestFacts = ownRegion === undefined ? NO_FACTS : { region: ownRegion }
  switch (source.kind) {
    case 'own':
      return () => own
    case 'header':
      return ({ fields }) => {
        const region = fieldValue(fields, source.name)
        return region === undefined || region === '' ? own : { region }
      }
    case 'client_networks': {
      const find = networkFinder(source.networks)
      return ({ clientAddress }) => {
        const region = find(clientAddress)
        return region === undefined ? own : { region }
      }
    }
    default:
      return source satisfies never
  }
}

interface RegionNetwork {
  readonly network: string
  readonly region: string
}

/** Looks an address up in a table of networks; the longest prefix wins. */
export function networkFinder(networks: readonly RegionNetwork[]): (address: string) => string | undefined {
  const rows = networks
    .map(({ network, region }) => {
      const [address = '', prefix] = network.split('/')
      const family = isIP(address) === 6 ? ('ipv6' as const) : ('ipv4' as const)
      const bits = prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix)
      return { address, family, bits, region }
    })
    .toSorted((a, b) => b.bits - a.bits)
  // One list for each length of prefix and region, so that a table of thousands is a few look-ups.
  const steps: { readonly bits: number; readonly region: string; readonly list: BlockList }[] = []
  for (const { address, family, bits, region } of rows) {
    let step = steps.find((known) => known.bits === bits && known.region === region)
    if (step === undefined) {
      step = { bits, region, list: new BlockList() }
      steps.push(step)
    }
    step.list.addSubnet(address, bits, family)
  }
  return (address) => {
    const family = isIP(address)
    if (family === 0) return undefined
    const type = family === 6 ? 'ipv6' : 'ipv4'
    return steps.find(({ list }) => list.check(address, type))?.region
  }
}
