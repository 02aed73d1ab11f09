import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { judgeSeams } from '../lab/seam-oracle.ts'
import { encodeOnce, frameHashes, losePackets, multiplex } from '../lab/twin-media.ts'
import { runTwins } from '../lab/twin-run.ts'
import type { TwinRun } from '../lab/twin-run.ts'

/**
 * The oracle of the hitless switch: one encode by ffmpeg over two multiplexers, left and taken anywhere. What ffmpeg decodes
 * of the viewer's bytes is what it decodes of the source: no frame missing, none twice.
 */
const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0 && spawnSync('ffprobe', ['-version']).status === 0
const SECONDS = 8
const CUTS = [0.31, 0.437, 0.61, 0.6875, 0.83]

const encodings = {
  'H.264 with B pictures, one key picture in 2 s, AAC': [
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '3', '-g', '50', '-b:v', '1M', '-c:a', 'aac'],
  ],
  'HEVC, open GOP, MP2': [
    ...['-c:v', 'libx265', '-preset', 'ultrafast', '-b:v', '1M', '-x265-params'],
    ...['log-level=none:keyint=48:min-keyint=48:bframes=3:open-gop=1', '-c:a', 'mp2'],
  ],
  'MPEG-2, AC-3': ['-c:v', 'mpeg2video', '-bf', '2', '-g', '24', '-b:v', '1500k', '-c:a', 'ac3'],
}

/** Other PIDs and times, other PES packets, another clock. */
const REMUX = [
  ...['-mpegts_start_pid', '0x300', '-output_ts_offset', '4000', '-muxdelay', '0.4'],
  ...['-pes_payload_size', '500', '-pcr_period', '35'],
]
/** Another path: other PIDs and times only. */
const PATH = ['-mpegts_start_pid', '0x300', '-output_ts_offset', '95439']

describe('the hitless oracle', { skip: hasFfmpeg ? false : 'ffmpeg and ffprobe are not installed' }, () => {
  let directory = ''
  const file = (name: string) => joinPath(directory, name)

  before(async () => {
    directory = await mkdtemp(joinPath(tmpdir(), 'holdfast-hitless-'))
  })
  after(() => rm(directory, { recursive: true, force: true }))

  /** The viewer has got the source's frames, all of them but what the last cut may take. */
  const assertIdentical = async ({ output, seams }: TwinRun) => {
    assert.deepEqual(seams, ['first', ...CUTS.map(() => 'hitless')])
    await writeFile(file('output.ts'), output)
    for (const [kind, framesMissingMax] of [
      ['v', 8],
      ['a', 30],
    ] as const) {
      const source = await frameHashes(file('first.ts'), kind)
      const shown = await frameHashes(file('output.ts'), kind)
      // A decoder of sound begins with the frame before, which the viewer's first one has not got.
      const firstAt = source.indexOf(shown[1] ?? '') - 1
      assert.ok(firstAt >= 0 && firstAt <= 3, `begins at frame ${firstAt} of ${kind}`)
      assert.deepEqual(shown.slice(1), source.slice(firstAt + 1, firstAt + shown.length), `frames of ${kind}`)
      assert.ok(
        shown.length >= source.length - framesMissingMax,
        `${shown.length} of ${source.length} frames of ${kind}`,
      )
    }
    const verdict = await judgeSeams(file('output.ts'))
    assert.deepEqual(verdict.warnings, [])
    assert.equal(verdict.continuityErrors, 0)
  }

  for (const [name, codecs] of Object.entries(encodings)) {
    it(`loses and repeats no frame: ${name}`, async () => {
      await encodeOnce(file('encode.nut'), SECONDS, codecs)
      const first = await multiplex(file('encode.nut'), file('first.ts'), [])
      const second = await multiplex(file('first.ts'), file('second.ts'), REMUX)
      for (const lag of [0, 0.06]) {
        const run = runTwins({ sources: [first, second], cuts: CUTS, lag })
        assert.equal(run.alignment?.samePackets, false)
        await assertIdentical(run)
      }
    })

    it(`nor with 1 % of the packets lost on each: ${name}`, async () => {
      await encodeOnce(file('encode.nut'), SECONDS, codecs)
      const first = await multiplex(file('encode.nut'), file('first.ts'), [])
      const second = await multiplex(file('encode.nut'), file('second.ts'), PATH)
      const lossy = [losePackets(first, 100, 0, 0.2), losePackets(second, 100, 50, 0.2)] as const
      const run = runTwins({ sources: lossy, cuts: CUTS, lag: 0.01 })
      assert.equal(run.alignment?.samePackets, true)
      assert.ok(run.repairs.every(({ repaired, unrepairable }) => repaired > 30 && unrepairable === 0))
      await assertIdentical(run)
    })
  }

  it('speaks up when the same losses are not repaired', async () => {
    await encodeOnce(file('encode.nut'), SECONDS, encodings['MPEG-2, AC-3'])
    const first = await multiplex(file('encode.nut'), file('first.ts'), [])
    await writeFile(file('lossy.ts'), losePackets(first, 100, 0, 0.2))
    assert.notDeepEqual(await frameHashes(file('lossy.ts'), 'v'), await frameHashes(file('first.ts'), 'v'))
    assert.ok((await judgeSeams(file('lossy.ts'))).continuityErrors > 30)
  })
})
