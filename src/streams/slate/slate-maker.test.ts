import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../lib/log.ts'
import { createSimulatedClock } from '../../lib/simulated-clock.ts'
import { SlateError } from './slate-error.ts'
import { createSlateMaker } from './slate-maker.ts'
import type { SlateOptions, SlateRenderer } from './slate-renderer.ts'
import { fixtureSlate } from './slate.fixture.ts'

const signature = { streams: [] }
const slate = { isOn: true, afterMs: 3_000, file: '/no/such/file.mp4', text: 'Back soon' }

function makerOf(slateFor: SlateRenderer['slateFor']) {
  const told: string[] = []
  const log = { ...silentLog, warn: (event: string) => void told.push(event) }
  return { told, maker: createSlateMaker({ renderer: { slateFor }, clock: createSimulatedClock(), log }) }
}

test('the card stands in for a file that cannot be used, and the log says so', async () => {
  const asked: SlateOptions[] = []
  const { maker, told } = makerOf(async (_signature, options) => {
    asked.push(options)
    if (options.file !== undefined) throw new SlateError('file_unusable', 'there is no such file')
    return fixtureSlate()
  })
  await maker.prepare(signature, slate, new AbortController().signal)
  assert.deepEqual(asked, [{ file: slate.file, text: slate.text }, { text: slate.text }])
  assert.deepEqual(told, ['slate_file_unusable'])
})

test('where not even the card can be made there is none, and no word of the file', async () => {
  const { maker, told } = makerOf(() => Promise.reject(new SlateError('no_ffmpeg', 'there is no ffmpeg')))
  await assert.rejects(maker.prepare(signature, slate, new AbortController().signal), { problem: 'no_ffmpeg' })
  assert.deepEqual(told, [])
})
