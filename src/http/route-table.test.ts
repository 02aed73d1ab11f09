import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RouteTable } from './route-table.ts'

function table(): RouteTable {
  const routes = new RouteTable()
  for (const [method, pattern] of [
    ['GET', '/'],
    ['GET', '/streams/:streamId'],
    ['DELETE', '/streams/:streamId'],
    ['DELETE', '/streams/by-metadata'],
    ['GET', '/hls/*'],
    ['GET', '/a.b'],
  ] as const) {
    routes.add({ method, pattern, access: 'operator', errors: 'peer' })
  }
  routes.add({ method: 'GET', pattern: '/api/tunnels/:tunnelId', access: 'operator', errors: 'coded' })
  routes.add({ method: 'GET', pattern: '/api/services', access: 'operator', errors: 'problem' })
  return routes
}

const methodsAt = (path: string) =>
  table()
    .at(path)
    .map(({ method }) => method)

test('a path is found with its methods', () => {
  assert.deepEqual(methodsAt('/'), ['GET'])
  assert.deepEqual(methodsAt('/streams/x'), ['GET', 'DELETE'])
  assert.deepEqual(methodsAt('/streams/x/'), ['GET', 'DELETE'])
  assert.deepEqual(methodsAt('/hls/a/b/c'), ['GET'])
  assert.deepEqual(methodsAt('/a.b'), ['GET'])
})

test('a pattern without parameters hides those with some', () => {
  assert.deepEqual(methodsAt('/streams/by-metadata'), ['DELETE'])
})

test('nothing is found where no route is', () => {
  for (const path of ['/streams', '/streams/x/y', '/aXb', '', '/hls', '//']) assert.deepEqual(methodsAt(path), [], path)
})

test('errors where no route is are worded as those of the routes that begin alike', () => {
  const near = (path: string) => table().errorsNear(path)
  assert.equal(near('/api/services/a/b'), 'problem')
  assert.equal(near('/api/tunnels/a/b'), 'coded')
  assert.equal(near('/api/nothing'), 'coded')
  assert.equal(near('/streams/a/b'), 'peer')
  for (const path of ['/', '', '/nothing', '//', 'api/services']) assert.equal(near(path), 'peer', path)
})
