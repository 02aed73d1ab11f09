import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import { otherBodies, runTool } from '../lab/media.ts'
import type { OtherBody } from '../lab/media.ts'
import { until } from '../lab/poll.ts'
import { Scene } from '../lab/scene.ts'
import { unhurried } from '../lab/unhurried.ts'

let gateway: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: unhurried })
})
after(async () => await gateway[Symbol.asyncDispose]())

const bodies = Object.keys(otherBodies) as readonly OtherBody[]
const BYTES = 60_000

describe('a live body of', { concurrency: 4 }, () => {
  for (const body of bodies) {
    test(`${body} reaches the viewer with its type, and plays`, async () => {
      await using scene = await Scene.open({ gateway, origins: [{ name: 'primary', body, backlogMs: 2_000 }] })
      const viewer = scene.watch()
      await viewer.hasRead(BYTES)
      assert.equal(String(viewer.headers['content-type']).toLowerCase(), otherBodies[body].contentType)
      const path = join(gateway.dataDirectory, `played.${body}`)
      await writeFile(path, viewer.body)
      const played = await runTool('ffprobe', ['-v', 'error', '-show_entries', 'stream=codec_name', path])
      assert.equal(played.code, 0)
      assert.match(played.stdout, /codec_name=/)
    })

    test(`${body} goes on from the backup over the same connection`, async () => {
      await using scene = await Scene.open({
        gateway,
        origins: [
          { name: 'primary', body, backlogMs: 2_000 },
          { name: 'backup', body, backlogMs: 2_000 },
        ],
      })
      const viewer = scene.watch()
      await viewer.hasRead(BYTES)
      scene.origin(0).inject({ kind: 'reset', aligned: true })
      // What the primary has sent may still be on its way to the viewer.
      await until(() => scene.origin(1).connectionsEver > 0, { what: 'the backup being read' })
      await viewer.hasRead(viewer.totalBytes + 2 * BYTES)
      assert.equal(scene.origin(1).connectionsEver, 1)
      assert.equal(viewer.state, 'reading')
    })
  }
})
