import { routeConflicts } from './router.ts'
import type { ListenerDefinition, ServiceDefinition } from './service-definition.ts'

/** Something about services together that cannot be: which one, and what. */
export interface SetProblem {
  readonly serviceId: string
  readonly kind: 'id' | 'route' | 'listener'
  readonly message: string
}

/** Where requests come in: services of the same place share its routes. */
export type Place = 'proxy_port' | `${string}:${number}`

/** The place of a listener; port 0 is a place of its own for each service. */
export function placeOf({ port, host }: ListenerDefinition, defaultHost: string): Place {
  return `${host ?? defaultHost}:${port}`
}

/** Everything that is wrong with services side by side, however good each is. */
export function setProblems(services: readonly ServiceDefinition[], defaultHost: string): readonly SetProblem[] {
  return [...idProblems(services), ...routeProblems(services, defaultHost), ...listenerProblems(services, defaultHost)]
}

function idProblems(services: readonly ServiceDefinition[]): readonly SetProblem[] {
  const seen = new Set<string>()
  return services.flatMap(({ id }) => {
    const isRepeated = seen.has(id)
    seen.add(id)
    return isRepeated ? [{ serviceId: id, kind: 'id' as const, message: `id "${id}" is given a second time` }] : []
  })
}

function routeProblems(services: readonly ServiceDefinition[], defaultHost: string): readonly SetProblem[] {
  const places = new Map<Place, ServiceDefinition[]>()
  for (const service of services) {
    for (const place of placesOf(service, defaultHost)) {
      const present = places.get(place)
      if (present === undefined) places.set(place, [service])
      else if (!present.includes(service)) present.push(service)
    }
  }
  return [...places].flatMap(([place, present]) =>
    routeConflicts(present).map(({ first, second, route }) => ({
      serviceId: second,
      kind: 'route' as const,
      message: `the route ${route} on ${place === 'proxy_port' ? 'PROXY_PORT' : place} is that of the service "${first}" already`,
    })),
  )
}

/** One port has one set of certificates. */
function listenerProblems(services: readonly ServiceDefinition[], defaultHost: string): readonly SetProblem[] {
  const certificates = new Map<Place, { readonly serviceId: string; readonly text: string }>()
  return services.flatMap(({ id, listeners }) =>
    listeners.flatMap((listener) => {
      if (listener.port === 0) return []
      const place = placeOf(listener, defaultHost)
      const text = JSON.stringify(listener.tls ?? null)
      const known = certificates.get(place)
      if (known === undefined) certificates.set(place, { serviceId: id, text })
      if (known === undefined || known.text === text) return []
      const message = `the listener ${place} has other tls than that of the service "${known.serviceId}"`
      return [{ serviceId: id, kind: 'listener' as const, message }]
    }),
  )
}

/** Where a service is reached. */
export function placesOf({ listeners }: ServiceDefinition, defaultHost: string): readonly Place[] {
  if (listeners.length === 0) return ['proxy_port']
  return [...new Set(listeners.filter(({ port }) => port !== 0).map((listener) => placeOf(listener, defaultHost)))]
}
