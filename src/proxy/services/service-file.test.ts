import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../../lib/errors.ts'
import { parseServiceFile } from './service-file.ts'

const HOST = '127.0.0.1'

function problemsOf(text: string, path = 'holdfast.yaml'): readonly string[] {
  try {
    parseServiceFile(text, path, HOST)
  } catch (error) {
    assert.ok(error instanceof HoldfastError, String(error))
    assert.equal(error.code, 'invalid_configuration')
    return error.message.split('\n')
  }
  return []
}

const good = `
services:
  - id: shop
    routes: [{ host: shop.example }]
    endpoints:
      - url: http://10.0.0.1:8080
      - url: http://10.0.0.2:8080
        weight: 2
`

test('a file in YAML has services with every default filled in', () => {
  const [shop, ...others] = parseServiceFile(good, 'holdfast.yaml', HOST)
  assert.equal(others.length, 0)
  assert.equal(shop?.id, 'shop')
  assert.deepEqual(
    shop.endpoints.map(({ id, weight }) => [id, weight]),
    [
      ['10.0.0.1:8080', 1],
      ['10.0.0.2:8080', 2],
    ],
  )
  assert.deepEqual([shop.retry.max, shop.retry.delayMs, shop.retry.statuses], [3, 100, [502, 503, 504]])
})

test('the same in JSON', () => {
  const text = '{"services": [{"id": "a", "routes": [{}], "endpoints": [{"url": "https://b.example/x"}]}]}'
  assert.deepEqual(
    parseServiceFile(text, 'holdfast.json', HOST).map(({ id }) => id),
    ['a'],
  )
  assert.match(problemsOf('{"services": [', 'holdfast.json')[0] ?? '', /^holdfast\.json: .*JSON/)
})

test('an empty file has no services', () => {
  assert.deepEqual(parseServiceFile('', 'holdfast.yaml', HOST), [])
  assert.deepEqual(parseServiceFile('# nothing\n', 'holdfast.yaml', HOST), [])
  assert.deepEqual(parseServiceFile('', 'holdfast.json', HOST), [])
})

test('every problem is listed with its line, its path, its value and what is allowed', () => {
  const text = `
services:
  - id: shop
    routes: [{ host: "a b" }]
    colour: red
    endpoints:
      - url: ftp://user:secret@x
      - url: http://x
        weight: -1
    retry: { max: lots }
  - id: Shop
    strategy: { kind: random }
    endpoints: []
`
  const problems = problemsOf(text)
  const expected = [
    /line 4, services\[0\]\.routes\[0\]\.host: must be a host name.*; it is "a b"/,
    /line 7, services\[0\]\.endpoints\[0\]\.url: must be an http or https URL/,
    /line 9, services\[0\]\.endpoints\[1\]\.weight: must be a number from 0 to 1000000; it is -1/,
    /line 10, services\[0\]\.retry\.max: must be a whole number from 0 to 20 \(retries\); it is "lots"/,
    /line 3, services\[0\]: has "colour"; the fields are /,
    /line 11, services\[1\]\.id: must be lower-case letters/,
    /line 12, services\[1\]\.strategy\.kind: .*active_passive, active_active, geographic, priority_weighted/,
  ]
  for (const pattern of expected) {
    assert.ok(
      problems.some((problem) => pattern.test(problem)),
      `${String(pattern)} is not in\n${problems.join('\n')}`,
    )
  }
  assert.ok(!problems.join('').includes('secret'), 'a password is shown')
})

test('what is no YAML is said with its line', () => {
  assert.match(problemsOf('services:\n  - id: a\n id: b\n').join('\n'), /holdfast\.yaml: line \d/)
})

test('two services with one id, or with one route, are told apart by nobody', () => {
  const service = (id: string, more = '') =>
    `  - { id: ${id}, routes: [{ host: h }], endpoints: [{ url: "http://x" }]${more} }\n`
  assert.match(problemsOf(`services:\n${service('a')}${service('a')}`).join('\n'), /id "a" is given a second time/)
  assert.match(problemsOf(`services:\n${service('a')}${service('b')}`).join('\n'), /route h\/ on PROXY_PORT .*"a"/)
  assert.deepEqual(problemsOf(`services:\n${service('a')}${service('b', ', enabled: false')}`), [])
})

test('one port has one set of certificates', () => {
  const service = (id: string, host: string, tls: string) =>
    `  - { id: ${id}, routes: [{ host: ${host} }], listeners: [{ port: 443${tls} }], endpoints: [{ url: "http://x" }] }\n`
  const tls = ', tls: { certFile: c, keyFile: k }'
  assert.deepEqual(problemsOf(`services:\n${service('a', 'a', tls)}${service('b', 'b', tls)}`), [])
  const [problem = ''] = problemsOf(`services:\n${service('a', 'a', tls)}${service('b', 'b', '')}`)
  assert.match(problem, /the listener 127\.0\.0\.1:443 has other tls than that of the service "a"/)
})

test('aliases that multiply are refused', () => {
  const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]', 'b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]', 'c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]']
  const text = `${bomb.join('\n')}\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\nservices: [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n`
  assert.match(problemsOf(text).join('\n'), /alias/i)
})

test('what contains itself, or is nested deeper than the stack, is a problem like any other', () => {
  assert.match(
    problemsOf('services: &a [*a]\n').join('\n'),
    /line 1, services\[0\]: must be an object.*contains itself/,
  )
  const text = 'services:\n  - &a\n    id: x\n    name: *a\n    routes: [{}]\n    endpoints: *a\n'
  assert.match(problemsOf(text).join('\n'), /line 4, services\[0\]\.name: .*contains itself/)
  const deep = `{"services": ${'['.repeat(200_000)}${']'.repeat(200_000)}}`
  assert.match(problemsOf(deep, 'holdfast.json').join('\n'), /services\[0\]: must be an object.*nested too deep/)
})

test('a second document in the file is a problem, not something that nobody reads', () => {
  assert.match(problemsOf(`${good}---\nservices: []\n`).join('\n'), /multiple documents/)
})
