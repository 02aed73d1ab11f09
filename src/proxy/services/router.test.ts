import assert from 'node:assert/strict'
import { test } from 'node:test'
import { routeConflicts, Router, strippedPath } from './router.ts'
import type { RoutedService } from './router.ts'
import type { RouteDefinition } from './service-definition.ts'

function service(id: string, routes: readonly Partial<RouteDefinition>[], enabled = true): RoutedService<string> {
  return { id, enabled, target: id, routes: routes.map((route) => ({ pathPrefix: '/', headers: {}, ...route })) }
}

function matched(services: readonly RoutedService<string>[], host: string, path = '/', fields: readonly string[] = []) {
  return new Router(services).match({ host, path, fields })?.target
}

test('an exact host goes before a suffix, the longer suffix before the shorter, those before any host', () => {
  const services = [
    service('any', [{}]),
    service('com', [{ host: '*.example' }]),
    service('shop', [{ host: '*.shop.example' }]),
    service('exact', [{ host: 'eu.shop.example' }]),
  ]
  for (const order of [services, services.toReversed()]) {
    assert.equal(matched(order, 'eu.shop.example'), 'exact')
    assert.equal(matched(order, 'us.shop.example'), 'shop')
    assert.equal(matched(order, 'shop.example'), 'com')
    assert.equal(matched(order, 'example'), 'any')
  }
})

test('port, case and a dot at the end of a host do not matter; an IPv6 address is a host', () => {
  const services = [service('shop', [{ host: 'shop.example' }]), service('six', [{ host: '[::1]' }])]
  assert.equal(matched(services, 'SHOP.example.:8080'), 'shop')
  assert.equal(matched(services, '[::1]:8080'), 'six')
  assert.equal(matched(services, 'myshop.example'), undefined)
  assert.equal(matched(services, ''), undefined)
})

test('the longest prefix of whole segments wins', () => {
  const services = [
    service('root', [{ pathPrefix: '/' }]),
    service('api', [{ pathPrefix: '/api' }]),
    service('users', [{ pathPrefix: '/api/users/' }]),
  ]
  assert.equal(matched(services, 'h', '/apis'), 'root')
  assert.equal(matched(services, 'h', '/api'), 'api')
  assert.equal(matched(services, 'h', '/api?x=/users'), 'api')
  assert.equal(matched(services, 'h', '/api/users'), 'users')
  assert.equal(matched(services, 'h', '/api/users/7/x/y'), 'users')
  assert.equal(matched(services, 'h', '*'), 'root')
  assert.equal(matched(services, 'h', '/%61p%69/x'), 'api', 'an escape that means the letter')
  assert.equal(matched(services, 'h', '/api%2fusers'), 'root', 'a slash in a segment is none between segments')
})

test('more header fields that fit go first; one that does not fit rules a route out', () => {
  const services = [
    service('plain', [{}]),
    service('blue', [{ headers: { 'x-tenant': 'blue' } }]),
    service('deep', [{ headers: { 'x-tenant': 'blue', 'x-beta': '1' } }]),
  ]
  assert.equal(matched(services, 'h', '/', ['X-Tenant', 'blue']), 'blue')
  assert.equal(matched(services, 'h', '/', ['X-Tenant', 'blue', 'X-Beta', '1']), 'deep')
  assert.equal(matched(services, 'h', '/', ['X-Tenant', 'red']), 'plain')
})

test('where a longer prefix or a nearer host does not fit by its headers, the next one is asked', () => {
  const services = [
    service('any', [{}]),
    service('near', [{ host: 'h.example', pathPrefix: '/api', headers: { 'x-a': '1' } }]),
  ]
  assert.equal(matched(services, 'h.example', '/api'), 'any')
  assert.equal(matched(services, 'h.example', '/api', ['x-a', '1']), 'near')
})

test('a disabled service is found only where no enabled one is', () => {
  const off = service('off', [{ host: 'h.example' }], false)
  assert.equal(matched([off], 'h.example'), 'off')
  assert.equal(matched([off, service('on', [{}])], 'h.example'), 'on')
})

test('two enabled services with the same route are a conflict', () => {
  const a = service('a', [{ host: 'h', headers: { x: '1' } }])
  const b = service('b', [{ host: 'h', pathPrefix: '/', headers: { x: '1' } }])
  assert.deepEqual(routeConflicts([a, b]), [{ first: 'a', second: 'b', route: 'h/ (x: 1)' }])
  assert.deepEqual(routeConflicts([a, { ...b, enabled: false }]), [])
  assert.deepEqual(routeConflicts([a, service('c', [{ host: 'h' }])]), [])
})

test('a prefix that is taken off leaves a path', () => {
  assert.equal(strippedPath('/api/x?q', '/api'), '/x?q')
  assert.equal(strippedPath('/api', '/api'), '/')
  assert.equal(strippedPath('/api?q', '/api'), '/?q')
  assert.equal(strippedPath('/x', '/'), '/x')
  assert.equal(strippedPath('*', '/'), '*')
  assert.equal(strippedPath('/%61pi/v1/x?a=/b', '/api/v1'), '/x?a=/b')
  assert.equal(strippedPath('/ap%69?a=/b', '/api'), '/?a=/b')
})
