import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tunnelTarget } from './tunnel-target.ts'

const ID = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
const PLACES = { rootPath: '/m3u-proxy', domain: 'tunnels.example.com' }

const byPath = (url: string) => tunnelTarget(url, 'gateway.example.com', PLACES)?.path
const byHost = (host: string | undefined, url = '/t/x') => tunnelTarget(url, host, PLACES)?.path

test('a path below /t/ and an id leads to that tunnel, with the rest exactly as it was', () => {
  for (const [url, path] of [
    [`/t/${ID}`, '/'],
    [`/t/${ID}/`, '/'],
    [`/t/${ID}?a=1`, '/?a=1'],
    [`/t/${ID}/a//b/?c=%2F`, '/a//b/?c=%2F'],
    [`/m3u-proxy/t/${ID}/a`, '/a'],
    [`http://gateway.example.com/t/${ID}/a`, '/a'],
    [`/t/${ID.toUpperCase()}/a`, '/a'],
    [`/t/${ID}x/a`, undefined],
    [`/t/${ID.slice(1)}/a`, undefined],
    [`/tt/${ID}/a`, undefined],
    [`/x/t/${ID}/a`, undefined],
    ['/t/', undefined],
    ['*', undefined],
  ] as const) {
    assert.equal(byPath(url), path, url)
  }
})

test('a host of the domain that is an id leads to that tunnel, with the whole path', () => {
  for (const [host, path] of [
    [`${ID}.tunnels.example.com`, '/t/x'],
    [`${ID.toUpperCase()}.Tunnels.Example.com:8085`, '/t/x'],
    [`${ID}.tunnels.example.com.`, '/t/x'],
    [`www.${ID}.tunnels.example.com`, undefined],
    [`${ID}.tunnels.example.com.evil.example`, undefined],
    [`${ID}.eviltunnels.example.com`, undefined],
    ['tunnels.example.com', undefined],
    [undefined, undefined],
  ] as const) {
    assert.equal(byHost(host), path, host)
  }
  assert.equal(byHost(`${ID}.tunnels.example.com`, '*'), '*')
  assert.equal(byHost(`${ID}.tunnels.example.com`, '/m3u-proxy/a'), '/m3u-proxy/a')
  assert.equal(tunnelTarget('/', `${ID}.`, { rootPath: '', domain: '' }), undefined)
})
