import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CmafRendition } from './cmaf-rendition.ts'
import { FakeMuxer, PICTURE_TICKS } from './packager.fixture.ts'
import type { CmafSegment } from './segment.ts'

const START = 900_000
const at = (picture: number) => START + picture * PICTURE_TICKS

interface Made {
  readonly sequence: number
  readonly segment: CmafSegment
}

function makeRendition() {
  const muxer = new FakeMuxer()
  const made: Made[] = []
  const rendition = new CmafRendition({
    ...{ muxer, partS: 0.5, namePrefix: 'run.1', firstSequence: 40 },
    onSegment: (sequence, segment) => made.push({ sequence, segment }),
  })
  const pictures = (from: number, to: number, initId = 1) => {
    for (let index = from; index < to; index += 1) muxer.picture(at(index), index % 25 === 0, initId)
  }
  return { muxer, rendition, made, pictures }
}

const partsOf = ({ segment }: Made) => segment.parts.map(({ durationS }) => durationS)

describe('a stream as fragmented MP4', () => {
  it('has parts that are never longer than they may be', () => {
    const { rendition, pictures } = makeRendition()
    pictures(0, 30)
    assert.equal(rendition.advance(undefined, PICTURE_TICKS), true)
    assert.deepEqual(
      rendition.parts.map(({ durationS, isIndependent }) => [durationS, isIndependent]),
      [
        [0.48, true],
        [0.48, false],
      ],
    )
    assert.equal(rendition.nextPartName, 'cmaf/run.1-40.2.m4s')
    assert.equal(rendition.advance(undefined, PICTURE_TICKS), false)
  })

  it('makes no part over a place where a segment may begin', () => {
    const { rendition, pictures } = makeRendition()
    pictures(0, 40)
    rendition.advance(at(20), PICTURE_TICKS)
    assert.equal(rendition.parts.length, 1)
    rendition.advance(undefined, PICTURE_TICKS)
    assert.equal(rendition.parts.length, 3)
  })

  it('ends a segment where the transport stream was cut, once everything before that is complete', () => {
    const { rendition, made, pictures } = makeRendition()
    pictures(0, 23)
    rendition.cut({ dts: at(25), durationS: 1 })
    rendition.advance(undefined, PICTURE_TICKS)
    assert.equal(made.length, 0)
    pictures(23, 27)
    rendition.advance(undefined, PICTURE_TICKS)
    assert.deepEqual(made.map(partsOf), [[0.48, 0.48, 0.04]])
    assert.deepEqual(
      made.map(({ sequence, segment }) => [sequence, segment.media.name]),
      [[40, 'cmaf/run.1-40.m4s']],
    )
    assert.equal(rendition.sequence, 41)
  })

  it('ends a segment with its last part, before anything has come behind it: no other part is hinted at', () => {
    const { rendition, made, pictures } = makeRendition()
    pictures(0, 25)
    rendition.cut({ dts: at(25), durationS: 1 })
    rendition.advance(undefined, PICTURE_TICKS)
    assert.deepEqual(made.map(partsOf), [[0.48, 0.48, 0.04]])
    assert.equal(rendition.nextPartName, 'cmaf/run.1-41.0.m4s')
    pictures(25, 40)
    rendition.advance(undefined, PICTURE_TICKS)
    assert.deepEqual(
      rendition.parts.map(({ durationS }) => durationS),
      [0.48],
    )
  })

  it('makes the whole segment of the bytes of its parts', () => {
    const { rendition, made, pictures } = makeRendition()
    pictures(0, 26)
    rendition.cut({ dts: at(25), durationS: 1 })
    rendition.advance(undefined, PICTURE_TICKS)
    const [segment] = made
    const pieces = segment?.segment.media.content.kind === 'memory' ? segment.segment.media.content.pieces : []
    assert.equal(Buffer.concat([...pieces]).toString(), `${at(0)}+12 ${at(12)}+12 ${at(24)}+1 `)
    assert.deepEqual(
      segment?.segment.parts.map(({ media }) => media.bytesInMemory),
      [0, 0, 0],
    )
  })

  it('asks for a cut where the initialisation segment changes, unless one was made there', () => {
    const { rendition, made, pictures } = makeRendition()
    pictures(0, 20)
    rendition.advance(undefined, PICTURE_TICKS)
    assert.equal(rendition.missingCutDts, undefined)
    pictures(20, 30, 2)
    rendition.advance(undefined, PICTURE_TICKS)
    assert.equal(rendition.missingCutDts, at(20))
    rendition.cut({ dts: at(21), durationS: 0.84 })
    rendition.advance(undefined, PICTURE_TICKS)
    assert.deepEqual(made.map(partsOf), [[0.48, 0.32]])
    assert.equal(made[0]?.segment.init?.media.name, 'cmaf/run.1-init-1.mp4')
    pictures(30, 40, 2)
    rendition.advance(undefined, PICTURE_TICKS)
    assert.equal(rendition.init?.media.name, 'cmaf/run.1-init-2.mp4')
    assert.equal(rendition.missingCutDts, undefined)
  })

  it('keeps what is left of a timeline that jumps in the segment before the jump', () => {
    const { muxer, rendition, made, pictures } = makeRendition()
    pictures(0, 20)
    muxer.picture(7_000_000_000, true, 2)
    rendition.cut({ dts: 7_000_000_000, durationS: 0.8 })
    rendition.advance(undefined, PICTURE_TICKS)
    assert.deepEqual(made.map(partsOf), [[0.48, 0.32]])
  })

  it('tells a gap where nothing can be made of the media', () => {
    const { rendition, made } = makeRendition()
    for (const picture of [25, 50, 75, 100]) rendition.cut({ dts: at(picture), durationS: 1 })
    rendition.advance(undefined, PICTURE_TICKS)
    assert.deepEqual(
      made.map(({ segment }) => [segment.init, segment.durationS, segment.parts.length]),
      [[undefined, 1, 0]],
    )
  })

  it('ends with everything when nothing more comes', () => {
    const { rendition, made, pictures } = makeRendition()
    pictures(0, 30)
    rendition.cut({ dts: at(25), durationS: 1 })
    rendition.end(0.2, PICTURE_TICKS)
    assert.deepEqual(made.map(partsOf), [[0.48, 0.48, 0.04], [0.2]])
  })
})
