import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMediaPlaylist } from '../hls/parse-playlist.ts'
import { PlaylistRules } from '../hls/rules.ts'
import { describeViolations } from '../hls/violation.ts'
import { SegmentWindow } from './segment-window.ts'

const SHAPE = { segmentS: 6, listSize: 20, isRecording: false }

/** A window whose every playlist is judged by the rules of HLS. */
class Judged {
  #rules = new PlaylistRules()
  window: SegmentWindow
  wallMs = 1_767_225_600_000
  #files = 0

  constructor(startNumber = 0) {
    this.window = new SegmentWindow(undefined, startNumber)
  }

  /** As the gateway does it: what is known is JSON in between. */
  restart(): void {
    this.window = new SegmentWindow(JSON.parse(JSON.stringify(this.window.memory)) as SegmentWindow['memory'], 0)
  }

  /** Nobody has seen what was before. */
  forget(): void {
    this.#rules = new PlaylistRules()
  }

  play(count: number, durationS = 6): void {
    for (let index = 0; index < count; index += 1) {
      this.#files += 1
      this.wallMs += durationS * 1_000
      this.window.add({ file: `run1_${this.#files}.ts`, durationS, bytes: 1_000 }, this.wallMs)
      this.judge()
    }
  }

  judge(): void {
    const violations = this.#rules.pushText(this.window.playlist() ?? '', this.wallMs)
    assert.equal(describeViolations(violations), '')
  }

  get parsed() {
    return parseMediaPlaylist(this.window.playlist() ?? '')
  }
}

test('numbers and discontinuities go on over programmes and restarts, and the playlist stays legal', () => {
  const judged = new Judged(100)
  for (let programme = 0; programme < 6; programme += 1) {
    judged.window.begin(SHAPE)
    judged.play(programme === 3 ? 1 : 17)
    if (programme % 2 === 1) judged.restart()
    judged.wallMs += 4_000
  }
  const { mediaSequence, discontinuitySequence, segments } = judged.parsed
  assert.equal(mediaSequence + segments.length, 100 + 5 * 17 + 1)
  assert.equal(discontinuitySequence + segments.filter(({ isDiscontinuity }) => isDiscontinuity).length, 5)
  assert.equal(segments.length, 20)
})

test('short lists and long segments still leave three target durations', () => {
  const judged = new Judged()
  judged.window.begin({ ...SHAPE, listSize: 3 })
  judged.play(30, 4)
  assert.ok(judged.parsed.segments.length * 4 >= 3 * judged.parsed.targetDurationS)
})

test('what has left the playlist can be had until players have no reason to come for it', () => {
  const judged = new Judged()
  judged.window.begin(SHAPE)
  judged.play(21)
  assert.equal(judged.window.has('run1_1.ts'), true)
  assert.deepEqual(judged.window.takeExpired(judged.wallMs + 21 * 6_000 - 1), [])
  assert.deepEqual(judged.window.takeExpired(judged.wallMs + 21 * 6_000), ['run1_1.ts'])
  assert.equal(judged.window.has('run1_1.ts'), false)
})

test('a recording keeps everything and says when it is complete', () => {
  const judged = new Judged()
  judged.window.begin({ ...SHAPE, isRecording: true })
  judged.play(100)
  judged.window.end()
  judged.judge()
  assert.deepEqual([judged.parsed.segments.length, judged.parsed.hasEndList], [100, true])
  assert.equal(judged.parsed.playlistType, 'EVENT')
})

test('a channel never says that it ends', () => {
  const judged = new Judged()
  judged.window.begin(SHAPE)
  judged.play(3)
  judged.window.end()
  assert.equal(judged.parsed.hasEndList, false)
})

test('after a long pause the numbers go on behind segments that are gone', () => {
  const judged = new Judged()
  judged.window.begin(SHAPE)
  judged.play(5)
  judged.window.clear()
  judged.forget()
  assert.equal(judged.window.playlist(), undefined)
  judged.restart()
  judged.wallMs += 7_200_000
  judged.window.begin(SHAPE)
  judged.play(2)
  assert.deepEqual([judged.parsed.mediaSequence, judged.parsed.segments[0]?.isDiscontinuity], [5, true])
})

test('a segment beyond the target duration raises it, and says so', () => {
  const window = new SegmentWindow(undefined, 0)
  window.begin(SHAPE)
  assert.equal(window.add({ file: 'a.ts', durationS: 12.4, bytes: 1 }, 0), false)
  assert.equal(window.add({ file: 'b.ts', durationS: 19.6, bytes: 1 }, 0), true)
  assert.equal(window.targetDurationS, 20)
})
