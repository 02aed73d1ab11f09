import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { TS_PACKET_BYTES } from '../lab/marker.ts'
import { runTool } from '../lab/media.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: unhurried })
})
after(async () => await gateway[Symbol.asyncDispose]())

const pidAt = (bytes: Buffer, packet: number) => bytes.readUInt16BE(packet * TS_PACKET_BYTES + 1) & 0x1fff

/** Without the units that the end of the recording cut in two: of each PID, all from its last unit's start on. */
function wholeUnits(bytes: Buffer): Buffer {
  const packets = Array.from({ length: Math.floor(bytes.length / TS_PACKET_BYTES) }, (_, packet) => packet)
  const lastStart = new Map<number, number>()
  for (const packet of packets) {
    const isStart = ((bytes[packet * TS_PACKET_BYTES + 1] ?? 0) & 0x40) !== 0
    if (isStart) lastStart.set(pidAt(bytes, packet), packet)
  }
  const kept = packets.filter((packet) => packet < (lastStart.get(pidAt(bytes, packet)) ?? 0))
  return Buffer.concat(kept.map((packet) => bytes.subarray(packet * TS_PACKET_BYTES, (packet + 1) * TS_PACKET_BYTES)))
}

/** Whether ffprobe finds a keyframe first, and everything that the decoder complains about. */
async function decoded(
  bytes: Buffer,
  name: string,
): Promise<{ readonly firstFrameIsKey: boolean; readonly complaints: string }> {
  const path = join(gateway.dataDirectory, `${name}.ts`)
  await writeFile(path, wholeUnits(bytes))
  const frames = await runTool('ffprobe', [
    ...['-v', 'error', '-select_streams', 'v:0', '-read_intervals', '%+#1'],
    ...['-show_entries', 'frame=key_frame', '-of', 'csv=p=0', path],
  ])
  const all = await runTool('ffmpeg', ['-v', 'warning', '-i', path, '-f', 'null', '-'])
  return { firstFrameIsKey: frames.stdout.trim().startsWith('1'), complaints: all.stderr }
}

test('a viewer who joins a running stream starts with PAT, PMT and a keyframe, and decodes without a complaint', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary' }] })
  const early = await scene.watching()
  await early.hasRead(150_000)
  const late = scene.watch()
  await late.sees(scene.origin(0).name)
  const [joined] = late.record.stretches
  assert.ok((joined?.dueMs ?? Infinity) < late.openedMs, 'the join comes out of the buffer, not after a wait')
  await late.hasRead(150_000)
  assert.equal(pidAt(late.body, 0), 0)
  assert.equal(pidAt(late.body, 1), 0x1000)
  const { firstFrameIsKey, complaints } = await decoded(late.body, 'late')
  assert.ok(firstFrameIsKey, 'the first frame is a keyframe')
  assert.equal(complaints, '')
})

test('the very first viewer decodes without a complaint too, also when the source begins in the middle of a GOP', async () => {
  await using scene = await Scene.open({ gateway, origins: [{ name: 'primary', join: 'mid_gop' }] })
  const viewer = scene.watch()
  await viewer.hasRead(150_000)
  const { firstFrameIsKey, complaints } = await decoded(viewer.body, 'first')
  assert.ok(firstFrameIsKey, 'the first frame is a keyframe')
  assert.equal(complaints, '')
})

test('without the splice the backup begins with its own PAT and PMT and a keyframe', async () => {
  await using scene = await Scene.open({
    gateway,
    origins: [{ name: 'primary' }, { name: 'backup', join: 'mid_gop' }],
    stream: { seamless: false },
  })
  const viewer = await scene.watching()
  scene.origin(0).inject({ kind: 'fin', aligned: false })
  await viewer.sees(scene.origin(1).name)
  await viewer.hasRead(viewer.totalBytes + 60_000)
  const { body } = viewer
  const packets = Math.floor(body.length / TS_PACKET_BYTES)
  const isOfBackup = (packet: number) => pidAt(body, packet) >= 0x200 && pidAt(body, packet) < 0x300
  const first = Array.from({ length: packets }, (_, packet) => packet).findIndex(isOfBackup)
  assert.equal(pidAt(body, first), 0x280, 'the first packet of the backup is its PMT')
  assert.equal(pidAt(body, first - 1), 0, 'with the PAT before it')
  const joined = body.subarray((first - 1) * TS_PACKET_BYTES)
  const { firstFrameIsKey, complaints } = await decoded(joined, 'joint')
  assert.ok(firstFrameIsKey, 'the first frame is a keyframe')
  assert.equal(complaints, '')
})
