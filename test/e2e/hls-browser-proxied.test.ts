import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { HlsBrowser } from '../lab/hls-browser.ts'
import type { HlsPlayer, PlayerFacts } from '../lab/hls-browser.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import { HlsProxyLab } from '../lab/hls-proxy-lab.ts'
import { until } from '../lab/poll.ts'

/** hls.js in Chromium plays HLS sources that are passed on, while they fail. Segments last 1.6 s. */

const alpha = await loadTsMedia({ programme: 'alpha', source: 'alpha' })
const charlie = await loadTsMedia({ programme: 'charlie', source: 'charlie', offsetTicks: 8_000_000 })
/** The moving test picture is grey on the average; the three colours of the other are dark. */
const DARK_MAX = 100
const TARGET_MS = 2_000

let browser: HlsBrowser
before(async () => {
  browser = await HlsBrowser.start()
})
after(async () => {
  await browser[Symbol.asyncDispose]()
})

async function scene() {
  const origins = [
    await HlsOrigin.start({ renditions: [{ name: 'v0', media: alpha }] }),
    await HlsOrigin.start({ renditions: [{ name: 'v0', media: charlie }], firstSequence: 900 }),
  ] as const
  const lab = await HlsProxyLab.start({ urls: origins.map(({ url }) => url) })
  const player = await browser.play(lab.entry)
  await player.hasPlayed(2)
  return {
    origins,
    lab,
    player,
    [Symbol.asyncDispose]: async () => {
      await player[Symbol.asyncDispose]()
      await lab[Symbol.asyncDispose]()
      for (const origin of origins) await origin[Symbol.asyncDispose]().catch(() => undefined)
    },
  }
}

async function shows(player: HlsPlayer, source: 'alpha' | 'charlie'): Promise<PlayerFacts> {
  await until(async () => (await player.averageColour())[0] > DARK_MAX === (source === 'alpha'), {
    ...{ what: `the picture of ${source}`, deadlineMs: 25_000, evidence: () => source },
  })
  return player.playsOn(2)
}

test('switches by hand, and back', async () => {
  await using channel = await scene()
  const { player, lab } = channel
  lab.putOnAir(1)
  await shows(player, 'charlie')
  lab.putOnAir(0)
  const facts = await shows(player, 'alpha')
  assert.deepEqual(facts.fatalErrors, [])
  assert.deepEqual(facts.otherErrors, [])
  assert.equal(facts.stalls, 0)
})

const faults: Readonly<Record<string, (origin: HlsOrigin) => void>> = {
  'the playlist stands still': (origin) => origin.setFrozen(true),
  'segments are 404': (origin) => {
    origin.segmentFault = { kind: 'status', status: 404 }
  },
  'nothing is answered': (origin) => {
    origin.segmentFault = { kind: 'never_answer' }
    origin.playlistFault = { kind: 'never_answer' }
  },
}

for (const [name, how] of Object.entries(faults)) {
  test(`goes on when ${name}`, async () => {
    await using channel = await scene()
    how(channel.origins[0])
    const facts = await shows(channel.player, 'charlie')
    assert.deepEqual(facts.fatalErrors, [])
    assert.ok(facts.longestStallMs < TARGET_MS, `the picture stood still for ${facts.longestStallMs} ms`)
  })
}
