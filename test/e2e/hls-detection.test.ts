import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import type { HlsFault } from '../lab/hls-fault.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { PlaylistWatch } from '../lab/playlist-watch.ts'
import { until } from '../lab/poll.ts'

/** What operators learn of segments that are not worth playing: events, reasons and their own choice, in the whole gateway. */

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start()
})
after(async () => gateway[Symbol.asyncDispose]())

const HALF: HlsFault = { kind: 'truncated', share: 0.5003, isTold: true }

async function origin(programme: 'alpha' | 'bravo'): Promise<HlsOrigin> {
  const media = await loadTsMedia({ programme, source: programme, segmentMs: 1_600 })
  return HlsOrigin.start({ renditions: [{ name: 'main', media }] })
}

/** The first event of a type, told of a stream that somebody plays. */
async function firstEvent(streamId: string, type: string): Promise<Readonly<Record<string, unknown>>> {
  const event = await until(async () => (await gateway.api.events(streamId, type))[0], {
    ...{ what: type, deadlineMs: 20_000 },
  })
  return event.data
}

async function watched(streamId: string): Promise<PlaylistWatch> {
  const watch = PlaylistWatch.start(`${gateway.url}/hls/${streamId}/playlist.m3u8?client_id=watch`)
  await watch.hasSegments(1)
  return watch
}

test('half segments: a switch with the condition as its reason, what was measured, and legal playlists', async () => {
  await using first = await origin('alpha')
  await using second = await origin('bravo')
  const streamId = await gateway.api.stream([first.url, second.url])
  const watch = await watched(streamId)
  first.segmentFault = HALF
  const data = await firstEvent(streamId, 'switch_completed')
  assert.equal(data['reason'], 'incomplete_segment')
  const text = JSON.stringify(data)
  assert.match(text, /"segment_ms":1600/)
  await watch.stop()
  assert.deepEqual(watch.problems, [])
})

test('half segments of the only source, and where a stream wants to be told only, are a warning', async () => {
  for (const isAlone of [true, false]) {
    await using first = await origin('alpha')
    await using second = await origin('bravo')
    const streamId = await gateway.api.stream(isAlone ? [first.url] : [first.url, second.url], {
      ...(isAlone ? {} : { detect: { incomplete_segment: 'warn' } }),
    })
    const watch = await watched(streamId)
    first.segmentFault = HALF
    const data = await firstEvent(streamId, 'source_warning')
    assert.equal(data['condition'], 'incomplete_segment')
    assert.equal((await gateway.api.events(streamId, 'switch_completed')).length, 0)
    await watch.stop()
    assert.deepEqual(watch.problems, [])
  }
})
