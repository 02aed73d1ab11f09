import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '../../../test/lab/poll.ts'
import { RequestInvalid } from '../../http/error-body.ts'
import { HoldfastError } from '../../lib/errors.ts'
import type { ErrorCode } from '../../lib/errors.ts'
import { silentLog } from '../../lib/log.ts'
import { seededRandom } from '../../lib/random.ts'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import type { SimulatedClock } from '../../lib/simulated-clock.ts'
import { createMemoryStore } from '../../store/memory.ts'
import type { Store } from '../../store/store.ts'
import { CheckSchedule } from '../health/check-schedule.ts'
import { TimerWheel } from '../wire/timer-wheel.ts'
import { serviceBody, serviceDefinition } from './service-definition.ts'
import type { ServiceDefinition } from './service-definition.ts'
import { ServiceFront } from './service-front.ts'
import { Services } from './services.ts'

const BY = 'admin'

interface Lab {
  readonly clock: SimulatedClock
  readonly services: Services
  readonly events: string[]
  readonly store: Store
}

const text = (value: unknown) => (typeof value === 'string' ? value : '?')

/** Services that nobody reaches: there is no port. */
async function openLab(file?: readonly ServiceDefinition[], store: Store = createMemoryStore()): Promise<Lab> {
  const clock = createSimulatedClock()
  const random = seededRandom(1)
  const events: string[] = []
  const onFault = (error: unknown) => assert.fail(String(error))
  const common = { clock, log: silentLog, onFault }
  const front = new ServiceFront({
    ...common,
    access: { callerOf: () => undefined, isOwnKey: () => false },
    defaultHost: '127.0.0.1',
    proxyPort: undefined,
  })
  const services = new Services({
    ...{ ...common, store, random, front, servicesMax: 3, pseudonym: 'test', ownRegion: undefined },
    ...{ wheel: new TimerWheel(clock), schedule: new CheckSchedule({ clock, random }) },
    events: {
      emit: (type, _stream, data) => events.push(`${type} ${text(data['service_id'])} ${text(data['by'])}`),
    },
  })
  await services.restore(file)
  return { services, events, store, clock }
}

function input(id: string, more: Readonly<Record<string, unknown>> = {}) {
  return { id, routes: [{ host: `${id}.test` }], endpoints: [{ id: 'a', url: 'http://10.0.0.1' }], ...more }
}

const created = (id: string, more = {}) => serviceBody.parse(input(id, more))
const declared = (id: string, more = {}) => serviceDefinition.parse(input(id, more))

async function rejects(work: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof HoldfastError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  })
}

test('a service is made, replaced, patched and deleted, and the journal says by whom', async () => {
  const { services, events, store } = await openLab()
  await services.create(BY, created('shop'))
  await rejects(services.create(BY, created('shop')), 'service_exists', /shop already/)
  const { isNew } = await services.replace(BY, 'shop', serviceBody.parse(input('shop', { name: 'Shop' })))
  assert.equal(isNew, false)
  const patched = await services.patch(BY, 'shop', { retry: { max: 7 }, name: null })
  assert.deepEqual(
    [patched.definition.retry.max, patched.definition.retry.delayMs, patched.definition.name],
    [...[7, 100, undefined]],
  )
  assert.equal((await store.get('services', 'shop'))?.key, 'shop')
  await services.remove(BY, 'shop')
  assert.throws(() => services.get('shop'), /There is no service "shop"/)
  assert.deepEqual([await store.list('services'), await store.list('service_state')], [[], []])
  assert.deepEqual(events, [
    ...['service_created shop admin', 'service_updated shop admin', 'service_updated shop admin'],
    'service_deleted shop admin',
  ])
  await services[Symbol.asyncDispose]()
})

test('a change that is wrong changes nothing', async () => {
  const { services } = await openLab()
  const live = await services.create(BY, created('shop'))
  const before = live.definition
  await assert.rejects(services.patch(BY, 'shop', { endpoints: [{ url: 'x' }] }), RequestInvalid)
  await rejects(services.patch(BY, 'shop', { id: 'other' }), 'invalid_request', /cannot be changed/)
  const tls = { certFile: '/nowhere.crt', keyFile: '/nowhere.key' }
  await rejects(
    services.patch(BY, 'shop', { endpoints: [{ id: 'a', url: 'https://10.0.0.1', tls }] }),
    'invalid_request',
    /endpoints\[0\]\.tls\.certFile: "\/nowhere\.crt" cannot be read/,
  )
  assert.equal(live.definition, before)
  await services[Symbol.asyncDispose]()
})

