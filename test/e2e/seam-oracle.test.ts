import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { hasVideo, seamCases } from '../lab/seam-cases.ts'
import type { SeamCase } from '../lab/seam-cases.ts'
import { dtsSteps, judgeSeams, problemsOf } from '../lab/seam-oracle.ts'
import type { SeamVerdict } from '../lab/seam-oracle.ts'
import { concatenateCase, SeamSources, spliceCase } from '../lab/seam-run.ts'
import type { SplicedSeam } from '../lab/seam-run.ts'

/**
 * The oracle of the seam: real encodings, cut at any packet and joined at any key picture, must leave ffmpeg and the
 * analyser with nothing to say. The same parts put together without the splice show that it can fail.
 */
const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0 && spawnSync('ffprobe', ['-version']).status === 0
/** Rounding of a frame's duration to 90 kHz, at both ends. */
const ROUNDING_TICKS = 2

describe('the seam oracle', { skip: hasFfmpeg ? false : 'ffmpeg and ffprobe are not installed' }, () => {
  let directory = ''
  let sources: SeamSources

  before(async () => {
    directory = await mkdtemp(joinPath(tmpdir(), 'holdfast-seam-'))
    sources = new SeamSources(directory)
  })
  after(() => rm(directory, { recursive: true, force: true }))

  const judge = async (name: string, output: Buffer): Promise<SeamVerdict> => {
    const path = joinPath(directory, `${name}.ts`)
    await writeFile(path, output)
    return judgeSeams(path)
  }

  for (const seamCase of seamCases.filter(({ isDiscontinuous }) => isDiscontinuous !== true)) {
    it(`is silent over a seam: ${seamCase.name}`, async () => {
      const seam = await spliceCase(seamCase, sources)
      const verdict = await judge('spliced', seam.output)
      assert.deepEqual(verdict.warnings, [])
      assert.equal(verdict.continuityErrors, 0)
      assert.deepEqual(
        problemsOf(verdict.analysis).filter((problem) => seamCase.hasHole !== true || !isSilence(problem)),
        [],
      )
      assertPictures(seamCase, seam, verdict)
      assertSound(seamCase, seam, verdict)
      assert.equal(seam.facts.seam?.kind, 'seamless')
    })
  }

  for (const seamCase of seamCases.filter(({ isDiscontinuous }) => isDiscontinuous === true)) {
    it(`is legal where decoders notice: ${seamCase.name}`, async () => {
      const { output, facts } = await spliceCase(seamCase, sources)
      const { analysis } = await judge('changed', output)
      assert.deepEqual(problemsOf(analysis), [])
      assert.equal(facts.seam?.kind, 'discontinuity')
      assert.equal(facts.programmeVersion, 1)
      assert.equal(analysis.findings.filter(({ code }) => code === 'programme_changed').length, 1)
    })
  }

  it('speaks up when the parts are only put together', async () => {
    for (const seamCase of seamCases) {
      const { output } = await concatenateCase(seamCase, sources)
      const verdict = await judge('naive', output)
      const steps = [...dtsSteps(verdict.packets, 'video'), ...dtsSteps(verdict.packets, 'audio')]
      const isStepped = steps.some((step) => !(step > 0 && step < 90_000))
      assert.ok(verdict.warnings.length > 0 || verdict.continuityErrors > 0 || isStepped, seamCase.name)
      assert.ok(problemsOf(verdict.analysis).length > 0, `the analyser finds nothing: ${seamCase.name}`)
    }
  })
})

function assertPictures({ parts, stepFramesMax = 1.5 }: SeamCase, { frames }: SplicedSeam, verdict: SeamVerdict): void {
  const frameTicks = 90_000 / Math.min(...parts.map(({ fps = 25 }) => fps))
  for (const step of dtsSteps(verdict.packets, 'video'))
    assert.ok(step > 0 && step <= stepFramesMax * frameTicks, `video step ${step}`)
  const count = verdict.packets.filter(({ kind }) => kind === 'video').length
  const expected = `${frames.certain} to ${frames.possible}`
  assert.ok(count >= frames.certain && count <= frames.possible, `${count} frames, expected ${expected}`)
  if (parts.every(hasVideo)) assert.equal(verdict.decodedFrames, count)
}

/** What the analyser says of time without sound. */
function isSilence(problem: string): boolean {
  return problem.startsWith('audio_hole') || problem.startsWith('pts_error')
}

function assertSound({ hasHole = false }: SeamCase, { facts }: SplicedSeam, { packets, audioGaps }: SeamVerdict): void {
  for (const step of dtsSteps(packets, 'audio')) assert.ok(step > 0, `audio step ${step}`)
  const { frameTicks, holeTicks, overlapTicks } = audioGaps
  assert.ok(frameTicks > 0, 'there is no audio')
  assert.equal(holeTicks > frameTicks, hasHole, `${holeTicks / 90} ms without audio`)
  assert.ok(overlapTicks <= ROUNDING_TICKS, `${overlapTicks / 90} ms of audio twice`)
  // What the splice itself says of its last seam is not more than what was measured.
  const told = facts.seam?.audioHoleMs ?? Infinity
  // Of a hole that silence shortens, what is left in front of the silence and behind it is told together.
  const restTicks = hasHole ? frameTicks : 0
  assert.ok(told <= (holeTicks + restTicks + ROUNDING_TICKS) / 90, 'facts and probe differ')
}
