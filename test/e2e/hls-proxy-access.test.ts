import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { References } from '../../src/streams/hls/proxy/reference.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { HlsProxyLab, UNHURRIED } from '../lab/hls-proxy-lab.ts'

/** Nothing can be fetched through a stream that its own playlists did not name. */

const alpha = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800 })
const renditions = [{ name: 'v0', media: alpha }]
const SECRET = 'a secret that only the lab knows'

/** A server whose requests are counted, on another address than the sources. */
async function bystander(text = 'private') {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    response.end(text)
  })
  server.listen(0, '127.0.0.2')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.2:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

test('addresses that a client names are not fetched, however it names them', async () => {
  await using origin = await HlsOrigin.start({ renditions })
  await using other = await bystander()
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [origin.url] })
  const name = (await lab.playlist()).segments[0]?.uri ?? ''
  const before = origin.requests.length
  const elsewhere = encodeURIComponent(`${other.url}/secret`)
  const foreign = (secret: string, stream: string) =>
    new References(secret, stream).seal({
      ...{ kind: 'segment', span: 1, candidateId: 'candidate-0', url: `${other.url}/secret`, byteRange: undefined },
    })
  const paths = [
    `segment.ts?url=${elsewhere}`,
    `proxy?url=${elsewhere}`,
    `s/${Buffer.from(`${other.url}/secret`).toString('base64url')}.ts`,
    `s/${elsewhere}.ts`,
    `s/..%2f..%2f..%2fetc%2fpasswd.ts`,
    '..%2fplaylist.m3u8',
    'v/7/playlist.m3u8',
    'v/-1/playlist.m3u8',
    'v/0/../../playlist',
    `${name.slice(0, -6)}AAA.ts`,
    name.replace('s/', 'k/'),
    name.replace('s/', 'l/').replace('.ts', '.m3u8'),
    name.replace('.ts', '.mp4'),
    `${name}/`,
    foreign('another secret', 'lab') ?? '',
    foreign(SECRET, 'another stream') ?? '',
    `http%3a%2f%2f127.0.0.2%2fsecret`,
  ]
  for (const path of paths) assert.equal((await lab.get(path)).status, 404, path)
  // Parameters that a client adds lead nowhere else.
  const asked = await lab.get(`${name}?url=${elsewhere}&client_id=x`)
  assert.ok(asked.status === 200 && asked.body.includes('alpha'))
  const playlist = await lab.get(`playlist.m3u8?url=${elsewhere}`)
  assert.ok(!playlist.body.toString().includes('url='))
  assert.deepEqual(other.requests, [])
  assert.ok(origin.requests.slice(before).every(({ kind }) => kind === 'playlist' || kind === 'segment'))
})

test('a playlist that names private addresses does not open them', async () => {
  await using other = await bystander()
  const text = ['#EXTM3U', '#EXT-X-TARGETDURATION:4', '#EXT-X-MEDIA-SEQUENCE:1'].concat(
    ...[0, 1, 2].map((index) => [`#EXTINF:4,`, `${other.url}/private-${index}.ts`]),
  )
  await using source = await playlistServer(text.join('\n'))
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [source.url] })
  const { segments } = await lab.playlist()
  assert.equal(segments.length, 3)
  for (const { uri } of segments) assert.notEqual((await lab.get(uri)).status, 200)
  assert.deepEqual(other.requests, [])
})

test('no address, credential or token of a source is in what players get', async () => {
  await using origin = await HlsOrigin.start({ renditions, encryption: { explicitIv: false } })
  const url = origin.url.replace('http://', 'http://user:geheim@')
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [`${url}?token=geheim`] })
  const { body } = await lab.get('playlist.m3u8?client_id=me&token=mine')
  const text = body.toString()
  assert.doesNotMatch(text, /geheim|127\.0\.0\.1|http:|seg-|key-\d/)
  const names = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  assert.ok(names.length > 0 && names.every((name) => name.endsWith('.ts?client_id=me&token=mine')))
  assert.match(text, /URI="k\/[\w-]+\.key\?client_id=me&token=mine"/)
})

test('what a player adds to its own address cannot break out of the playlist', async () => {
  await using origin = await HlsOrigin.start({ renditions })
  await using lab = await HlsProxyLab.start({ limits: UNHURRIED, urls: [origin.url] })
  const evil = encodeURIComponent('x"\n#EXT-X-ENDLIST\nhttp://evil.example/\u0001')
  const text = (await lab.get(`playlist.m3u8?client_id=${evil}`)).body.toString()
  assert.doesNotMatch(text, /^#EXT-X-ENDLIST|^http/m)
})

async function playlistServer(text: string) {
  const server = createServer((_request, response) => response.end(text))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/live.m3u8`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