test('two enabled services cannot have one route, and MAX_SERVICES holds', async () => {
  const { services } = await openLab()
  await services.create(BY, created('a'))
  await rejects(services.create(BY, created('b', { routes: [{ host: 'a.test' }] })), 'service_route_taken', /a\.test/)
  await services.create(BY, created('b', { routes: [{ host: 'a.test' }], enabled: false }))
  await rejects(services.patch(BY, 'b', { enabled: true }), 'service_route_taken', /a\.test/)
  await services.create(BY, created('c'))
  await rejects(services.create(BY, created('d')), 'quota_exceeded', /MAX_SERVICES is 3/)
  await services[Symbol.asyncDispose]()
})

test('services of the file are changed by the file alone, all of it or nothing', async () => {
  const { services, events } = await openLab([declared('shop'), declared('blog')])
  await rejects(services.patch(BY, 'shop', {}), 'service_read_only', /HOLDFAST_CONFIG/)
  await rejects(services.remove(BY, 'shop'), 'service_read_only', /HOLDFAST_CONFIG/)
  const shop = services.get('shop')
  const tls = { certFile: '/nowhere.crt', keyFile: '/nowhere.key' }
  const wrong = declared('new', { endpoints: [{ url: 'https://x', tls }] })
  await rejects(services.applyFile([declared('shop', { name: 'Other' }), wrong]), 'invalid_configuration', /certFile/)
  assert.deepEqual([services.list().map(({ id }) => id), shop.definition.name], [['blog', 'shop'], undefined])
  await services.applyFile([declared('shop', { name: 'Other' })])
  assert.equal(services.get('shop'), shop, 'it is the same service, with its health and requests')
  assert.equal(shop.definition.name, 'Other')
  assert.deepEqual(events.slice(2), ['service_updated shop file', 'service_deleted blog file'])
  await services[Symbol.asyncDispose]()
})

test('the file takes over a service of its id, and goes first where routes are the same', async () => {
  const { services, store } = await openLab()
  await services.create(BY, created('shop'))
  await services.create(BY, created('other', { routes: [{ host: 'taken.test' }] }))
  await services.applyFile([declared('shop', { routes: [{ host: 'taken.test' }] })])
  assert.equal(services.get('shop').origin, 'file')
  assert.equal(services.get('other').origin, 'api')
  assert.deepEqual(
    (await store.list('services')).map(({ key }) => key),
    ['other'],
  )
  await services[Symbol.asyncDispose]()
})

test('what is stored comes back with health and pins, and what was deleted does not', async () => {
  const first = await openLab()
  const live = await first.services.create(BY, created('shop'))
  for (let failure = 0; failure < 3; failure += 1) live.group.probed('a', { ok: false, reason: 'refused' })
  live.pin('a', undefined, BY)
  await first.services.create(BY, created('gone'))
  await first.services.remove(BY, 'gone')
  await first.services[Symbol.asyncDispose]()
  const { services, events } = await openLab(undefined, first.store)
  assert.deepEqual(
    services.list().map(({ id }) => id),
    ['shop'],
  )
  const restored = services.get('shop')
  assert.equal(restored.endpoints[0]?.health, 'unhealthy')
  assert.equal(restored.group.pin?.id, 'a')
  assert.deepEqual(events, [], 'nothing has happened to it')
  await services[Symbol.asyncDispose]()
})

test('a stored service whose certificate is missing at the start is there when that is', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-services-'))
  const caFile = join(directory, 'ca.crt')
  const store = createMemoryStore()
  const endpoints = [{ id: 'a', url: 'https://10.0.0.1', tls: { caFile } }]
  await store.put('services', 'shop', { ...input('shop'), endpoints })
  const { services, clock } = await openLab(undefined, store)
  assert.deepEqual(services.list(), [])
  await writeFile(caFile, '')
  await clock.advance(10_000)
  // Reading its file takes real time.
  await until(() => services.list().length === 1, { what: 'the service' })
  await rm(directory, { recursive: true })
  await services[Symbol.asyncDispose]()
})

test('a stored service that cannot be read is left out, and the others are there', async () => {
  const store = createMemoryStore()
  await store.put('services', 'broken', { id: 'broken', endpoints: 'many' })
  await store.put('service_state', 'orphan', { any: 'thing' })
  const { services } = await openLab([declared('shop')], store)
  assert.deepEqual(
    services.list().map(({ id }) => id),
    ['shop'],
  )
  assert.equal(await store.get('service_state', 'orphan'), undefined)
  assert.equal((await store.get('services', 'broken'))?.key, 'broken', 'it is kept for a version that can read it')
  await services[Symbol.asyncDispose]()
})
