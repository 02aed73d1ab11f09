import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { TlsOptions } from 'node:tls'
import { errorMessage, HoldfastError } from '../../lib/errors.ts'
import type { Endpoint } from '../endpoints/endpoint.ts'
import type { OriginTls } from '../wire/upstream-socket.ts'
import type { EndpointDefinition } from './endpoint-definition.ts'
import type { ListenerDefinition, ServiceDefinition } from './service-definition.ts'

/** A listener with the contents of its files. */
export interface ReadyListener {
  readonly definition: ListenerDefinition
  readonly tls: TlsOptions | undefined
}

/** What a service takes from files, read and found good. */
export interface ServiceFiles {
  readonly endpoints: readonly Endpoint[]
  readonly listeners: readonly ReadyListener[]
}

/**
 * Reads the certificates and keys that a service names. Throws a HoldfastError (`invalid_configuration`) that lists every
 * file that cannot be read or used, with its place in the definition.
 */
export async function readServiceFiles(service: ServiceDefinition): Promise<ServiceFiles> {
  const problems: string[] = []
  const endpoints = await Promise.all(
    service.endpoints.map(async (definition, index) =>
      readyEndpoint(definition, await endpointTls(definition, `endpoints[${index}].tls`, problems)),
    ),
  )
  const listeners = await Promise.all(
    service.listeners.map(async (definition, index) => ({
      definition,
      tls: await listenerTls(definition, `listeners[${index}].tls`, problems),
    })),
  )
  if (problems.length > 0) {
    throw new HoldfastError('invalid_configuration', problems.map((text) => `${service.id}: ${text}`).join('\n'))
  }
  return { endpoints, listeners }
}

function readyEndpoint(definition: EndpointDefinition, tls: OriginTls | undefined): Endpoint {
  const { id, url, priority, weight, region, enabled, drain, maxConcurrency } = definition
  return {
    ...{ id, url, priority, weight, enabled, drain },
    ...(region === undefined ? {} : { region }),
    ...(maxConcurrency === undefined ? {} : { maxConcurrency }),
    ...(tls === undefined ? {} : { tls }),
  }
}

async function endpointTls(
  { tls }: EndpointDefinition,
  place: string,
  problems: string[],
): Promise<OriginTls | undefined> {
  if (tls === undefined) return undefined
  const { caFile, certFile, keyFile, serverName, insecure } = tls
  const [ca, cert, key] = await Promise.all([
    textOf(caFile, `${place}.caFile`, problems),
    textOf(certFile, `${place}.certFile`, problems),
    textOf(keyFile, `${place}.keyFile`, problems),
  ])
  const secure = { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert, key: key ?? '' }) }
  checkUsable(secure, place, problems)
  return { ...secure, ...(serverName === undefined ? {} : { servername: serverName }), isVerified: !insecure }
}

async function listenerTls(
  { tls }: ListenerDefinition,
  place: string,
  problems: string[],
): Promise<TlsOptions | undefined> {
  if (tls === undefined) return undefined
  const [cert = '', key = '', ca] = await Promise.all([
    textOf(tls.certFile, `${place}.certFile`, problems),
    textOf(tls.keyFile, `${place}.keyFile`, problems),
    textOf(tls.clientCaFile, `${place}.clientCaFile`, problems),
  ])
  const secure = { cert, key, ...(ca === undefined ? {} : { ca }) }
  checkUsable(secure, place, problems)
  return { ...secure, ...(ca === undefined ? {} : { requestCert: true, rejectUnauthorized: true }) }
}

async function textOf(path: string | undefined, place: string, problems: string[]): Promise<string | undefined> {
  if (path === undefined) return undefined
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    problems.push(`${place}: ${JSON.stringify(path)} cannot be read: ${errorMessage(error)}`)
    return undefined
  }
}

/** Node's own reading of the PEM: better now than at the first connection. */
function checkUsable(secure: TlsOptions, place: string, problems: string[]): void {
  if (problems.some((problem) => problem.startsWith(place))) return
  try {
    createSecureContext(secure)
  } catch (error) {
    problems.push(`${place}: the certificate or key cannot be used: ${errorMessage(error)}`)
  }
}
