import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { seamCases } from '../test/lab/seam-cases.ts'
import type { SeamCase } from '../test/lab/seam-cases.ts'
import { dtsSteps, judgeSeams, problemsOf } from '../test/lab/seam-oracle.ts'
import { concatenateCase, SeamSources, spliceCase } from '../test/lab/seam-run.ts'
import { markdownTable, note, publish } from './report.ts'

/** The seam oracle as a table: each case through the splice, and its parts put together as they are. */

const TICKS_PER_MS = 90
/** Rounding of an audio frame's duration to 90 kHz, at both ends. */
const ROUNDING_TICKS = 2
const HEAD = [
  'seam',
  'ffmpeg warnings',
  'continuity errors',
  'DTS steps, ms',
  'frames expected, decoded',
  'audio missing / twice, ms',
  'analyser: errors',
]

interface Judged {
  readonly cells: readonly string[]
  readonly isClean: boolean
}

interface Frames {
  readonly certain: number
  readonly possible: number
}

async function judge(
  path: string,
  output: Buffer,
  { name, hasHole = false }: SeamCase,
  frames: Frames,
): Promise<Judged> {
  await writeFile(path, output)
  const { warnings, continuityErrors, audioGaps, analysis, packets, decodedFrames } = await judgeSeams(path)
  const { frameTicks, holeTicks, overlapTicks } = audioGaps
  const problems = problemsOf(analysis)
  const isSoundWhole = (hasHole || holeTicks <= frameTicks) && overlapTicks <= ROUNDING_TICKS
  const areFramesWhole = frames.possible === 0 || (decodedFrames >= frames.certain && decodedFrames <= frames.possible)
  const isMeant = (problem: string) => hasHole && /^(?:audio_hole|pts_error) /.test(problem)
  const isSilent = warnings.length + continuityErrors === 0 && problems.every(isMeant)
  const isClean = isSilent && isSoundWhole && areFramesWhole
  const cells = [
    name,
    `${warnings.length}`,
    `${continuityErrors}`,
    stepsText(dtsSteps(packets, 'video')),
    framesText(frames, decodedFrames),
    `${msText(holeTicks)} / ${msText(overlapTicks <= ROUNDING_TICKS ? 0 : overlapTicks)}`,
    problems.length === 0 ? '0' : kindsOf(problems),
  ]
  return { cells, isClean }
}

/** What is expected is a range where the cut leaves open whether a frame is whole. */
function framesText({ certain, possible }: Frames, decoded: number): string {
  if (possible === 0) return 'no video'
  return `${certain === possible ? certain : `${certain}–${possible}`}, ${decoded}`
}

/** `pat_error, dts_step`: each kind once. */
function kindsOf(problems: readonly string[]): string {
  return [...new Set(problems.map((problem) => `\`${problem.split(' ')[0] ?? ''}\``))].join(', ')
}

function stepsText(steps: readonly number[]): string {
  if (steps.length === 0) return 'no video'
  const [shortest, longest] = [Math.min(...steps), Math.max(...steps)]
  return shortest === longest ? msText(longest) : `${msText(shortest)} to ${msText(longest)}`
}

function msText(ticks: number): string {
  return Math.round(ticks / TICKS_PER_MS).toLocaleString('en')
}

async function main(args: readonly string[]): Promise<void> {
  const directory = await mkdtemp(joinPath(tmpdir(), 'holdfast-seams-'))
  const spliced: Judged[] = []
  const naive: Judged[] = []
  const changed: Judged[] = []
  try {
    const sources = new SeamSources(directory)
    const path = joinPath(directory, 'output.ts')
    for (const seamCase of seamCases) {
      note(seamCase.name)
      const { output, frames } = await spliceCase(seamCase, sources)
      const row = await judge(path, output, seamCase, frames)
      if (seamCase.isDiscontinuous === true) changed.push(row)
      else spliced.push(row)
      const whole = await concatenateCase(seamCase, sources)
      naive.push(await judge(path, whole.output, seamCase, { certain: whole.frames, possible: whole.frames }))
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
  const table = (rows: readonly Judged[]) =>
    markdownTable(
      HEAD,
      rows.map(({ cells }) => cells),
    )
  const cleanOf = (rows: readonly Judged[]) => `${rows.filter(({ isClean }) => isClean).length} of ${rows.length}`
  const markdown = [
    `Through the splice ${cleanOf(spliced)} are clean; put together as they are, ${cleanOf(naive)}.`,
    '',
    table(spliced),
    '',
    'Where the codec changes the output is legal (a new PMT version, an announced discontinuity), but no decoder goes on by',
    'itself: ffmpeg keeps the old one. Where pictures begin or end, a new PMT version says so.',
    '',
    table(changed),
    '',
    'The same parts put together, as a proxy passes what arrives:',
    '',
    table(naive),
  ].join('\n')
  await publish({ name: 'seams', command: 'npm run bench:seams', markdown }, args)
}

await main(process.argv.slice(2))
