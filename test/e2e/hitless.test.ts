import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { FileOrigin } from '../lab/file-origin.ts'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { until } from '../lab/poll.ts'
import { judgeSeams } from '../lab/seam-oracle.ts'
import { encodeOnce, frameHashes, losePackets, multiplex } from '../lab/twin-media.ts'
import { unhurried } from '../lab/unhurried.ts'

/** Two sources of one encode on a live gateway: the viewer is shown every frame once, whichever of them lives. */
const SECONDS = 24
const CODECS = [
  '-c:v',
  'libx264',
  '-preset',
  'veryfast',
  '-bf',
  '3',
  '-g',
  '50',
  '-b:v',
  '1M',
  '-c:a',
  'aac',
  '-aac_pns',
  '0',
]
const OTHER_PATH = ['-mpegts_start_pid', '0x300', '-output_ts_offset', '4000']

/** Seconds of the sources: long after the two are known to be twins, and shortly before the primary breaks off. */
const [LOSSY_FROM_S, LOSSY_TO_S] = [8, 11]

let gateway: GatewayProcess
let directory = ''
let encoded: Buffer
const file = (name: string) => join(directory, name)
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-hitless-'))
  gateway = await GatewayProcess.start({ env: unhurried })
  await encodeOnce(file('encode.nut'), SECONDS, CODECS)
  encoded = await multiplex(file('encode.nut'), file('primary.ts'), [])
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

interface Twins {
  readonly primary: Buffer
  readonly backup: Buffer
  /** By how much the backup comes later, ms. */
  readonly lagMs: number
  readonly delayMs?: number
  /** Where the losses of the backup end, of which the primary is needed to mend them; 0: it has none. */
  readonly lossyToSeconds?: number
}

/** What a viewer read over one connection, with the primary broken off in the middle. */
async function watched({ primary, backup, lagMs, delayMs = 0, lossyToSeconds = 0 }: Twins) {
  const startMs = systemClock.nowMs()
  await using first = await FileOrigin.start({ bytes: primary, seconds: SECONDS, startMs })
  await using second = await FileOrigin.start({ bytes: backup, seconds: SECONDS, startMs: startMs + lagMs })
  const streamId = await gateway.api.stream([first.url, second.url], { standby: 'hot', output_delay_ms: delayMs })
  using viewer = gateway.watch(streamId)
  await viewer.hasRead(100_000)
  await until(() => second.readersNow === 1, { what: 'the standby being received', deadlineMs: 10_000 })
  const breakAtSeconds = Math.max(first.playedSeconds + 6, lossyToSeconds + 0.5)
  await until(() => first.playedSeconds >= breakAtSeconds, { what: 'as much of the primary', deadlineMs: 20_000 })
  first.breakOff()
  await until(() => first.playedSeconds >= breakAtSeconds + 4 + delayMs / 1_000, {
    what: '4 s of the standby',
    deadlineMs: 20_000,
  })
  assert.equal(viewer.state, 'reading')
  await gateway.api.call('DELETE', `/streams/${streamId}`)
  await until(() => !viewer.isAlive, { what: 'the end of the stream' })
  const { events } = await gateway.api.get<{ events: readonly { data: { seam: string; media_jump_ms: number } }[] }>(
    `/events?type=switch_completed&stream_id=${streamId}`,
  )
  return { bytes: viewer.body, receipts: events.map(({ data }) => data) }
}

/** The frames that the viewer was shown are a row of the source's, none missing, none twice. */
async function assertIdentical(bytes: Buffer, name: string): Promise<void> {
  await writeFile(file(name), bytes)
  for (const [kind, framesMin] of [
    ['v', 200],
    ['a', 400],
  ] as const) {
    const source = await frameHashes(file('primary.ts'), kind)
    const shown = await frameHashes(file(name), kind)
    assert.ok(shown.length > framesMin, `${shown.length} frames of ${kind} are too few to judge`)
    // A decoder of sound begins with the frame before, which the viewer's first one has not got.
    const at = source.indexOf(shown[1] ?? '')
    assert.ok(at >= 0, `the first frames of ${kind} are the source's`)
    assert.deepEqual(shown.slice(1), source.slice(at, at + shown.length - 1), `frames of ${kind}`)
  }
  const verdict = await judgeSeams(file(name))
  assert.deepEqual(verdict.warnings, [])
  assert.equal(verdict.continuityErrors, 0)
}

describe('a switch between sources of one encode loses and repeats no frame', { concurrency: 3 }, () => {
  test('when the backup comes by another multiplexer, later', async () => {
    const remux = [...OTHER_PATH, '-muxdelay', '0.4', '-pes_payload_size', '500', '-pcr_period', '35']
    const backup = await multiplex(file('primary.ts'), file('backup.ts'), remux)
    const { bytes, receipts } = await watched({ primary: encoded, backup, lagMs: 300 })
    await assertIdentical(bytes, 'later.ts')
    assert.deepEqual(
      receipts.map(({ seam, media_jump_ms }) => ({ seam, media_jump_ms })),
      [{ seam: 'hitless', media_jump_ms: 0 }],
    )
  })

  test('when each loses one packet in a hundred, at different places', async () => {
    const backup = await multiplex(file('encode.nut'), file('same-packets.ts'), OTHER_PATH)
    const { bytes, receipts } = await watched({
      primary: losePackets(encoded, 100, 0, LOSSY_FROM_S / SECONDS),
      // Once the primary is gone nobody has what the backup loses.
      backup: losePackets(backup, 100, 50, LOSSY_FROM_S / SECONDS, LOSSY_TO_S / SECONDS),
      lossyToSeconds: LOSSY_TO_S,
      lagMs: 150,
      delayMs: 1_500,
    })
    await assertIdentical(bytes, 'lossy.ts')
    assert.equal(receipts[0]?.seam, 'hitless')
  })
})
