import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../lib/clock.ts'
import type { SourceReader, SourceRequest, SourceResponseHandler, SourceTransport } from './http-client.ts'
import { playlistAware } from './playlist-aware.ts'

const REQUEST: SourceRequest = {
  ...{ url: 'http://origin.example/live', method: 'GET', headers: {}, userAgent: 'x', operatorHosts: new Set() },
  ...{ connectTimeoutMs: 1, answerTimeoutMs: 1, signal: new AbortController().signal },
}
const HEAD = { status: 200, headers: {}, finalUrl: REQUEST.url, elapsedMs: 1 }

/** A transport that a test plays the source of. */
function scripted(name: string, said: string[]) {
  let handler: SourceResponseHandler | undefined
  const reader: SourceReader = {
    close: () => void said.push(`${name} closed`),
    pause: () => void said.push(`${name} paused`),
    resume: () => void said.push(`${name} resumed`),
  }
  const transport: SourceTransport = (_request, given) => {
    said.push(`${name} opened`)
    handler = given
    return reader
  }
  const source = (): SourceResponseHandler => {
    assert.ok(handler)
    return handler
  }
  return { transport, source }
}

function opened() {
  const said: string[] = []
  const [whole, playlist] = [scripted('whole', said), scripted('playlist', said)]
  const listener: SourceResponseHandler = {
    onHead: () => 'accept',
    onData: (chunk) => {
      said.push(chunk.toString())
      return true
    },
    onEnd: () => void said.push('end'),
    onFailure: ({ kind }) => void said.push(kind),
  }
  const transport = playlistAware(whole.transport, playlist.transport)
  const reader = transport(REQUEST, listener, { clock: systemClock })
  return { said, whole, playlist, reader }
}

test('media passes as it is', () => {
  const { said, whole, reader } = opened()
  whole.source().onHead(HEAD)
  whole.source().onData(Buffer.from('media'))
  whole.source().onData(Buffer.from('#EXTM3U in the middle'))
  whole.source().onEnd()
  reader.close()
  assert.deepEqual(said, ['whole opened', 'media', '#EXTM3U in the middle', 'end', 'whole closed'])
})

test('a playlist is read as one from then on, and nothing of the first answer is passed on', async () => {
  const { said, whole, playlist, reader } = opened()
  whole.source().onHead(HEAD)
  reader.pause()
  whole.source().onData(Buffer.from('\uFEFF\r\n#EXTM3U\n#EXT-X-VERSION:3\n'))
  whole.source().onData(Buffer.from('#EXTINF'))
  whole.source().onEnd()
  await Promise.resolve()
  playlist.source().onData(Buffer.from('media'))
  reader.resume()
  assert.deepEqual(said, [
    ...['whole opened', 'whole paused', 'whole closed', 'playlist opened', 'playlist paused'],
    ...['media', 'playlist resumed'],
  ])
})

test('one that was closed meanwhile is not opened again', async () => {
  const { said, whole, reader } = opened()
  whole.source().onData(Buffer.from('#EXTM3U'))
  reader.close()
  await Promise.resolve()
  assert.ok(!said.includes('playlist opened'))
})
