import assert from 'node:assert/strict'
import type { AddressInfo, LookupFunction } from 'node:net'
import { test } from 'node:test'
import { createServer } from 'node:tls'
import { systemClock } from '../../lib/clock.ts'
import { openHttpSource } from './http-client.ts'

/** Self-signed for `origin.test` until 2126, and of use for nothing else. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUYMItmJ5hf9TMxfC5lpo15wxJHN0wCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLb3JpZ2luLnRlc3QwIBcNMjYxMTIxMDg1MTA5WhgPMjEyNjEw
MjgwODUxMDlaMBYxFDASBgNVBAMMC29yaWdpbi50ZXN0MFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAEu1yTdHksojPLKxVMbIRMJkORTpOULk7krEhPdb+T7YsDMhy+
GOw1rOqTUxSeakJYqVFVQvWJXFBN3fWbnbvsZqNrMGkwHQYDVR0OBBYEFNW+WgpT
iBCut0olfcdnEUdE8JU3MB8GA1UdIwQYMBaAFNW+WgpTiBCut0olfcdnEUdE8JU3
MA8GA1UdEwEB/wQFMAMBAf8wFgYDVR0RBA8wDYILb3JpZ2luLnRlc3QwCgYIKoZI
zj0EAwIDSAAwRQIgQ2SSw+WSasezBX1FVTrJCgZ5fs9hL4q6vwkPLI9iBw0CIQDK
keHuR0UPwVo5M0nd22Mzrh3SFPQVF49adDc/V22lFA==
-----END CERTIFICATE-----`
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgso3zvvCUlmfJR1Tg
hvDh+UwHeGr9AlXQzQWji+MljkehRANCAAS7XJN0eSyiM8srFUxshEwmQ5FOk5Qu
TuSsSE91v5PtiwMyHL4Y7DWs6pNTFJ5qQlipUVVC9YlcUE3d9Zudu+xm
-----END PRIVATE KEY-----`

const toLoopback: LookupFunction = (_hostname, _options, callback) => {
  callback(null, [{ address: '127.0.0.1', family: 4 }])
}

/** Asks for a text over TLS; resolves with it or with the kind of the failure. */
function ask(url: string, caCertificates: readonly string[] | undefined): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    openHttpSource(
      {
        url,
        method: 'GET',
        headers: {},
        userAgent: 'Holdfast',
        connectTimeoutMs: 30_000,
        answerTimeoutMs: 30_000,
        operatorHosts: new Set(['origin.test', 'other.test']),
        signal: new AbortController().signal,
      },
      {
        onHead: () => 'accept',
        onData: (chunk) => {
          text += chunk.toString()
          return true
        },
        onEnd: () => resolve(text),
        onFailure: ({ kind }) => resolve(`failed: ${kind}`),
      },
      { clock: systemClock, lookup: toLoopback, ...(caCertificates === undefined ? {} : { caCertificates }) },
    )
  })
}

test('a certificate has to be known and to be for the host; a connection cut inside TLS is not a clean end', async () => {
  const server = createServer({ cert: CERTIFICATE, key: KEY }, (socket) => {
    socket.on('error', () => {})
    socket.once('data', (request: Buffer) => {
      if (request.toString().startsWith('GET /whole')) {
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      } else {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok', () => socket.end())
      }
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  assert.equal(await ask(`https://origin.test:${port}/whole`, [CERTIFICATE]), 'ok')
  assert.equal(await ask(`https://origin.test:${port}/short`, [CERTIFICATE]), 'failed: incomplete_body')
  assert.equal(await ask(`https://origin.test:${port}/whole`, undefined), 'failed: tls')
  assert.equal(await ask(`https://other.test:${port}/whole`, [CERTIFICATE]), 'failed: tls')
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
})
