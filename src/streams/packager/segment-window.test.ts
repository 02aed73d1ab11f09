import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Segment } from './segment.ts'
import { SegmentWindow } from './segment-window.ts'
import type { WindowOptions, WindowSpill } from './segment-window.ts'
import { StoredMedia } from './stored-media.ts'

const MEGABYTE = 1_000_000

interface Scene {
  readonly window: SegmentWindow
  nowMs: number
  /** Adds segments of 4 s and one megabyte, as fast as they play. */
  add(count: number, fields?: Partial<Segment>): void
}

function makeScene(options: Partial<WindowOptions> & { readonly bytesMax?: number } = {}): Scene {
  const scene: Scene = {
    nowMs: 0,
    window: new SegmentWindow({
      limits: { windowMs: 20_000, bytesMax: options.bytesMax ?? 100 * MEGABYTE },
      nowMs: () => scene.nowMs,
      targetDurationS: () => 5,
      firstSequence: 10,
      discontinuitySequence: 3,
      spill: undefined,
      ...options,
    }),
    add(count, fields = {}) {
      for (let index = 0; index < count; index += 1) {
        const sequence = scene.window.nextSequence
        const ts = new StoredMedia(`${sequence}.ts`, 'video/mp2t', [Buffer.alloc(MEGABYTE)])
        const identity = { sequence, dateMs: scene.nowMs, dts: 0, isDiscontinuity: false, isIndependent: true }
        scene.window.add({ ...identity, durationS: 4, ts, isLost: false, cmaf: undefined, ...fields })
        scene.nowMs += 4_000
      }
    },
  }
  return scene
}

const named = ({ window }: Scene) => window.segments.map(({ sequence }) => sequence)

describe('the window of a live playlist', () => {
  it('keeps at least as much media as it should, and numbers what is left', () => {
    const scene = makeScene()
    scene.add(12)
    assert.deepEqual(named(scene), [17, 18, 19, 20, 21])
    assert.equal(scene.window.nextSequence, 22)
  })

  it('never names less than three target durations, however short the window', () => {
    const scene = makeScene({ limits: { windowMs: 1_000, bytesMax: 100 * MEGABYTE } })
    scene.add(12)
    assert.equal(named(scene).length, 4)
  })

  it('counts a discontinuity when the segment that began with it has left', () => {
    const scene = makeScene()
    scene.add(2)
    assert.equal(scene.window.nextDiscontinuity, 4)
    scene.add(1, { isDiscontinuity: true })
    assert.deepEqual([scene.window.discontinuitySequence, scene.window.nextDiscontinuity], [3, 5])
    scene.add(5)
    assert.deepEqual([scene.window.discontinuitySequence, scene.window.nextDiscontinuity], [4, 5])
    assert.equal(named(scene)[0], 13)
  })

  it('lets a removed segment be fetched for as long as a playlist that named it lasts', () => {
    const scene = makeScene()
    scene.add(6)
    assert.deepEqual(named(scene)[0], 11)
    assert.notEqual(scene.window.find('10.ts'), undefined)
    scene.add(5)
    assert.notEqual(scene.window.find('10.ts'), undefined)
    scene.add(2)
    assert.equal(scene.window.find('10.ts'), undefined)
  })

  it('gives up what was removed first, and then of the window, when memory is full', () => {
    const scene = makeScene({ bytesMax: 6 * MEGABYTE })
    scene.add(12)
    assert.equal(scene.window.bytes, 6 * MEGABYTE)
    assert.equal(named(scene).length, 5)
    const tight = makeScene({ bytesMax: 4 * MEGABYTE })
    tight.add(12)
    assert.deepEqual(named(tight), [18, 19, 20, 21])
    const tooTight = makeScene({ bytesMax: MEGABYTE })
    tooTight.add(12)
    assert.equal(named(tooTight).length, 3)
  })

  it('moves the oldest to disk before memory is full, and does not count it any more', () => {
    const moving: { media: StoredMedia; moved: (isMoved: boolean) => void }[] = []
    const forgotten: string[] = []
    const spill: WindowSpill = {
      move: (media, moved) => moving.push({ media, moved }) > 0,
      forget: ({ name }) => void forgotten.push(name),
    }
    const scene = makeScene({ spill, limits: { windowMs: 60_000, bytesMax: 8 * MEGABYTE } })
    scene.add(7)
    assert.deepEqual(
      moving.map(({ media }) => media.name),
      ['10.ts'],
    )
    moving[0]?.media.movedTo('/somewhere')
    moving[0]?.moved(true)
    assert.equal(scene.window.bytes, 6 * MEGABYTE)
    scene.add(1)
    assert.deepEqual(
      moving.map(({ media }) => media.name),
      ['10.ts', '11.ts'],
    )
    moving[1]?.moved(false)
    assert.equal(scene.window.bytes, 7 * MEGABYTE)
    assert.equal(named(scene).length, 8)
    scene.window.clear()
    assert.ok(forgotten.includes('10.ts'))
    assert.equal(scene.window.bytes, 0)
  })

  it('names parts for six target durations only, and one initialisation segment once', () => {
    const scene = makeScene({ limits: { windowMs: 120_000, bytesMax: 1_000 * MEGABYTE } })
    const init = { media: new StoredMedia('init', 'video/mp4', [Buffer.alloc(500)]), codecs: 'x' }
    const none = { width: undefined, height: undefined, frameRate: undefined }
    for (let index = 0; index < 12; index += 1) {
      const piece = Buffer.alloc(1_000)
      const part = new StoredMedia(`${index}.0`, 'video/mp4', [piece], true)
      const media = new StoredMedia(`${index}.m4s`, 'video/mp4', [piece])
      const parts = [{ media: part, durationS: 4, isIndependent: true }]
      scene.add(1, { cmaf: { media, durationS: 4, init: { ...init, ...none }, parts } })
    }
    assert.equal(scene.window.bytes, 12 * MEGABYTE + 12 * 1_000 + 500)
    assert.equal(scene.window.find('4.0'), undefined)
    assert.notEqual(scene.window.find('5.0'), undefined)
    assert.notEqual(scene.window.find('4.m4s'), undefined)
  })
})
