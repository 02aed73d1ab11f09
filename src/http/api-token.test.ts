import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { resolveApiToken } from './api-token.ts'
import type { ApiTokenOptions } from './api-token.ts'

async function scratch(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-token-'))
  t.after(() => rm(directory, { recursive: true }))
  return join(directory, 'data')
}

const nothing: Omit<ApiTokenOptions, 'directory'> = { configuredToken: undefined, host: undefined, isAuthOff: false }

test('with nothing set only this machine is served and no token is asked for', async (t) => {
  const directory = await scratch(t)
  for (const host of [undefined, '127.0.0.1', 'localhost', '::1']) {
    const { mode, host: listen } = await resolveApiToken({ ...nothing, host, directory })
    assert.deepEqual([mode, listen], [{ kind: 'loopback' }, host ?? '127.0.0.1'])
  }
  await assert.rejects(stat(directory), { code: 'ENOENT' })
})

test('with a token everybody is served, or the host that was given', async (t) => {
  const directory = await scratch(t)
  const configuredToken = 'configured'
  const open = await resolveApiToken({ ...nothing, configuredToken, directory })
  assert.deepEqual([open.mode, open.host], [{ kind: 'token', token: configuredToken }, '0.0.0.0'])
  assert.doesNotMatch(open.message, /configured/)
  const here = await resolveApiToken({ ...nothing, configuredToken, host: '127.0.0.1', directory })
  assert.equal(here.host, '127.0.0.1')
})

test('told to serve others without a token, one is made, kept for the owner only and shown once', async (t) => {
  const directory = await scratch(t)
  const first = await resolveApiToken({ ...nothing, host: '0.0.0.0', directory })
  assert.ok(first.mode.kind === 'token')
  const { token } = first.mode
  assert.match(token, /^[\w-]{32}$/)
  assert.equal(first.isGenerated, true)
  assert.ok(first.message.includes(token))
  const path = join(directory, 'api-token')
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.equal((await stat(directory)).mode & 0o777, 0o700)
  assert.equal(await readFile(path, 'utf8'), `${token}\n`)
  const second = await resolveApiToken({ ...nothing, host: '::', directory })
  assert.deepEqual(second.mode, first.mode)
  assert.equal(second.isGenerated, false)
  assert.ok(!second.message.includes(token))
})

test('a kept token that others may read is taken back from them', async (t) => {
  const directory = await scratch(t)
  await resolveApiToken({ ...nothing, host: '0.0.0.0', directory })
  const path = join(directory, 'api-token')
  await chmod(path, 0o644)
  await resolveApiToken({ ...nothing, host: '0.0.0.0', directory })
  assert.equal((await stat(path)).mode & 0o777, 0o600)
})

test('a damaged token file stops the start instead of opening the gateway', async (t) => {
  const directory = await scratch(t)
  await resolveApiToken({ ...nothing, host: '0.0.0.0', directory })
  for (const text of ['', 'short', 'two words of enough length', `${'x'.repeat(20)}\u0000`]) {
    await writeFile(join(directory, 'api-token'), text)
    await assert.rejects(resolveApiToken({ ...nothing, host: '0.0.0.0', directory }), { code: 'invalid_configuration' })
  }
})

test('a data directory that cannot be used is named', async (t) => {
  const directory = await scratch(t)
  await writeFile(directory, 'a file where the directory should be')
  await assert.rejects(
    resolveApiToken({ ...nothing, host: '0.0.0.0', directory }),
    /api-token: this secret can be neither read nor made/,
  )
})

test('API_AUTH=off asks for no token anywhere, says so, and still needs HOST to serve others', async (t) => {
  const directory = await scratch(t)
  const here = await resolveApiToken({ ...nothing, configuredToken: 'configured', isAuthOff: true, directory })
  assert.deepEqual([here.mode, here.host], [{ kind: 'off' }, '127.0.0.1'])
  const open = await resolveApiToken({ ...nothing, host: '0.0.0.0', isAuthOff: true, directory })
  assert.deepEqual([open.mode, open.host], [{ kind: 'off' }, '0.0.0.0'])
  assert.match(open.message, /everyone/)
})
