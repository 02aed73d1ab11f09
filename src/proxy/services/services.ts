import { randomUUID } from 'node:crypto'
import { RequestInvalid } from '../../http/error-body.ts'
import type { Timer } from '../../lib/clock.ts'
import { HoldfastError } from '../../lib/errors.ts'
import type { Json, StoredValue } from '../../store/store.ts'
import { LiveService, readMemory } from './live-service.ts'
import type { ServiceOrigin, ServiceSurroundings } from './live-service.ts'
import { mergePatch } from './merge-patch.ts'
import { serviceDefinition, serviceIdField } from './service-definition.ts'
import type { ServiceBody, ServiceDefinition } from './service-definition.ts'
import type { ServiceFront } from './service-front.ts'
import { setProblems } from './service-set.ts'
import { readServiceFiles } from './service-tls.ts'
import type { ServiceFiles } from './service-tls.ts'

export interface ServicesOptions extends ServiceSurroundings {
  readonly front: ServiceFront
  readonly servicesMax: number
}

/** A service that is to be, with its files read. */
interface Planned {
  readonly definition: ServiceDefinition
  readonly origin: ServiceOrigin
  readonly files: ServiceFiles
}

const SAVED_EVERY_MS = 10_000
const BY_FILE = 'file'

/**
 * All services of the gateway. Each change is complete or has not happened: it is checked beside the other services, its
 * files are read, its ports opened and the definition stored before a request sees any of it.
 */
export class Services implements AsyncDisposable {
  readonly #options: ServicesOptions
  readonly #live = new Map<string, LiveService>()
  /** What the store knows of services that are not there (yet). */
  readonly #memories = new Map<string, unknown>()
  /** Stored services that cannot be had now, because a file or a port is missing; with the reason. */
  readonly #leftOut = new Map<string, { readonly value: StoredValue; reason: string }>()
  /** Changes run one after the other, so that none undoes another. */
  #changes: Promise<unknown> = Promise.resolve()
  #timer: Timer | undefined

  constructor(options: ServicesOptions) {
    this.#options = options
  }

