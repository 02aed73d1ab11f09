import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId } from '../../../failover/candidate.ts'
import { fixtureSlate } from '../../slate/slate.fixture.ts'
import { FillerOrigin } from '../filler/filler-origin.ts'
import { FillerSegments } from '../filler/filler-segments.ts'
import { publisherBench } from './publisher.fixture.ts'
import type { ScriptedSource } from './publisher.fixture.ts'

/** Which source is published while others come, go and stand in. */

type Bench = ReturnType<typeof publisherBench>

function bench(): Bench & { readonly a: ScriptedSource; readonly b: ScriptedSource; readonly c: ScriptedSource } {
  const made = publisherBench(3)
  const [a, b, c] = made.sources
  if (a === undefined || b === undefined || c === undefined) throw new Error('three sources are needed')
  return { ...made, a, b, c }
}

function fillIn({ clock, publisher }: Bench): FillerOrigin {
  const origin = new FillerOrigin({ id: 'slate.1', segments: new FillerSegments(fixtureSlate(), 2_000), clock })
  publisher.fillIn({ candidateId: candidateId(origin.key), session: origin })
  return origin
}

const onAir = ({ publisher }: Bench) => publisher.current?.source.candidateId

for (const [what, change] of [
  ['has nothing yet', (source: ScriptedSource) => void (source.isEmpty = true)],
  ['has ended', (source: ScriptedSource) => void (source.isEnded = true)],
  ['refuses', (source: ScriptedSource) => void (source.status = 503)],
] as const) {
  test(`a switch to a source that ${what}: players go on with the present one`, async () => {
    const lab = bench()
    const { a, b, publisher, slots, putOnAir, play } = lab
    putOnAir(a)
    await play(10)
    change(b)
    putOnAir(b)
    const before = slots.slot(0)?.timeline.nextSequence ?? 0
    await play(5)
    assert.equal(onAir(lab), a.source.candidateId)
    assert.equal(publisher.current?.isAlive, true)
    assert.ok((slots.slot(0)?.timeline.nextSequence ?? 0) >= before + 2)
    assert.equal(slots.stitch.span?.number, 1)
    publisher.stop()
    assert.equal(lab.clock.pending, 0)
  })
}

test('a source that has nothing at first takes over when it has', async () => {
  const lab = bench()
  const { a, b, putOnAir, play } = lab
  putOnAir(a)
  await play(10)
  b.isEmpty = true
  putOnAir(b)
  await play(4)
  b.isEmpty = false
  await play(4)
  assert.equal(onAir(lab), b.source.candidateId)
  assert.deepEqual(lab.failures, [])
})

test('what fills in leaves nothing behind that is followed: neither the source on air nor the one that was to take over', async () => {
  const lab = bench()
  const { a, b, c, publisher, putOnAir, play, clock } = lab
  putOnAir(a)
  await play(4)
  b.isEmpty = true
  c.isEmpty = true
  a.status = 503
  await play(6)
  assert.equal(lab.failures[0]?.id, a.source.candidateId)
  putOnAir(b)
  await play(1)
  putOnAir(c)
  await play(1)
  fillIn(lab)
  await play(4)
  assert.equal(onAir(lab), 'slate.1')
  assert.equal(publisher.incoming?.source.candidateId, c.source.candidateId)
  const askedOfB = b.asked.length
  await play(4)
  assert.equal(b.asked.length, askedOfB)
  publisher.stop()
  assert.equal(clock.pending, 0)
})

test('the source that is being tried takes the place of what fills in, and the other way round', async () => {
  const lab = bench()
  const { a, publisher, putOnAir, play } = lab
  putOnAir(a)
  await play(4)
  a.status = 503
  await play(6)
  const origin = fillIn(lab)
  await play(4)
  a.status = undefined
  putOnAir(a)
  await play(4)
  assert.equal(onAir(lab), a.source.candidateId)
  publisher.fillIn({ candidateId: candidateId(origin.key), session: origin })
  assert.equal(onAir(lab), 'slate.1')
  assert.equal(publisher.incoming?.source.candidateId, a.source.candidateId)
  publisher.leave(origin.key)
  assert.equal(publisher.current?.isAlive, false)
  publisher.stop()
  assert.equal(lab.clock.pending, 0)
})

test('that what fills in fails is told of no source', async () => {
  const lab = bench()
  const { a, publisher, putOnAir, play } = lab
  putOnAir(a)
  await play(4)
  a.status = 503
  await play(6)
  fillIn(lab)
  await play(2)
  const before = lab.failures.length
  publisher.current?.fail({ kind: 'segment_invalid', message: 'sent an empty segment' })
  assert.equal(lab.failures.length, before)
})
