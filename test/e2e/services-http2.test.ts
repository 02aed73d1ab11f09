import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { createCertificates } from '../lab/certificates.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { answerOf, Http2Client } from '../lab/http2-client.ts'
import { until } from '../lab/poll.ts'
import { ReplicaProcess } from '../lab/replica-process.ts'

/** HTTP/2 through a service of a real gateway, asked by curl and by Node.js. */

const run = promisify(execFile)
const { ca, server } = await createCertificates()
const directory = await mkdtemp(join(tmpdir(), 'holdfast-lab-h2-'))
const paths = { certFile: join(directory, 'cert'), keyFile: join(directory, 'key') }
const caFile = join(directory, 'ca')
await Promise.all([writeFile(paths.certFile, server.cert), writeFile(paths.keyFile, server.key), writeFile(caFile, ca)])
after(() => rm(directory, { recursive: true }))

/** A service with a TLS port in front of these; gives the port. */
async function openService(gateway: GatewayProcess, urls: readonly string[], more: object = {}): Promise<number> {
  const answer = await gateway.api.call<{ readonly addresses: readonly string[] }>('POST', '/api/services', {
    ...{ id: 'secure', listeners: [{ port: 0, tls: paths }] },
    endpoints: urls.map((url, index) => ({ id: `e${index}`, url })),
    ...more,
  })
  assert.equal(answer.status, 201, answer.text)
  return Number(answer.body.addresses[0]?.split(':').at(-1))
}

async function curl(port: number, path: string, ...more: readonly string[]): Promise<string> {
  const place = ['--resolve', `origin.test:${port}:127.0.0.1`, `https://origin.test:${port}${path}`]
  const told = ['-w', '\n%{http_version} %{http_code}']
  const { stdout } = await run('curl', ['-sS', '--cacert', caFile, '--max-time', '60', ...told, ...more, ...place])
  return stdout
}

test('curl gets HTTP/2 where it asks for it and HTTP/1.1 where it does not, for GET and POST', async () => {
  await using gateway = await GatewayProcess.start()
  await using replica = await ReplicaProcess.start('r')
  const port = await openService(gateway, [replica.url])
  assert.equal(await curl(port, '/who', '--http2'), 'r\n2 200')
  assert.equal(await curl(port, '/who', '--http1.1'), 'r\n1.1 200')
  assert.match(await curl(port, '/upload', '--http2', '-d', 'a body'), /"bytes":6,.*\n2 200$/s)
  assert.match(await curl(port, '/who', '--http2', '-H', 'Upgrade: websocket', '-H', 'Connection: Upgrade'), /\n2 200$/)
})

test('fifty requests on one connection are all answered while replicas are killed', async () => {
  await using gateway = await GatewayProcess.start()
  await using a = await ReplicaProcess.start('a')
  await using b = await ReplicaProcess.start('b')
  const port = await openService(gateway, [a.url, b.url])
  using client = await Http2Client.open(port, ca)
  for (const victim of [a, b]) {
    const asked = Array.from({ length: 50 }, () => client.ask({ ':path': '/bytes/20000' }))
    await victim.kill()
    for (const { status, body } of await Promise.all(asked)) assert.deepEqual([status, body.length], [200, 20_000])
    await victim.up()
    await gateway.api.call('POST', `/api/services/secure/endpoints/${victim === a ? 'e0' : 'e1'}/reset`)
  }
})

test('events arrive one by one over HTTP/2, and a client that leaves ends them at the endpoint', async () => {
  await using gateway = await GatewayProcess.start()
  await using replica = await ReplicaProcess.start('r')
  const port = await openService(gateway, [replica.url])
  using client = await Http2Client.open(port, ca)
  const stream = client.open({ ':path': '/events' })
  let text = ''
  stream.on('data', (piece: Buffer) => {
    text += String(piece)
  })
  await until(() => /id: 0\n[^]*id: 2\n/.test(text), { what: 'three events' })
  stream.close()
  await until(async () => (await replica.cancelled()) === 1, { what: 'the end of the events at the replica' })
})

test('trailers of a request reach the endpoint', async () => {
  const got: string[] = []
  const endpoint = createServer((request, response) => {
    request.resume().on('end', () => {
      got.push(...request.rawTrailers)
      response.end('ok')
    })
  }).listen(0, '127.0.0.1')
  await once(endpoint, 'listening')
  await using gateway = await GatewayProcess.start()
  const port = await openService(gateway, [`http://127.0.0.1:${(endpoint.address() as AddressInfo).port}`])
  using client = await Http2Client.open(port, ca)
  const stream = client.session.request({ ':method': 'PUT', ':path': '/' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7' }))
  stream.end('a body')
  assert.equal((await answerOf(stream)).status, 200)
  assert.deepEqual(got, ['x-sum', '7'])
  endpoint.close()
  endpoint.closeAllConnections()
})

test('a service that is not public wants its key over HTTP/2 too, and no endpoint sees it', async () => {
  const token = 'lab-token-0123456789'
  await using gateway = await GatewayProcess.start({ env: { API_TOKEN: token }, token })
  await using replica = await ReplicaProcess.start('r')
  const port = await openService(gateway, [replica.url], { public: false })
  using client = await Http2Client.open(port, ca)
  assert.equal((await client.ask({ ':path': '/who' })).status, 401)
  assert.equal((await client.ask({ ':path': '/who', 'x-api-token': token })).status, 200)
  assert.equal((await client.ask({ ':path': `/who?api_token=${token}` })).status, 200)
  assert.doesNotMatch(JSON.stringify(await replica.seen()), new RegExp(token))
})
