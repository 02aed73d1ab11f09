import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { HlsFault } from '../lab/hls-fault.ts'
import { loadTsMedia } from '../lab/hls-media.ts'
import { HlsOrigin } from '../lab/hls-origin.ts'
import type { HlsOriginOptions } from '../lab/hls-origin.ts'
import { HlsProxyLab } from '../lab/hls-proxy-lab.ts'
import { HlsSegmentPlayer } from '../lab/hls-segment-player.ts'
import { until } from '../lab/poll.ts'

/** HLS sources passed on to players, while they fail in each way in which sources do. Segments last 0.8 s. */

const alpha = await loadTsMedia({ programme: 'alpha', source: 'alpha', segmentMs: 800 })
const bravo = await loadTsMedia({ programme: 'bravo', source: 'bravo', segmentMs: 800, offsetTicks: 8_000_000 })
const TARGET_MS = 1_000

const startAlpha = (options: Partial<HlsOriginOptions> = {}) =>
  HlsOrigin.start({ renditions: [{ name: 'v0', media: alpha }], ...options })
const startBravo = (options: Partial<HlsOriginOptions> = {}) =>
  HlsOrigin.start({ renditions: [{ name: 'v0', media: bravo }], firstSequence: 7_000, ...options })

/** Every segment is one that a source made, whole, and their numbers rise. */
function checkPlayed({ segments }: HlsSegmentPlayer): void {
  for (const [index, { body, sequence, source }] of segments.entries()) {
    assert.ok(source === 'alpha' || source === 'bravo', `segment ${sequence} is of nobody`)
    assert.equal(body.length % 188, 0, `segment ${sequence} is cut`)
    const before = segments[index - 1]
    if (before === undefined) continue
    assert.ok(sequence > before.sequence)
    if (source !== before.source) assert.equal(segments[index]?.startsDiscontinuity, true, 'a seam without a mark')
  }
}

type Breaking = (origin: HlsOrigin) => void | Promise<void>
const playlistFault =
  (fault: HlsFault): Breaking =>
  (origin) => {
    origin.playlistFault = fault
  }
const segmentFault =
  (fault: HlsFault): Breaking =>
  (origin) => {
    origin.segmentFault = fault
  }

interface FaultCase {
  readonly how: Breaking
  readonly reasons: readonly string[]
  /** The fault is found out by this deadline. Where none is meant to pass they are long: all is in this process. */
  readonly deadlineMs?: number
}

const faults: Readonly<Record<string, FaultCase>> = {
  'the origin dies': { how: (origin) => origin[Symbol.asyncDispose](), reasons: ['refused', 'reset'] },
  'connections are reset': {
    how: (origin) => {
      origin.playlistFault = { kind: 'reset' }
      origin.segmentFault = { kind: 'reset' }
    },
    reasons: ['reset'],
  },
  'nothing is answered': {
    how: (origin) => {
      origin.playlistFault = { kind: 'never_answer' }
      origin.segmentFault = { kind: 'never_answer' }
    },
    reasons: ['answer_timeout'],
    deadlineMs: 1_000,
  },
  'the playlist is 404': { how: playlistFault({ kind: 'status', status: 404 }), reasons: ['http_404'] },
  'the playlist is 500': { how: playlistFault({ kind: 'status', status: 500 }), reasons: ['http_500'] },
  'the playlist is a web page': { how: playlistFault({ kind: 'html' }), reasons: ['playlist_invalid'] },
  'the playlist is empty': { how: playlistFault({ kind: 'empty' }), reasons: ['playlist_invalid'] },
  'the playlist stands still': { how: (origin) => origin.setFrozen(true), reasons: ['playlist_frozen'] },
  'the playlist ends': {
    how: (origin) => {
      origin.isEnded = true
    },
    reasons: ['playlist_ended'],
  },
  'the numbering begins anew': { how: (origin) => origin.resetSequence(), reasons: ['playlist_reset'] },
  'segments are 404': { how: segmentFault({ kind: 'status', status: 404 }), reasons: ['segment_missing'] },
  'segments are 503': { how: segmentFault({ kind: 'status', status: 503 }), reasons: ['http_503'] },
  'segments are web pages': { how: segmentFault({ kind: 'html' }), reasons: ['segment_invalid'] },
  'segments are empty': { how: segmentFault({ kind: 'empty' }), reasons: ['segment_invalid'] },
  'segments break off': { how: segmentFault({ kind: 'truncated', share: 0.5 }), reasons: ['incomplete_body'] },
  'segments stall': {
    how: segmentFault({ kind: 'stall', afterBytes: 20_000 }),
    reasons: ['answer_timeout'],
    deadlineMs: 1_000,
  },
}

describe('a player goes on with the other source when', { concurrency: 4 }, () => {
  for (const [name, { how, reasons, deadlineMs: ms = 8_000 }] of Object.entries(faults)) {
    test(name, async () => {
      await using first = await startAlpha()
      await using second = await startBravo()
      const timeouts = { connectMs: ms, answerMs: ms, silenceMs: ms, totalMs: 20_000 }
      await using lab = await HlsProxyLab.start({ urls: [first.url, second.url], limits: { timeouts } })
      await using player = new HlsSegmentPlayer(lab)
      await until(() => player.segments.length >= 5, { what: 'the first source playing' })
      await how(first)
      const evidence = () => ({ failures: lab.failures, refusals: player.refusals, sources: player.sources })
      await until(() => player.segments.filter(({ source }) => source === 'bravo').length >= 5, {
        ...{ what: 'the second source playing', evidence, deadlineMs: 15_000 },
      })
      assert.deepEqual(player.sources, ['alpha', 'bravo'])
      assert.ok(reasons.includes(lab.failures[0]?.reason ?? ''), JSON.stringify(evidence()))
      assert.equal(lab.failures.length, 1, JSON.stringify(evidence()))
      assert.equal(player.broken, 0)
      assert.deepEqual(
        player.refusals.filter((refusal) => refusal !== 'segment 503'),
        [],
      )
      assert.deepEqual(lab.violations, [])
      checkPlayed(player)
      assert.ok(player.stalledMs < TARGET_MS, `players stood still for ${Math.round(player.stalledMs)} ms`)
    })
  }
})