  /**
   * Brings back the services of the store, and takes on those of the file (undefined: there is none). Once, before anything
   * else. Throws invalid_configuration and listener_unavailable for the file's; one of the store that cannot be had is
   * left out, with an error in the log.
   */
  async restore(fromFile: readonly ServiceDefinition[] | undefined): Promise<void> {
    await this.#exclusively(async () => {
      const { store } = this.#options
      const [stored, states] = await Promise.all([store.list('services'), store.list('service_state')])
      for (const { key, value } of states) this.#memories.set(key, value)
      await this.#applyFile(fromFile ?? [])
      for (const value of stored) await this.#restoreOne(value)
      await this.#forgetOrphans(stored)
    })
    this.#planSave()
  }

  /** In the order of their ids. */
  list(): readonly LiveService[] {
    return [...this.#live.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** Throws service_not_found. */
  get(id: string): LiveService {
    const live = this.#live.get(id)
    if (live === undefined) throw new HoldfastError('service_not_found', `There is no service ${JSON.stringify(id)}`)
    return live
  }

  addressesOf(service: LiveService): readonly string[] {
    return this.#options.front.addressesOf(service)
  }

  /** Throws service_exists, quota_exceeded, service_route_taken, listener_unavailable, invalid_configuration. */
  async create(by: string, input: ServiceBody): Promise<LiveService> {
    return this.#exclusively(async () => {
      const definition = { ...input, id: input.id ?? `service-${randomUUID().slice(0, 8)}` }
      if (this.#live.has(definition.id)) {
        throw new HoldfastError('service_exists', `There is a service ${definition.id} already; PUT replaces it`)
      }
      return this.#put(by, definition)
    })
  }

  /** Makes it or replaces all of it; true when it was made. */
  async replace(by: string, id: string, body: ServiceBody): Promise<{ service: LiveService; isNew: boolean }> {
    return this.#exclusively(async () => {
      if (body.id !== undefined && body.id !== id) throw idFixed()
      const definition = { ...body, id: parsedId(id) }
      const isNew = !this.#live.has(definition.id)
      return { service: await this.#put(by, definition), isNew }
    })
  }

  /**
   * Changes what `patch` says (RFC 7396: null takes a field away, which brings its default back). Throws as `create` does,
   * and a RequestInvalid when what comes out is not a service.
   */
  async patch(by: string, id: string, patch: unknown): Promise<LiveService> {
    return this.edit(by, id, (definition) => mergePatch(definition, patch))
  }

  /** Changes one service by a function of what it is. */
  async edit(by: string, id: string, change: (definition: ServiceDefinition) => unknown): Promise<LiveService> {
    return this.#exclusively(async () => {
      const { definition } = this.#editable(id)
      const parsed = serviceDefinition.safeParse(change(definition))
      if (!parsed.success) throw new RequestInvalid(parsed.error.issues, 'body')
      if (parsed.data.id !== id) throw idFixed()
      return this.#put(by, parsed.data)
    })
  }

  /** Throws service_not_found, service_read_only, store_unavailable. Requests under way go on. */
  async remove(by: string, id: string): Promise<void> {
    await this.#exclusively(async () => {
      const live = this.#editable(id)
      await this.#options.store.delete('services', id)
      const rest = this.list().filter((service) => service !== live)
      const prepared = await this.#options.front.prepare(rest.map(needOf))
      this.#live.delete(id)
      prepared.commit(this.#inOrder())
      await live.end()
      await this.#options.store.delete('service_state', id).catch(() => undefined)
      live.reporter.asked('service_deleted', by)
    })
  }

  /**
   * Takes on what the file says now: all of it or, when something is wrong, nothing. Throws invalid_configuration and
   * listener_unavailable; requests see the old services until all is well.
   */
  async applyFile(definitions: readonly ServiceDefinition[]): Promise<void> {
    await this.#exclusively(async () => this.#applyFile(definitions))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.cancel()
    await this.#changes
    await this.#options.front[Symbol.asyncDispose]()
    await Promise.all(this.list().map(async (live) => live[Symbol.asyncDispose]()))
    this.#live.clear()
  }

  async #put(by: string, definition: ServiceDefinition): Promise<LiveService> {
    const { store, front } = this.#options
    const present = this.#live.has(definition.id) ? this.#editable(definition.id) : undefined
    if (present === undefined) this.#checkRoom(this.#live.size + 1)
    const others = this.list().filter(({ id }) => id !== definition.id)
    this.#checkBeside(definition, others)
    const files = await readServiceFiles(definition).catch(asRequestError)
    const prepared = await front.prepare([
      ...others.map(needOf),
      { serviceId: definition.id, listeners: files.listeners },
    ])
    try {
      // Parsed from JSON, and nothing but JSON.
      await store.put('services', definition.id, definition as unknown as Json)
    } catch (error) {
      await prepared.abandon()
      throw error
    }
    const live = this.#takeOn(by, { definition, origin: 'api', files })
    prepared.commit(this.#inOrder())
    return live
  }

  async #applyFile(definitions: readonly ServiceDefinition[]): Promise<void> {
    const { front, log, store } = this.#options
    const ids = new Set(definitions.map(({ id }) => id))
    const kept = this.list().filter(({ id, origin }) => origin === 'api' && !ids.has(id))
    this.#checkRoom(kept.length + definitions.length)
    const problems: string[] = []
    const planned: Planned[] = []
    for (const definition of definitions) {
      try {
        planned.push({ definition, origin: 'file', files: await readServiceFiles(definition) })
      } catch (error) {
        if (!(error instanceof HoldfastError)) throw error
        problems.push(error.message)
      }
    }
    const all = [...definitions, ...kept.map(({ definition }) => definition)]
    for (const { kind, serviceId, message } of setProblems(all, front.defaultHost)) {
      if (kind === 'route' && !ids.has(serviceId)) {
        // The file goes first; what was made over the API gets what is left.
        log.warn('service_route_shadowed', `Service ${serviceId}: ${message}`, { service_id: serviceId })
      } else problems.push(`${serviceId}: ${message}`)
    }
    if (problems.length > 0) throw new HoldfastError('invalid_configuration', problems.join('\n'))
    const needs = planned.map(({ definition, files }) => ({ serviceId: definition.id, listeners: files.listeners }))
    const prepared = await front.prepare([...kept.map(needOf), ...needs])
    const gone = this.list().filter(({ id, origin }) => origin === 'file' && !ids.has(id))
    for (const live of gone) this.#live.delete(live.id)
    for (const plan of planned) {
      if (this.#live.get(plan.definition.id)?.origin === 'api') await this.#giveToFile(plan.definition.id)
      this.#takeOn(BY_FILE, plan)
    }
    prepared.commit(this.#inOrder())
    for (const live of gone) {
      await live.end()
      await store.delete('service_state', live.id).catch(() => undefined)
      live.reporter.asked('service_deleted', BY_FILE)
    }
  }

  /** Makes or changes the service; the ports and routes follow with `commit`. */
  #takeOn(by: string, { definition, origin, files }: Planned): LiveService {
    const present = this.#live.get(definition.id)
    if (present !== undefined) {
      const changed = changedFields(present.definition, definition)
      present.update(definition, files, origin)
      if (changed.length > 0) present.reporter.asked('service_updated', by, { changed })
      return present
    }
    const memory = readMemory(this.#memories.get(definition.id))
    this.#memories.delete(definition.id)
    const live = new LiveService({ ...this.#options, definition, origin, files, memory })
    this.#live.set(definition.id, live)
    // One that was there before the restart was told of then.
    if (memory === undefined) {
      live.reporter.asked('service_created', by, { endpoints: definition.endpoints.length })
      live.save()
    }
    return live
  }

  async #restoreOne(stored: StoredValue): Promise<void> {
    const { log, front } = this.#options
    const { key, value } = stored
    if (this.#live.has(key)) return this.#giveToFile(key)
    const parsed = serviceDefinition.safeParse(value)
    try {
      if (!parsed.success) throw new HoldfastError('invalid_configuration', 'it was stored by another version')
      const files = await readServiceFiles(parsed.data)
      const need = { serviceId: key, listeners: files.listeners }
      const prepared = await front.prepare([...this.list().map(needOf), need])
      this.#takeOn('restart', { definition: parsed.data, origin: 'api', files })
      prepared.commit(this.#inOrder())
      this.#leftOut.delete(key)
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error
      const reason = error.message
      if (this.#leftOut.get(key)?.reason !== reason) {
        const text = `The stored service ${key} cannot be had now and is tried again: ${reason}`
        log.error('service_left_out', text, { service_id: key, error: reason })
      }
      this.#leftOut.set(key, { value: stored, reason })
    }
  }

  /** A port that was taken may be free by now. One that was made anew or is in the file by now is not brought back. */
  async #retryLeftOut(): Promise<void> {
    for (const [id, { value }] of this.#leftOut) {
      if (this.#live.has(id)) this.#leftOut.delete(id)
      else await this.#restoreOne(value)
    }
  }

  /** A service of the API whose id the file has now. */
  async #giveToFile(id: string): Promise<void> {
    const { log, store } = this.#options
    log.warn('service_taken_over', `The file declares the service ${id}, which was made over the API`, {
      service_id: id,
    })
    await store.delete('services', id)
  }

  /** State of services that were deleted just before the gateway died, or that the file no longer has. */
  async #forgetOrphans(stored: readonly StoredValue[]): Promise<void> {
    const orphans = [...this.#memories.keys()].filter((key) => !stored.some((value) => value.key === key))
    for (const key of orphans) this.#memories.delete(key)
    await Promise.all(orphans.map(async (key) => this.#options.store.delete('service_state', key)))
  }

  #editable(id: string): LiveService {
    const live = this.get(id)
    if (live.origin === 'api') return live
    throw new HoldfastError('service_read_only', `The service ${id} is declared in the file of HOLDFAST_CONFIG`)
  }

  #checkRoom(count: number): void {
    const { servicesMax } = this.#options
    if (count <= servicesMax) return
    throw new HoldfastError('quota_exceeded', `There would be ${count} services and MAX_SERVICES is ${servicesMax}`)
  }

  #checkBeside(definition: ServiceDefinition, others: readonly LiveService[]): void {
    const present = others.map((service) => service.definition)
    const before = new Set(setProblems(present, this.#options.front.defaultHost).map(({ message }) => message))
    const problem = setProblems([...present, definition], this.#options.front.defaultHost).find(
      ({ message }) => !before.has(message),
    )
    if (problem !== undefined)
      throw new HoldfastError('service_route_taken', `${problem.serviceId}: ${problem.message}`)
  }

  /** As the routers take them: what the file declares goes first. */
  #inOrder(): readonly LiveService[] {
    return this.list().toSorted((a, b) => Number(b.origin === 'file') - Number(a.origin === 'file'))
  }

  async #exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#changes.then(work)
    this.#changes = result.catch(() => undefined)
    return result
  }

  #planSave(): void {
    this.#timer = this.#options.clock.schedule(SAVED_EVERY_MS, () => {
      for (const live of this.#live.values()) live.save()
      if (this.#leftOut.size > 0) void this.#exclusively(async () => this.#retryLeftOut()).catch(this.#options.onFault)
      this.#planSave()
    })
  }
}

/** What is wrong with the files that a request names is the request's fault. */
function asRequestError(error: unknown): never {
  const isFileError = error instanceof HoldfastError && error.code === 'invalid_configuration'
  throw isFileError ? new HoldfastError('invalid_request', error.message, { cause: error }) : error
}

function idFixed(): HoldfastError {
  return new HoldfastError('invalid_request', 'The id of a service cannot be changed')
}

/** An id out of a path. Throws a RequestInvalid. */
function parsedId(id: string): string {
  const parsed = serviceIdField().safeParse(id)
  if (!parsed.success) throw new RequestInvalid(parsed.error.issues, 'params')
  return parsed.data
}

function needOf({ id, files }: LiveService) {
  return { serviceId: id, listeners: files.listeners }
}

/** Names of the fields that differ. */
function changedFields(before: ServiceDefinition, after: ServiceDefinition): readonly string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names].filter(
    (name) => JSON.stringify(Reflect.get(before, name)) !== JSON.stringify(Reflect.get(after, name)),
  )
}
